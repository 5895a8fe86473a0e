"""The change counters of an SQLite file, read where the event loop stands.

Every request looks at them, so the look must cost microseconds. SQLite's own counter
(`PRAGMA data_version`) says from shared memory whether any other connection committed since the
last look; only then are the two rows read, from pages that are in memory. In write-ahead-log mode a
reader never waits for a writer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path


class SqlitePulse:
    """A connection of its own that only looks."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(
            f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        self._seen = -1
        self._values: Mapping[str, int] = {}

    def read(self) -> Mapping[str, int]:
        """The counters now."""
        (seen,) = self._connection.execute("PRAGMA data_version").fetchone()
        if seen != self._seen:
            self._values = dict(self._connection.execute("SELECT name, value FROM revisions"))
            self._seen = seen
        return self._values

    def version(self) -> int:
        """A number that differs as soon as any connection committed anything."""
        (seen,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(seen)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
