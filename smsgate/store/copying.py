"""A consistent copy of an SQLite database, made beside a running server.

The copy is taken by SQLite's own backup interface, some pages at a time. All steps read one
snapshot: without it, each commit of the server between two steps would make the copy begin anew.
In write-ahead-log mode a reader holds up nobody; the log only grows until the copy is done.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from smsgate.clock import to_ms

_PAGES: Final = 1024  # 4 MiB a step
_VERSION_TABLE: Final = "alembic_version"

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Looked:
    """What is in a file that is a sound database of smsgate's."""

    schema: str
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class Unsound:
    """Why a file is none, in words that follow its name."""

    reason: str


def copy(source: Path, target: Path, progress: Progress | None = None) -> None:
    """Copy the database at `source` into the empty file `target`, as of one moment.

    Args:
        source: a database, perhaps in use.
        target: an empty file that is there already, with the rights it is to have.
        progress: told the share that is done, now and then.

    Raises:
        sqlite3.Error: one of the two cannot be read or written.
    """

    def step(_status: int, remaining: int, total: int) -> None:
        if progress is not None:
            progress(1 - remaining / total if total else 1.0)

    with closing(_opened(source)) as origin, closing(sqlite3.connect(target)) as made:
        origin.execute("PRAGMA query_only=ON")
        # Begin to read: from here on every page is seen as it is now.
        origin.execute("BEGIN")
        origin.execute("SELECT count(*) FROM sqlite_master").fetchone()
        # What is half made is thrown away; it reaches the disk as a whole, before it has its name.
        made.execute("PRAGMA synchronous=OFF")
        origin.backup(made, pages=_PAGES, progress=step)
        origin.execute("ROLLBACK")
        # One file, with no log that could be left behind.
        made.execute("PRAGMA journal_mode=DELETE").fetchone()
    with target.open("rb") as written:
        os.fsync(written.fileno())


def look(file: Path) -> Looked | Unsound:
    """Check a file to its last page, and count what is in it. It is not changed.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        if not opened.read(16).startswith(b"SQLite format 3"):
            return Unsound("is no SQLite database")
    try:
        with closing(_opened(file, "immutable=1&mode=ro")) as connection:
            return _look(connection)
    except sqlite3.Error as error:
        return Unsound(f"cannot be read as a database: {error}")


def _look(connection: sqlite3.Connection) -> Looked | Unsound:
    faults = [line for (line,) in connection.execute("PRAGMA integrity_check(3)")]
    if faults != ["ok"]:
        return Unsound("is damaged: integrity_check fails")
    if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
        return Unsound("is damaged: foreign_key_check fails")
    names = {
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if not name.startswith("sqlite_")
    }
    if _VERSION_TABLE not in names:
        return Unsound("is no database of smsgate's")
    version = connection.execute(f"SELECT version_num FROM {_VERSION_TABLE}").fetchone()  # noqa: S608 - a name of ours
    if version is None:
        return Unsound("is no database of smsgate's: it has no schema")
    return Looked(str(version[0]), {name: _count(connection, name) for name in sorted(names)})


def _count(connection: sqlite3.Connection, name: str) -> int:
    quoted = name.replace('"', '""')
    (number,) = connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()  # noqa: S608 - quoted
    return int(number)


def fold_log(file: Path) -> bool:
    """Fold the log of a database nobody uses into it; False where that cannot be done."""
    try:
        with closing(_opened(file)) as connection:
            (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy
    except sqlite3.Error:
        return False


def erased_since(file: Path, at: datetime) -> int:
    """How many numbers were erased after `at`, as the audit of a database has it; 0 if unknown."""
    if not file.exists():
        return 0
    try:
        with closing(_opened(file)) as connection:
            (number,) = connection.execute(
                "SELECT count(*) FROM audit WHERE action = 'erase' AND at > ?", [to_ms(at)]
            ).fetchone()
            return int(number)
    except sqlite3.Error:  # whatever is wrong with it is why it is replaced
        return 0


def _opened(file: Path, options: str = "mode=rw") -> sqlite3.Connection:
    return sqlite3.connect(
        f"{file.absolute().as_uri()}?{options}", uri=True, isolation_level=None, timeout=5
    )
