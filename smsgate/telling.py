"""Telling aggregators that listen: what became of what they ordered, and what came in.

What is to be told waits in a table (`smsgate.store.tellings`), is taken by lease, and is told at
least once, in order for each message. An aggregator that does not answer, or whose set-up is at
fault, is left alone like any route: it is paused under its name, with an alert.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from smsgate import log
from smsgate.addresses import networks
from smsgate.aggregators.base import (
    Accepted,
    Aggregator,
    Answer,
    Became,
    CameIn,
    Notice,
    Options,
    Outcome,
    Secret,
    Stopped,
    Unclear,
    Unready,
)
from smsgate.claiming import shut_until
from smsgate.enduring import enduring
from smsgate.errors import SecretUnreadable
from smsgate.message import State
from smsgate.outside import Outside
from smsgate.routing import Route
from smsgate.store import routes, tellings
from smsgate.store.tellings import What
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from smsgate.transport import Transport
from smsgate.verdict import End, Health, Verdict, after, of_reply, of_unready, wait
from smsgate.waking import Waking

PARALLEL: Final = 8
BATCH: Final = 32
LEASE: Final = timedelta(seconds=90)  # longer than a request may take (`smsgate.transport`)
WORTH_TELLING: Final = timedelta(days=7)
_KEPT: Final = timedelta(days=30)
_LEAST_REST: Final = 0.25  # a commit may be anybody's: look no more often than this
_AWAY: Final = timedelta(seconds=2)

Row = dict[str, Any]

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Take(Job[Sequence[Row]]):
    """Take what is to be told into a worker's hands; one alone while it is tried again."""

    name: str
    owner: str
    at: datetime

    async def run(self, connection: Connection) -> Sequence[Row]:
        """See `Job.run`."""
        route = await routes.get(connection, self.name)
        if shut_until(route, self.at) is not None:
            return ()
        return await tellings.take(
            connection,
            self.name,
            self.owner,
            now=self.at,
            until=self.at + LEASE,
            limit=BATCH if route.paused_at is None else 1,
        )


@dataclass(frozen=True, slots=True)
class Said:
    """How telling one thing ended; no verdict: it need not be told."""

    row: Row
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Note(Job[None]):
    """Write down how telling went, and what that says of the aggregator."""

    name: str
    owner: str
    said: Sequence[Said]
    begun: datetime
    at: datetime
    jitter: float

    async def run(self, connection: Connection) -> None:
        """See `Job.run`."""
        known = [one.row["seq"] for one in self.said if _is_known(one)]
        await tellings.done(connection, self.owner, known)
        for one in self.said:
            if one.verdict is not None and not _is_known(one):
                await self._refused(connection, one.row, one.verdict)
        await tellings.sweep(connection, self.at - _KEPT)
        before = await routes.get(connection, self.name)
        if self._as_left(before) != before:
            locked = await routes.lock(connection, self.name)
            await routes.save(connection, self._as_left(locked))

    async def _refused(self, connection: Connection, row: Row, verdict: Verdict) -> None:
        seq, status = row["seq"], verdict.status
        if verdict.end is End.REFUSED or self.at - row["created_at"] > WORTH_TELLING:
            await tellings.give_up(connection, self.owner, seq, at=self.at, status=status)
            return
        paused = verdict.end is End.PAUSED  # the fault is none of this row's
        due = self.at if paused else self.at + wait(verdict, row["attempts"], self.jitter)
        await tellings.put_off(
            connection, self.owner, seq, due_at=due, status=status, tried=not paused
        )

    def _as_left(self, route: routes.RouteRow) -> routes.RouteRow:
        for one in self.said:
            if one.verdict is not None:
                route = after(route, one.verdict, begun=self.begun, now=self.at)
        return route


def _is_known(one: Said) -> bool:
    return one.verdict is None or one.verdict.end is End.OK


