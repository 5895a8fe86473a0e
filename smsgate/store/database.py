"""The store as the rest of smsgate holds it: open, read, write, close."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from smsgate.errors import StoreUnavailable
from smsgate.store import revisions
from smsgate.store.engine import check_promises, reading_engine, sqlite_path, transactor
from smsgate.store.failures import as_refusal
from smsgate.store.notices import Notices, Telling
from smsgate.store.pulse import SqlitePulse
from smsgate.store.transact import Connection, SqliteTransactor
from smsgate.store.writer import Job, Writer

T = TypeVar("T")


class Store:
    """One process's access to the database.

    Use as `async with Store(url) as store`. The database must be migrated already.
    """

    def __init__(self, url: str, *, max_waiting: int = 1024, patience: float = 10.0) -> None:
        self._path = sqlite_path(url)
        self._transactor = transactor(url)
        self._notices: Notices | None = None
        if self._path is None:
            self._notices = Notices(url)
            self._transactor = Telling(self._transactor, self._notices.name)
        self._reading: AsyncEngine = reading_engine(url)
        self.writer = Writer(self._transactor, max_waiting=max_waiting, patience=patience)
        self._pulse: SqlitePulse | None = None
        self._lookout = revisions.Lookout(self._read_revisions)
        self._known: Mapping[str, int] = {}
        self._known_at = -1

    async def __aenter__(self) -> Store:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> dict[str, object]:
        """Connect, check what durability rests on, and start the writer.

        Returns:
            The database settings that were read back.

        Raises:
            StartError: the database does not keep what smsgate promises.
            StoreUnavailable: it cannot be reached.
        """
        try:
            found = await self._transactor.run(check_promises)
            if self._path is not None:
                self._pulse = SqlitePulse(self._path)
        except (DBAPIError, OSError) as error:
            raise as_refusal(error) or StoreUnavailable("the database cannot be opened") from error
        self.writer.start()
        return found

    async def close(self) -> None:
        """Finish what waits to be written and let go of every connection."""
        await self.writer.stop()
        if self._notices is not None:
            await self._notices.stop()
        if self._pulse is not None:
            self._pulse.close()
        await self._reading.dispose()
        await self._transactor.close()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one consistent state and cannot write.

        Raises:
            StoreBusy: no connection was free in time.
            StoreUnavailable: the database cannot be reached.
        """
        try:
            async with self._reading.connect() as connection:
                yield connection
        except (DBAPIError, OSError) as error:
            refusal = as_refusal(error)
            if refusal is None:
                raise
            raise refusal from error

    async def write(self, job: Job[T]) -> T:
        """Have `job` written; see `Writer.submit`."""
        return await self.writer.submit(job)

    async def truncate_log(self) -> bool:
        """Empty SQLite's log; False where that has to wait, or where there is none."""
        if not isinstance(self._transactor, SqliteTransactor):
            return False
        try:
            return await self._transactor.truncate_log()
        except (sqlite3.Error, DBAPIError) as error:
            raise as_refusal(error) or StoreUnavailable("the log cannot be emptied") from error

    async def probe(self) -> None:
        """Go through the writer once without writing anything.

        Raises:
            StoreBusy, StoreUnavailable: a message that came now could not be stored.
        """
        await self.write(_Probe())

    async def revisions(self, *, exact: bool = True) -> Mapping[str, int]:
        """The change counters, as of after this call.

        Args:
            exact: False for what is asked many times a second, and may on PostgreSQL see another
                process's change only when its notification is here, usually milliseconds later.
                While notifications cannot be heard, each call looks all the same.
        """
        if self._pulse is not None:
            return self._pulse.read()
        if exact or self._notices is None or not self._notices.live:
            return await self._lookout.current()
        version = self.version()
        if version != self._known_at:
            known = await self._lookout.current()
            self._known, self._known_at = known, version
        return self._known

    @property
    def embedded(self) -> bool:
        """Whether the database is a file of this process's own: SQLite."""
        return self._path is not None

    @property
    def sees_all(self) -> bool:
        """Whether `version` tells of other processes' commits too.

        On SQLite always; on PostgreSQL while their notifications certainly come through.
        """
        return self._notices is None or self._notices.live

    def version(self) -> int:
        """A number that differs as soon as this process, at least, committed anything."""
        if self._notices is None:
            return self._pulse.version() if self._pulse is not None else 0
        self._notices.start()  # who asks wants to hear
        return self.writer.transactions + self._notices.heard

    async def _read_revisions(self) -> Mapping[str, int]:
        async with self.read() as connection:
            return await revisions.read(connection)


class _Probe(Job[None]):
    async def run(self, connection: Connection) -> None:
        # On SQLite the transaction itself takes the write lock; elsewhere a statement is needed.
        await connection.execute(select(1))
