"""The simulated phone's database file: what survives when the simulator is killed.

A journal of whole rows, the last of an id wins. Each save is one write of the rows that changed,
so 500 messages at five polls a second cost next to nothing, and a kill leaves at worst a torn last
line, which the next start cuts off. No fsync: the phone must survive its process, not a power cut.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import msgspec

from smsgate.errors import CommandError
from smsgate.simulate.rows import Outgoing, Row, Sms

_HEADER = b'{"smsgate-phone":1}\n'
_DECODER: msgspec.json.Decoder[Row] = msgspec.json.Decoder(Sms | Outgoing)
_ENCODER = msgspec.json.Encoder()


class StateError(CommandError):
    """The file cannot serve as a phone's database: damaged, something else, or in use."""


class Journal:
    """The open file. `rows` is what it held when it was opened.

    Raises:
        OSError: the file cannot be read or written.
        StateError: it is no state file, is damaged, or another simulator has it open.
    """

    def __init__(self, path: Path) -> None:
        self.rows: list[Row] = []
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._lock(path)
            self._read(path)
        except BaseException:
            os.close(self._file)
            raise

    def _lock(self, path: Path) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError(f"{path} is in use by another simulated phone") from None

    def _read(self, path: Path) -> None:
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise StateError(f"{path} is not a file")
        content = path.read_bytes()
        if _HEADER.startswith(content):  # new, or killed while its first line was written
            os.ftruncate(self._file, 0)
            os.write(self._file, _HEADER)
            return
        if not content.startswith(_HEADER):
            raise StateError(f"{path} is not a state file of a simulated phone")
        whole = content.rindex(b"\n") + 1
        os.ftruncate(self._file, whole)
        latest: dict[tuple[type[Row], str], Row] = {}
        for number, line in enumerate(content[len(_HEADER) : whole].splitlines(), start=2):
            try:
                row = _DECODER.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise StateError(f"{path} is damaged at line {number}") from None
            latest[type(row), row.id] = row
        self.rows = list(latest.values())

    def write(self, rows: Iterable[Row]) -> None:
        """Add these rows; when this returns a kill can no longer undo them.

        Raises:
            OSError: the disk is full, or the like.
        """
        content = memoryview(b"".join(_ENCODER.encode(row) + b"\n" for row in rows))
        while content:
            content = content[os.write(self._file, content) :]

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
