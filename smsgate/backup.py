"""Making a backup: copy beside a running server, check the copy, then give it its name.

A file under the name that was asked for is whole, checked, and has its manifest beside it. The
secret key is never in it: who finds a backup finds no credential of an aggregator.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from smsgate import __version__, clock, manifest
from smsgate.errors import CommandError, NewerSchema, StoreUnavailable
from smsgate.manifest import Manifest
from smsgate.settings import Settings
from smsgate.store import copying, dumping, milestones, schema
from smsgate.store.copying import Looked, Unsound
from smsgate.store.engine import sqlite_path
from smsgate.store.milestones import BACKUP
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Backed(Job[None]):
    """Write down that a backup was made: what says so is not in the backup itself."""

    manifest: Manifest
    by: str

    async def run(self, connection: Connection) -> None:
        """See `Job.run`."""
        said = {"size": self.manifest.size, "schema": self.manifest.schema, "by": self.by}
        await milestones.put(connection, BACKUP, self.manifest.at, said)


async def make(settings: Settings, target: Path, progress: Progress | None = None) -> Manifest:
    """Write a backup to `target`.

    Raises:
        CommandError: it cannot be made; nothing is left under the name.
        NewerSchema: the database was written by a newer smsgate.
        StoreUnavailable: the database cannot be reached.
    """
    _free(target)
    try:
        with _partial(target) as half:
            at, looked = await _copied(settings, half, progress)
            if isinstance(looked, Unsound):
                raise CommandError(
                    f"the copy {looked.reason}: no backup was made. Look at the database with"
                    " smsgate doctor, and keep the backups there are"
                )
            if looked.schema not in schema.known():
                raise NewerSchema(schema.newer_text(looked.schema))
            size, sha256 = manifest.digest(half)
            made = Manifest(
                smsgate=__version__,
                engine="sqlite" if settings.on_sqlite else "postgresql",
                schema=looked.schema,
                at=at,
                size=size,
                sha256=sha256,
                rows=looked.rows,
            )
            _name(half, target, made)
            return made
    except sqlite3.Error as error:
        raise StoreUnavailable(f"the database cannot be copied: {error}") from error
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error.strerror}") from error


def _free(target: Path) -> None:
    for name in (target, manifest.beside(target)):
        if os.path.lexists(name):
            raise CommandError(f"{name} is there already: a backup overwrites nothing")
    if not target.parent.is_dir():
        raise CommandError(f"there is no folder {target.parent}: make it first")


async def _copied(
    settings: Settings, half: Path, progress: Progress | None
) -> tuple[datetime, Looked | Unsound]:
    path = sqlite_path(settings.database_url)
    if path is None:
        at, looked = await dumping.dump(settings.database_url, half)
        if isinstance(looked, Looked):
            fault = await dumping.read_through(settings.database_url, half)
            if fault is not None:
                return at, Unsound(f"cannot be read again: {fault}")
        return at, looked
    if not path.exists():
        raise CommandError(f"there is no database in {path.parent}")
    at = clock.now()
    copying.copy(path, half, progress)
    return at, copying.look(half)


@contextmanager
def _partial(target: Path) -> Iterator[Path]:
    """A file beside `target` that nobody else may read, and that is gone in the end."""
    half = target.with_name(f".{target.name}.{os.getpid()}.partial")
    half.unlink(missing_ok=True)
    os.close(os.open(half, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield half
    finally:
        for name in (half, manifest.beside(half), half.with_name(half.name + "-journal")):
            name.unlink(missing_ok=True)


def _name(half: Path, target: Path, made: Manifest) -> None:
    """Give both files their names; the backup last, so that it is never without its manifest."""
    said = manifest.beside(half)
    descriptor = os.open(said, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(manifest.write(made))
        opened.flush()
        os.fsync(opened.fileno())
    with half.open("rb") as opened:  # on PostgreSQL another program wrote it
        os.fsync(opened.fileno())
    _move(said, manifest.beside(target))
    try:
        _move(half, target)
    except BaseException:
        manifest.beside(target).unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _move(half: Path, target: Path) -> None:
    """Rename, unless there is such a file by now."""
    try:
        os.link(half, target)
    except FileExistsError:
        raise CommandError(f"{target} is there already: a backup overwrites nothing") from None
    except OSError:  # a file system without hard links, such as that of a memory stick
        if os.path.lexists(target):
            raise CommandError(f"{target} is there already: it is left as it is") from None
        half.rename(target)
