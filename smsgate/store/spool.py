"""Webhook calls that wait in a file of this machine while PostgreSQL is away.

Their senders do not repeat themselves, so a call is answered once it is in this file, synced to the
disk, and goes into the database later. The file is as private as the database: it holds texts.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from smsgate.aggregators.base import Call
from smsgate.clock import from_ms, to_ms
from smsgate.errors import StartError, StoreUnavailable

T = TypeVar("T")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS calls (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    aggregator TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    method TEXT NOT NULL,
    url TEXT NOT NULL,
    headers TEXT NOT NULL,
    query TEXT NOT NULL,
    body BLOB NOT NULL,
    at INTEGER NOT NULL
)"""
_INSERT: Final = (
    "INSERT INTO calls (aggregator, endpoint, method, url, headers, query, body, at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_FULL: Final = 2  # what `PRAGMA synchronous` says for FULL
_BUSY_MS: Final = 5000


@dataclass(frozen=True, slots=True)
class Spooled:
    """A call that waits, and its place in the line."""

    seq: int
    aggregator: str
    call: Call


class Spool:
    """The file. Many calls that come at once share a transaction and its sync."""

    def __init__(self, path: Path) -> None:
        """Keep calls in the file at `path`, which is made when the first one comes."""
        self._path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="smsgate-spool")
        self._file: sqlite3.Connection | None = None
        self._gathered: list[tuple[Any, ...]] = []
        self._writing: asyncio.Future[None] | None = None
        self._next: asyncio.Future[None] | None = None
        self.depth = 0
        self.filled = asyncio.Event()

    async def open(self) -> None:
        """Count what an earlier process left.

        Raises:
            StartError: the file cannot be used.
        """
        if self._path.exists():
            try:
                await self._aside(self._count)
            except StoreUnavailable as error:
                raise StartError(
                    f"{self._path} cannot be read: move it aside, and keep it, for webhook calls"
                    " may wait in it"
                ) from error

    async def close(self) -> None:
        """Let go of the file."""
        await self._aside(self._close)
        self._thread.shutdown()

    async def append(self, aggregator: str, call: Call) -> None:
        """Keep a call; it is on the disk when this returns.

        Raises:
            StoreUnavailable: it is not.
        """
        self._gathered.append(
            (
                aggregator,
                call.endpoint,
                call.method,
                call.url,
                json.dumps(dict(call.headers)),
                json.dumps(list(call.query)),
                call.body,
                to_ms(call.at),
            )
        )
        # The write under way has its rows already; the next one takes all that gather meanwhile.
        if self._next is None:
            self._next = asyncio.ensure_future(self._write(self._writing))
        await asyncio.shield(self._next)

    async def _write(self, before: asyncio.Future[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        self._writing, self._next = self._next, None
        rows, self._gathered = self._gathered, []
        await self._aside(lambda: self._add(rows))
        self.filled.set()

    async def first(self, limit: int) -> Sequence[Spooled]:
        """The calls that have waited longest, in the order they came."""
        return await self._aside(lambda: self._first(limit))

    async def remove(self, seqs: Sequence[int]) -> None:
        """Forget calls that are in the database now."""
        await self._aside(lambda: self._remove(seqs))

    async def _aside(self, action: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, action)
        except (sqlite3.Error, OSError, RuntimeError) as error:
            raise StoreUnavailable("the spool cannot be written") from error

    # -- on the thread

    def _opened(self) -> sqlite3.Connection:
        if self._file is None:
            # Made by us, so that nobody else may read it: sqlite3 would go by the umask alone.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            file = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                f"busy_timeout={_BUSY_MS}",
                "secure_delete=ON",
            ):
                file.execute(f"PRAGMA {pragma}")
            (mode,) = file.execute("PRAGMA journal_mode").fetchone()
            (synchronous,) = file.execute("PRAGMA synchronous").fetchone()
            if (mode, synchronous) != ("wal", _FULL):
                file.close()
                raise sqlite3.OperationalError("the spool's file is not kept safely here")
            file.execute(_SCHEMA)
            self._file = file
        return self._file

    def _count(self) -> None:
        self.depth = self._opened().execute("SELECT count(*) FROM calls").fetchone()[0]

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _add(self, rows: Sequence[tuple[Any, ...]]) -> None:
        file = self._opened()
        file.execute("BEGIN IMMEDIATE")
        try:
            file.executemany(_INSERT, rows)
            file.execute("COMMIT")
        except BaseException:
            if file.in_transaction:
                file.execute("ROLLBACK")
            raise
        self.depth += len(rows)

    def _first(self, limit: int) -> list[Spooled]:
        rows = self._opened().execute("SELECT * FROM calls ORDER BY seq LIMIT ?", [limit])
        return [_spooled(row) for row in rows]

    def _remove(self, seqs: Sequence[int]) -> None:
        file = self._opened()
        file.execute("BEGIN IMMEDIATE")
        file.executemany("DELETE FROM calls WHERE seq = ?", [(seq,) for seq in seqs])
        file.execute("COMMIT")
        self._count()
        if not self.depth:  # the texts are not to stay in the log of changes either
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _spooled(row: tuple[Any, ...]) -> Spooled:
    seq, aggregator, endpoint, method, url, headers, query, body, at = row
    moment: datetime | None = from_ms(at)
    if moment is None:
        raise sqlite3.DataError("a time that is none")
    call = Call(
        endpoint=endpoint,
        method=method,
        url=url,
        headers=json.loads(headers),
        query=[(name, value) for name, value in json.loads(query)],
        body=body,
        at=moment,
    )
    return Spooled(seq, aggregator, call)
