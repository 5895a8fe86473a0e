"""Asking an aggregator what became of messages, where it can be asked and does not tell by itself.

A walk over what it took and has not said the last word about: a few messages a minute, one process
at a time, from where the last one stopped. A message is asked about until a week after its last
change and two weeks after it was made; a word that comes later is a report all the same.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from smsgate import log
from smsgate.aggregators.base import Aggregator, Answer, Ask, Refused, Report, Secret
from smsgate.enduring import enduring
from smsgate.ids import earliest
from smsgate.message import StatusReport
from smsgate.outbox import wire_id
from smsgate.outside import Outside
from smsgate.routing import Route, route_of
from smsgate.settling import settle
from smsgate.store import cursors
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

BATCH: Final = 25
EVERY: Final = timedelta(minutes=1)
_NOT_NOW: Final = timedelta(minutes=10)  # they refuse, and do not say for how long
_LONGEST: Final = timedelta(days=1)
_TURN: Final = timedelta(minutes=15)
_FORGET_AFTER: Final = timedelta(days=7)
_MADE_WITHIN: Final = timedelta(days=14)
_FAULTS: Final = 3  # in a row end a walk until the next minute

logger = log.get(__name__)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TakeTurn(Job[str | None]):
    """Begin or go on with a walk; where it has come to, None if it is not one's turn."""

    name: str
    owner: str
    at: datetime

    async def run(self, connection: Connection) -> str | None:
        """See `Job.run`."""
        until = self.at + _TURN
        return await cursors.take(connection, self.name, self.owner, now=self.at, until=until)


@dataclass(frozen=True, slots=True)
class Rest(Job[None]):
    """Write down what was said, and how far the walk has come."""

    name: str
    owner: str
    source: str
    reports: Sequence[StatusReport]
    place: str
    not_before: datetime

    async def run(self, connection: Connection) -> None:
        """See `Job.run`."""
        await settle(connection, self.reports, source=self.source)
        await cursors.leave(
            connection, self.name, self.owner, at=self.place, not_before=self.not_before
        )


@dataclass(slots=True)
class _Walked:
    """How a part of a walk went."""

    place: str
    reports: list[StatusReport] = field(default_factory=list)
    rest: timedelta = EVERY
    faults: int = 0
    stopped: bool = False


def can_be_asked(aggregator: Aggregator) -> bool:
    """Whether this aggregator says what became of a message when it is asked."""
    return type(aggregator).inquire is not Aggregator.inquire


class Asker:
    """Walks. Any number of processes may run one: a lease says whose turn it is."""

    def __init__(self, outside: Outside) -> None:
        """Ask about the messages of `outside.store`."""
        self._outside = outside
        self._owner = f"asker-{secrets.token_hex(6)}"

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            async with enduring("asking"):
                await self.step()
            await asyncio.sleep(EVERY.total_seconds())

    async def step(self) -> int:
        """Go a part of the way; how many messages were asked about."""
        programme = await self._outside.programme()
        route = route_of(programme, self._outside.registry)
        if route is None or not can_be_asked(route.aggregator):
            return 0
        name = f"asked:{route.name}"
        now = self._outside.clock()
        # Most of the time there is nothing to do.
        async with self._outside.store.read() as connection:
            place = await cursors.place(connection, name, self._owner, now)
            if place is None or not (await self._unfinished(connection, route, "", now)):
                return 0
        place = await self._outside.store.write(TakeTurn(name, self._owner, now))
        if place is None:
            return 0
        async with self._outside.store.read() as connection:
            rows = await self._unfinished(connection, route, place, now)
        walked = await self._walk(route, rows, place)
        if len(rows) < BATCH and not walked.stopped:
            walked.place = ""  # from the beginning again
        await self._outside.store.write(
            Rest(
                name,
                self._owner,
                route.aggregator.name,
                walked.reports,
                walked.place,
                self._outside.clock() + walked.rest,
            )
        )
        return len(rows)

    async def _unfinished(
        self, connection: Connection, route: Route, place: str, now: datetime
    ) -> list[Row]:
        return await cursors.unfinished(
            connection,
            route.name,
            place=max(place, earliest(now - _MADE_WITHIN)),
            since=now - _FORGET_AFTER,
            limit=BATCH,
        )

    async def _walk(self, route: Route, rows: Sequence[Row], place: str) -> _Walked:
        walked = _Walked(place)
        transport = self._outside.connect(route)
        try:
            secret = await self._outside.vault.outgoing(route.aggregator)
            for row in rows:
                ask = _inquire(route, row["gateway_ref"], secret)
                if ask is not None:
                    _take(
                        walked,
                        route.aggregator,
                        row,
                        await transport.ask(ask),
                        self._outside.clock(),
                    )
                if walked.stopped:
                    break
                walked.place = row["id"]
        finally:
            await transport.close()
        return walked


def _inquire(route: Route, reference: str, secret: Secret | None) -> Ask | None:
    try:
        return route.aggregator.inquire(reference, secret, route.options)
    except Exception as error:
        logger.error("inquire failed", aggregator=route.aggregator.name, exc_info=error)
        return None


def _take(walked: _Walked, aggregator: Aggregator, row: Row, reply: object, now: datetime) -> None:
    if not isinstance(reply, Answer):
        walked.faults += 1  # the walk goes on behind it: one message does not hold up the others
        walked.stopped = walked.faults >= _FAULTS
        return
    try:
        said = aggregator.reported(row["gateway_ref"], reply)
    except Exception as error:
        logger.error("reported failed", aggregator=aggregator.name, exc_info=error)
        return
    if isinstance(said, Refused):
        after = said.after if said.after is not None else reply.retry_after
        walked.rest = _NOT_NOW if after is None else timedelta(seconds=after)
        walked.rest = min(max(walked.rest, EVERY), _LONGEST)
        walked.stopped = True
        return
    walked.faults = 0
    if isinstance(said, Report):
        walked.reports.append(
            StatusReport(
                message_id=wire_id(row["id"], row["retries"]),
                status=said.status,
                state=said.state,
                reason=said.reason,
                gateway=aggregator.name,
                at=now,
            )
        )