class Teller:
    """Tells. Any number of processes may run one."""

    def __init__(self, outside: Outside) -> None:
        """Tell what waits in `outside.store`."""
        self._outside = outside
        self._owner = f"teller-{secrets.token_hex(6)}"
        self._waking = Waking(outside.store, outside.clock, own=(Take, Note))

    async def run(self) -> None:
        """Until cancelled."""
        self._waking.start()
        try:
            while True:
                self._waking.look()
                until: datetime | None = self._outside.clock() + _AWAY
                async with enduring("telling"):
                    until = await self.step()
                await self._waking.sleep(until, least=_LEAST_REST)
        finally:
            self._waking.stop()

    async def step(self) -> datetime | None:
        """Tell all that can be told now; when time alone will next bring something."""
        programme = await self._outside.programme()
        options = programme.options()
        registry = self._outside.registry.described(options.own)
        found = [one for one in registry.aggregators if one.listens]
        soonest: datetime | None = None
        for aggregator in found:
            until = await self._tell(aggregator, options)
            if until is not None and (soonest is None or until < soonest):
                soonest = until
        return soonest

    async def _tell(self, aggregator: Aggregator, options: Options) -> datetime | None:
        while True:
            now = self._outside.clock()
            async with self._outside.store.read() as connection:
                if not await tellings.any_due(connection, aggregator.name, now):
                    return await tellings.next_due(connection, aggregator.name, now)
                shut = shut_until(await routes.get(connection, aggregator.name), now)
            if shut is not None:
                return shut
            taken = await self._outside.store.write(Take(aggregator.name, self._owner, now))
            if not taken:
                return None  # another process has it in hand
            said = await self._say(aggregator, taken, options)
            jitter = random.random()  # noqa: S311 - spreads load
            done = self._outside.clock()
            await self._outside.store.write(
                Note(aggregator.name, self._owner, said, now, done, jitter)
            )

    async def _say(
        self, aggregator: Aggregator, rows: Sequence[Row], options: Options
    ) -> Sequence[Said]:
        secret: Secret | Unready | None
        try:
            secret = await self._outside.vault.outgoing(aggregator)
        except SecretUnreadable as error:
            secret = Unready(str(error))
        transport = self._outside.connect(_way_to(aggregator, options))
        try:
            return await asyncio.gather(
                *(self._one(aggregator, row, secret, options, transport) for row in rows)
            )
        finally:
            await transport.close()

    async def _one(
        self,
        aggregator: Aggregator,
        row: Row,
        secret: Secret | Unready | None,
        options: Options,
        transport: Transport,
    ) -> Said:
        notice = _notice(row)
        if notice is None:
            return Said(row, None)
        if isinstance(secret, Unready):
            return Said(row, of_unready(secret))
        try:
            ask = aggregator.tell(notice, secret, options)
            if ask is None:
                return Said(row, None)
            if isinstance(ask, Unready):
                return Said(row, of_unready(ask))
            reply = await transport.ask(ask)
            verdict = of_reply(
                reply, lambda answer: _outcome(aggregator, answer), self._outside.clock()
            )
        except Exception as error:
            logger.error("telling failed", aggregator=aggregator.name, exc_info=error)
            verdict = Verdict(End.RETRY, State.PENDING, "our_fault", Health.SILENT)
        if verdict.end is End.REFUSED:
            logger.warning("not told", aggregator=aggregator.name, reason=verdict.status)
        return Said(row, verdict)


def _outcome(aggregator: Aggregator, answer: Answer) -> Outcome:
    try:
        return aggregator.told(answer) or Accepted(State.SENT, "told")
    except Exception as error:
        logger.error("told failed", aggregator=aggregator.name, exc_info=error)
        return Unclear(f"the aggregator's code failed: {type(error).__name__}")


def _way_to(aggregator: Aggregator, options: Options) -> Route:
    own = options.own.get(aggregator.name.replace("-", "_"))
    allowed = networks(own.get("allow")) if isinstance(own, Mapping) else ()
    return Route(
        name=aggregator.name,
        aggregator=aggregator,
        options=options,
        parallel=PARALLEL,
        allowed=allowed,
    )


def _notice(row: Row) -> Notice | None:
    """What a row tells; None where what it is about is not there any more."""
    if row["what"] == What.BECAME:
        known = row["state"] in set(State)
        return Became(row["reference"], State(row["state"])) if row["reference"] and known else None
    if row["sender"] is None:
        return None
    if row["what"] == What.STOPPED:
        return Stopped(row["sender"])
    return CameIn(row["sender"], row["text"] or "", row["received_at"])
