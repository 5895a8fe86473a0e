"""Running a transaction: the same `async` code on either engine, on the cheapest way to each.

PostgreSQL is spoken to over the event loop. SQLite is a library that blocks, though hardly ever for
long: what may wait is taking a lock that is not free (`BEGIN IMMEDIATE`) and reaching the disk
(`COMMIT`, with its fsync and checkpoints). These two run on a thread of their own. The statements
between them, which work on pages in memory, run where the event loop stands, on a plain connection
behind the face of an async one. Through an async driver every statement cost four hand-overs
between two threads; on a thread of its own each row written gave the interpreter away and waited to
get it back (docs/adr/0002).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection as PlainConnection
from sqlalchemy import CursorResult, Engine, Executable
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

T = TypeVar("T")

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Connection(Protocol):
    """What store functions need of a connection; SQLAlchemy's `AsyncConnection` has it."""

    @property
    def dialect(self) -> Dialect:
        """The engine's dialect."""
        ...

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """Run a statement."""
        ...

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> CursorResult[Any]:
        """Run a statement given as text."""
        ...

    def begin_nested(self) -> Any:
        """A savepoint, as an async context manager."""
        ...


Work = Callable[[Connection], Coroutine[Any, Any, T]]


class Transactor(Protocol):
    """Runs one piece of work in one transaction and commits it."""

    async def run(self, work: Work[T]) -> T:
        """Run `work`; its exception rolls back and comes out."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


class LoopTransactor:
    """On the event loop, through an async driver."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, work: Work[T]) -> T:
        """See `Transactor`."""
        async with self._engine.begin() as connection:
            return await work(connection)

    async def close(self) -> None:
        """See `Transactor`."""
        await self._engine.dispose()


class SqliteTransactor:
    """On the event loop, with a thread for what may wait. One transaction at a time."""

    def __init__(self, engine: Engine, *, busy_timeout_ms: int) -> None:
        self._engine = engine
        self._busy_timeout_ms = busy_timeout_ms
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="smsgate-store")
        self._turn = asyncio.Lock()
        self._connection: PlainConnection | None = None

    async def run(self, work: Work[T]) -> T:
        """See `Transactor`. A caller that is cancelled does not interrupt the transaction."""
        return await asyncio.shield(self._run(work))

    async def _run(self, work: Work[T]) -> T:
        async with self._turn:
            connection = await self._begun()
            try:
                result = _run_to_end(work(Direct(connection)))
            except BaseException:
                await self._aside(connection.rollback)
                raise
            try:
                await self._aside(connection.commit)
            except BaseException:
                await self._aside(self._drop)  # whether it took place is not known: start anew
                raise
            return result

    async def _begun(self) -> PlainConnection:
        if self._connection is None:
            self._connection = await self._aside(self._engine.connect)
        try:
            # The lock is free but for a command that writes at this very moment: ask on the spot,
            # and only if it is not, wait for it aside.
            self._wait_for_lock(0)
            try:
                self._connection.begin()
            except OperationalError as error:
                if not _is_busy(error):
                    raise
                self._connection.rollback()
                self._wait_for_lock(self._busy_timeout_ms)
                await self._aside(self._connection.begin)
            self._wait_for_lock(self._busy_timeout_ms)
        except BaseException:
            await self._aside(self._drop)
            raise
        return self._connection

    def _wait_for_lock(self, milliseconds: int) -> None:
        if self._connection is not None:
            raw: Any = self._connection.connection.dbapi_connection
            raw.execute(f"PRAGMA busy_timeout={milliseconds}")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    async def truncate_log(self) -> bool:
        """Fold the log into the database and empty it; False where somebody still reads from it.

        It does not wait for readers, for every write waits meanwhile.
        """
        async with self._turn:
            if self._connection is None:
                self._connection = await self._aside(self._engine.connect)
            raw: Any = self._connection.connection.dbapi_connection
            self._wait_for_lock(0)
            try:
                done = await self._aside(
                    lambda: raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                )
            finally:
                self._wait_for_lock(self._busy_timeout_ms)
            return not done[0]

    async def _aside(self, action: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, action)

    async def close(self) -> None:
        """See `Transactor`."""
        if self._connection is not None:
            await self._aside(self._connection.close)
            self._connection = None
        await self._aside(self._engine.dispose)
        self._thread.shutdown()


def _is_busy(error: OperationalError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", 0) or 0
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class Direct:
    """A plain connection that looks like an async one and answers at once.

    For the hot path's statements (`smsgate.store.many`) it also leads past SQLAlchemy, whose result
    and execution objects cost more than what SQLite does for them. Errors are SQLAlchemy's.
    """

    def __init__(self, plain: PlainConnection) -> None:
        self._plain = plain
        self.dialect: Dialect = plain.dialect
        self._driver: Any = plain.connection.dbapi_connection

    async def execute(self, statement: Executable, parameters: Any = None) -> CursorResult[Any]:
        """See `Connection`."""
        result: CursorResult[Any] = self._plain.execute(statement, parameters)
        return result

    async def exec_driver_sql(self, statement: str, parameters: Any = None) -> CursorResult[Any]:
        """See `Connection`."""
        return self._plain.exec_driver_sql(statement, parameters)

    def write_rows(self, statement: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each of `rows`."""
        try:
            self._driver.executemany(statement, rows)
        except sqlite3.Error as error:
            raise self._translated(error) from error

    def read_rows(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        try:
            rows: list[tuple[Any, ...]] = self._driver.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._translated(error) from error
        return rows

    def _translated(self, error: sqlite3.Error) -> Exception:
        # Without statement and values: they hold numbers and texts, and an error is logged.
        return DBAPIError.instance(
            None, None, error, sqlite3.Error, hide_parameters=True, dialect=self.dialect
        )

    @asynccontextmanager
    async def begin_nested(self) -> AsyncIterator[None]:
        """See `Connection`."""
        with self._plain.begin_nested():
            yield


def _run_to_end(coroutine: Coroutine[Any, Any, T]) -> T:
    try:
        coroutine.send(None)
    except StopIteration as end:
        value: T = end.value
        return value
    coroutine.close()
    raise RuntimeError("a job may wait for nothing but its connection")
