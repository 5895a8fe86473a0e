"""Time passing: makes scheduled messages due and ends those that may no longer be sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

from smsgate import log, passing, steering
from smsgate.clock import Clock
from smsgate.enduring import enduring
from smsgate.heartbeat import Heartbeats
from smsgate.passing import Pace
from smsgate.programme import Programme, Programmes
from smsgate.states import Order
from smsgate.steering import Steer, Terms
from smsgate.store import repeats
from smsgate.store.database import Store
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

EVERY_SECONDS = 5.0

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Sweep(Job[int]):
    """One pass over what is due and what has expired."""

    at: datetime
    pace: Pace | None = None

    async def run(self, connection: Connection) -> int:
        """See `Job.run`."""
        return await passing.sweep(connection, now=self.at, pace=self.pace)


@dataclass(frozen=True, slots=True)
class Forget(Job[None]):
    """Drop what was counted for the duplicate limit and is over."""

    at: datetime

    async def run(self, connection: Connection) -> None:
        """See `Job.run`."""
        await repeats.forget(connection, self.at)


class Timekeeper:
    """Sweeps every few seconds. Several processes may: each move is made under a lock."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        heartbeats: Heartbeats | None = None,
        programmes: Programmes | None = None,
    ) -> None:
        """Sweep `store`.

        Args:
            store: an open store.
            clock: what time it is.
            heartbeats: what phones were last heard of, written with the sweep.
            programmes: where the settings in force are; without, their defaults hold.
        """
        self._store = store
        self._clock = clock
        self._heartbeats = heartbeats
        self._programmes = programmes

    async def run(self) -> None:
        """Until cancelled; a database that is away for a while does not end it."""
        while True:
            async with enduring("sweep"):
                await self.sweep()
                if self._heartbeats is not None:
                    await self._heartbeats.flush_if_due(self._clock())
            await asyncio.sleep(EVERY_SECONDS)

    async def sweep(self) -> int:
        """Everything that is due now; how many messages changed. Reads first: most find nothing."""
        programme = None
        if self._programmes is not None:
            programme = await self._programmes.current(await self._store.revisions())
        changed = await self._retry(programme) if programme is not None else 0
        pace = Pace.of(programme) if programme is not None else Pace()
        while True:
            now = self._clock()
            async with self._store.read() as connection:
                work = await passing.any_to_sweep(connection, now=now, pace=pace)
                stale = await repeats.any_to_forget(connection, now)
            if stale:
                await self._store.write(Forget(now))
            if not work:
                return changed
            changed += await self._store.write(Sweep(now, pace))

    async def _retry(self, programme: Programme) -> int:
        """Open failed messages again as the settings' rule says."""
        rule = programme.queue.retry
        if rule is None:
            return 0
        now = self._clock()
        async with self._store.read() as connection:
            ids = await steering.to_retry(connection, rule, now=now)
        if not ids:
            return 0
        terms = Terms.of(programme)
        obeyed = await self._store.write(
            Steer(
                order=Order.RETRY,
                ids=ids,
                by="rule",
                at=now,
                terms=terms,
                keep_expiry=True,
            )
        )
        return len(obeyed.moved)
