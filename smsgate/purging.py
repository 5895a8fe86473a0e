"""Retention at work: what has been kept long enough is blanked, a few hundred rows at a time.

Each batch is a transaction of its own in the grouped writer, so that phones are answered in
between. Several processes may run: whoever holds the row of the walk does the next batch. On SQLite
the log is emptied afterwards, for what was overwritten in the database may still stand in it.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from smsgate import failpoints, log
from smsgate.clock import Clock
from smsgate.errors import SmsgateError
from smsgate.ids import new_id
from smsgate.programme import Programmes
from smsgate.retention import Retention
from smsgate.store import audit, cursors, milestones, purging, revisions
from smsgate.store.database import Store
from smsgate.store.milestones import PURGE, TRUNCATED
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

BATCH: Final = 500
NAME: Final = "retention"
ACTOR: Final = "smsgate"
_TICK_SECONDS: Final = 5.0
_FIRST_SECONDS: Final = 60.0
_EVERY_SECONDS: Final = 3600.0
_TURN: Final = timedelta(minutes=1)
# Between two batches it rests four times as long as the last one took.
_SHARE: Final = 4

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Purged:
    """What a batch came to; `more` says that there may be more."""

    counts: Mapping[str, int] = field(default_factory=dict)
    more: bool = False


@dataclass(frozen=True, slots=True)
class Purge(Job[Purged]):
    """Blank one batch, and write down how much it was."""

    rules: Retention
    owner: str
    at: datetime
    limit: int = BATCH

    @property
    def weight(self) -> int:
        """Roughly how many rows it writes."""
        return self.limit

    async def run(self, connection: Connection) -> Purged:
        """See `Job.run`."""
        until = self.at + _TURN
        place = await cursors.take(connection, NAME, self.owner, now=self.at, until=until)
        if place is None:  # another process is at it
            return Purged()
        old = await purging.find(
            connection, self.rules, now=self.at, places=_places(place), limit=self.limit
        )
        await purging.blank(connection, old)
        failpoints.come_by("purge.mid")
        await cursors.leave(
            connection, NAME, self.owner, at=json.dumps(old.places), not_before=self.at
        )
        if old.counts:
            await revisions.bump(connection, revisions.BLANKED)
        more = sum(old.counts.values()) >= self.limit
        await self._note(connection, old.counts, more=more)
        return Purged(old.counts, more)

    async def _note(self, connection: Connection, counts: Mapping[str, int], *, more: bool) -> None:
        """Add up over the batches; the audit has one line for all of them."""
        known = await milestones.get(connection, PURGE)
        before: Mapping[str, Any] = known.details if known is not None else {}
        run = Counter(before.get("run", {})) + Counter(counts)
        total = Counter(before.get("total", {})) + Counter(counts)
        if not more and run:
            await audit.note(
                connection, at=self.at, actor=ACTOR, action="retention.purge", details=run
            )
            run = Counter()
        details = {"total": total, "run": run}
        await milestones.put(connection, PURGE, self.at, details)


def _places(place: str) -> dict[str, str]:
    read = json.loads(place) if place else {}
    return {key: value for key, value in read.items() if isinstance(value, str)}


@dataclass(frozen=True, slots=True)
class Note(Job[None]):
    """Write down a milestone."""

    name: str
    at: datetime
    details: Mapping[str, Any] = field(default_factory=dict)

    async def run(self, connection: Connection) -> None:
        """See `Job.run`."""
        await milestones.put(connection, self.name, self.at, self.details)


class Keeper:
    """Looks once an hour whether anything has been kept long enough."""

    def __init__(self, store: Store, programmes: Programmes, clock: Clock) -> None:
        self._store = store
        self._programmes = programmes
        self._clock = clock
        self._owner = new_id()
        self._truncated = 0

    async def run(self) -> None:
        """Until cancelled; a database that is away for a while does not end it."""
        due = time.monotonic() + _FIRST_SECONDS
        while True:
            try:
                if time.monotonic() >= due:
                    await self.purge()
                    due = time.monotonic() + _EVERY_SECONDS
                await self.tidy()
            except SmsgateError as error:
                logger.warning("retention put off", reason=str(error))
            except Exception as error:
                logger.error("retention failed", exc_info=error)
                due = time.monotonic() + _EVERY_SECONDS
            await asyncio.sleep(_TICK_SECONDS)

    async def purge(self) -> Mapping[str, int]:
        """Blank all that has been kept long enough, batch by batch; how much of each kind."""
        total: Counter[str] = Counter()
        programme = await self._programmes.current(await self._store.revisions())
        rules = Retention.of(programme.document)
        while await self._any(rules):
            began = time.monotonic()
            done = await self._store.write(Purge(rules, self._owner, self._clock()))
            if not done.counts:
                break
            total.update(done.counts)
            if done.more:
                await asyncio.sleep(_SHARE * (time.monotonic() - began))
        if total:
            logger.info("retention", count=sum(total.values()))
        return total

    async def _any(self, rules: Retention) -> bool:
        """Whether there is anything to do and nobody else at it; reads only."""
        now = self._clock()
        async with self._store.read() as connection:
            place = await cursors.place(connection, NAME, self._owner, now)
            if place is None:
                return False
            old = await purging.find(connection, rules, now=now, places=_places(place), limit=1)
        return bool(old.counts)

    async def tidy(self) -> bool:
        """On SQLite: empty the log, if anything was blanked since it was last emptied."""
        if not self._store.embedded:
            return False
        blanked = (await self._store.revisions()).get(revisions.BLANKED, 0)
        if blanked == self._truncated:
            return False
        if not await self._store.truncate_log():
            return False  # somebody still reads from it: the next time
        self._truncated = blanked
        await self._store.write(Note(TRUNCATED, self._clock(), {"blanked": blanked}))
        return True
