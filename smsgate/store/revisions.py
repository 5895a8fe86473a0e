"""Knowing that something changed: a counter per subject, looked at before each request.

Another process (a command, a second server) may change the settings or an account at any time and
the next request must see it. Looking is grouped as writing is: one look serves every request that
arrived before the look began, so that its cost does not grow with the load. Where commits are told
(`smsgate.store.notices`) a look serves until something is heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy import select

from smsgate.store.dialect import upsert
from smsgate.store.tables import revisions
from smsgate.store.transact import Connection

SETTINGS = "settings"
USERS = "users"
# What people order of messages that wait: other processes must see it on the next poll.
ORDERS = "orders"
CONSENT = "consent"
CREDENTIALS = "credentials"
# Content was taken out of rows: what is left of it in the log is to go too.
BLANKED = "blanked"


async def read(connection: Connection) -> dict[str, int]:
    """Every counter; a subject that never changed is absent."""
    rows = await connection.execute(select(revisions.c.name, revisions.c.value))
    return {row.name: row.value for row in rows}


async def bump(connection: Connection, name: str) -> None:
    """Say that `name` changed, in the transaction that changes it."""
    statement = upsert(connection, revisions).values(name=name, value=1)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[revisions.c.name], set_={"value": revisions.c.value + 1}
        )
    )


class Lookout:
    """Shares one look among all who ask before it begins."""

    def __init__(self, look: Callable[[], Awaitable[Mapping[str, int]]]) -> None:
        self._look = look
        self._running: asyncio.Task[Mapping[str, int]] | None = None
        self._next: asyncio.Task[Mapping[str, int]] | None = None

    async def current(self) -> Mapping[str, int]:
        """The counters as a look that began after this call found them."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(None))
            return await asyncio.shield(self._running)
        # The look under way may have begun before the change our caller must see.
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
        return await asyncio.shield(self._next)

    async def _run(self, before: asyncio.Task[Mapping[str, int]] | None) -> Mapping[str, int]:
        if before is not None:
            await asyncio.wait([before])
            self._running, self._next = self._next, None
        return await self._look()
