"""The key file: where the keys are that seal credentials, apart from the database and its copies.

A text file of keys, one a line, the newest first; `#` begins a remark. It is `secret.key` in the
data directory, made at the first start, or what `SMSGATE_SECRET_KEY_FILE` names, which smsgate
reads and never makes.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import secrets
import stat
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from smsgate import log
from smsgate.cipher import Key, Ring, Sealed, Shut
from smsgate.clock import to_ms
from smsgate.errors import StartError

_HEAD: Final = (
    "# smsgate seals credentials with the first of these keys and opens them with any.\n"
    "# Keep a copy apart from the copies of the database. `smsgate rotate-key` changes it.\n"
)
_MAKE = "openssl rand -base64 32"

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Unusable:
    """There is no key to go by. `reason` is one line that says what to do."""

    reason: str


def about(name: str, created_at: datetime) -> str:
    """What a credential's seal is bound to: its name and when it was stored, whatever its slot."""
    return f"{name}\0{to_ms(created_at)}"


class Sealer:
    """Seals and opens with the keys of one file, seeing a change of the file."""

    def __init__(self, path: Path, *, named: bool = False) -> None:
        """Go by the file at `path`.

        Args:
            path: the key file.
            named: somebody chose it, so it is theirs to make; else it is ours, in the data
                directory.
        """
        self.path = path
        self._named = named
        self._ring = Ring(())
        self._seen: tuple[int, ...] = ()
        self._warned = False

    def __repr__(self) -> str:
        return f"Sealer({str(self.path)!r})"

    def ready(self, needed: Collection[str]) -> None:
        """Make sure of the keys, making the first one where nothing is sealed yet.

        Args:
            needed: the ids of the keys that stored credentials are sealed with.

        Raises:
            StartError: there is no key, or not those that are needed.
        """
        ring = self.ring(needed)
        if isinstance(ring, Unusable):
            raise StartError(ring.reason)

    def ring(self, needed: Collection[str] = ()) -> Ring | Unusable:
        """The keys as the file has them now, if all that are `needed` are among them."""
        problem = self._refresh()
        if problem is None and not self._ring.keys:
            problem = self._make(needed)
        if problem is not None:
            return problem
        lost = self._ring.lacks(needed)
        if lost:
            return Unusable(
                f"credentials are sealed with the key {lost[0]}, which is not in {self.path}: put"
                " the key file back from its copy, or, if it is lost, run `smsgate credential"
                " remove --lost` and store them again"
            )
        return self._ring

    def open(self, sealed: Sealed, bound_to: str) -> str | Shut:
        """The sealed text; looks at the file again where it needs a key not known so far."""
        if self._ring.lacks([sealed.key_id]):
            problem = self._refresh()
            if problem is not None:
                return Shut(problem.reason)
        return self._ring.open(sealed, bound_to)

    def add_newest(self) -> Ring | Unusable:
        """Put a new key before the others; all of them open from now on.

        Only while `rotating`: what a rotation that was killed left half-written is swept away.
        """
        problem = self._refresh()
        if problem is not None:
            return problem
        place = self.path.resolve()
        for left in place.parent.glob(f".{glob.escape(place.name)}.new-*"):
            left.unlink(missing_ok=True)
        return self._write([Key.new(), *self._ring.keys])

    def keep_newest(self) -> Ring | Unusable:
        """Drop every key but the newest."""
        problem = self._refresh()
        if problem is not None:
            return problem
        return self._write(self._ring.keys[:1])

    @contextlib.contextmanager
    def rotating(self) -> Iterator[bool]:
        """Hold off other rotations of this file; False where one is under way."""
        # On the folder, because the file itself is replaced.
        folder = os.open(self.path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(folder)

    def _refresh(self) -> Unusable | None:
        """Read the file if it is another than before; a file that is not there has no keys."""
        try:
            with self.path.open(encoding="utf-8") as file:
                found = os.fstat(file.fileno())
                problem = self._judge(found.st_mode)
                if problem is not None:
                    return problem
                signature = (found.st_ino, found.st_mtime_ns, found.st_size)
                if signature == self._seen:
                    return None
                text = file.read()
        except FileNotFoundError:
            self._ring, self._seen = Ring(()), ()
            return None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            return Unusable(f"the key file {self.path} cannot be read: {reason}")
        keys = self._parse(text)
        if isinstance(keys, Unusable):
            return keys
        self._ring, self._seen = Ring(keys), signature
        return None

    def _judge(self, mode: int) -> Unusable | None:
        others = stat.S_IMODE(mode) & 0o077
        # A file that somebody mounted has the mode the mount gives it; 0444 is common.
        if others & 0o022 or (others and not self._named):
            return Unusable(
                f"the key file {self.path} is open to other users of this machine: run"
                f" `chmod 600 {self.path}`"
            )
        if others and not self._warned:
            self._warned = True
            logger.warning("other users of this machine may read the key file", path=str(self.path))
        return None

    def _parse(self, text: str) -> list[Key] | Unusable:
        keys = []
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].strip()
            if not words:
                continue
            key = Key.read(words)
            if key is None:
                return Unusable(
                    f"line {number} of the key file {self.path} is no key: 32 random bytes in"
                    f" base64, as `{_MAKE}` prints them"
                )
            keys.append(key)
        return keys or Unusable(
            f"the key file {self.path} holds no key: put it back from its copy, or, if nothing was"
            " ever sealed with it, remove it"
        )

    def _make(self, needed: Collection[str]) -> Unusable | None:
        if self._named:
            return Unusable(
                f"SMSGATE_SECRET_KEY_FILE names {self.path}, which is not there: put it there, or"
                f" make a first one with `(umask 077; {_MAKE} > {self.path})`"
            )
        if needed:
            return None  # told by who asked, with what is missing
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = _beside(self.path, [Key.new()])
            try:
                # Unlike a rename it fails where another process was first: its key counts.
                with contextlib.suppress(FileExistsError):
                    os.link(made, self.path)
            finally:
                made.unlink()
            _settle(self.path.parent)
        except OSError as error:
            return Unusable(f"the key file {self.path} cannot be made: {error.strerror}")
        return self._refresh()

    def _write(self, keys: Sequence[Key]) -> Ring | Unusable:
        # A link stays a link: what it leads to is replaced.
        place = self.path.resolve()
        try:
            _beside(place, keys).replace(place)
            _settle(place.parent)
        except OSError as error:
            return Unusable(
                f"the key file {self.path} cannot be written: {error.strerror}; put the new key in"
                " its first line by other means, then run `smsgate rotate-key --keep-file`"
            )
        return self._refresh() or self._ring


def _beside(path: Path, keys: Sequence[Key]) -> Path:
    """A file with `keys` in the same folder, on disk."""
    made = path.with_name(f".{path.name}.new-{secrets.token_hex(4)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(_HEAD + "".join(f"{key.written()}\n" for key in keys))
        file.flush()
        os.fsync(descriptor)
    return made


def _settle(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
