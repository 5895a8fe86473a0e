"""Telling aggregators that listen: what became of what they ordered, and what came in.

What is to be told waits in a table (`smsgate.store.tellings`), is taken by lease, and is told at
least once, in order for each message. An aggregator that does not answer, or whose set-up is at
fault, is left alone like any route: it is paused under its name, with an alert.
"""

from __future__ import annotations

import asyncio
import contextlib
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
from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.claiming import Secrets, shut_until
from smsgate.clock import Clock
from smsgate.errors import SecretUnreadable, SmsgateError
from smsgate.message import State
from smsgate.programme import Programmes
from smsgate.routing import Connect, Route, connect
from smsgate.store import routes, tellings
from smsgate.store.database import Store
from smsgate.store.tellings import What
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from smsgate.transport import Transport
from smsgate.verdict import End, Health, Verdict, after, of_reply, of_unready, wait

PARALLEL: Final = 8
BATCH: Final = 32
LEASE: Final = timedelta(seconds=90)  # longer than a request may take (`smsgate.transport`)
WORTH_TELLING: Final = timedelta(days=7)
_KEPT: Final = timedelta(days=30)
_TICK: Final = 0.5
_LEAST_REST: Final = 0.25  # a commit may be anybody's: look no more often than this
_BLIND: Final = 2.0  # where other processes' commits cannot be seen
_AWAY: Final = 2.0

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

    def __init__(
        self,
        store: Store,
        programmes: Programmes,
        vault: Secrets,
        registry: AggregatorRegistry,
        *,
        clock: Clock,
        connect: Connect = connect,
    ) -> None:
        """Tell what waits in `store`; the arguments are those of `Dispatcher`."""
        self._store = store
        self._programmes = programmes
        self._vault = vault
        self._registry = registry
        self._clock = clock
        self._connect = connect
        self._owner = f"teller-{secrets.token_hex(6)}"
        self._wake = asyncio.Event()
        self._version = -1

    async def run(self) -> None:
        """Until cancelled."""
        self._store.writer.listeners.append(self._committed)
        try:
            while True:
                self._wake.clear()
                self._version = self._store.version()
                try:
                    until = await self.step()
                except SmsgateError as error:
                    logger.warning("telling put off", reason=str(error))
                    until = self._clock() + timedelta(seconds=_AWAY)
                except Exception as error:
                    logger.error("telling failed", exc_info=error)
                    until = self._clock() + timedelta(seconds=_AWAY)
                await asyncio.sleep(_LEAST_REST)
                await self._rest(until)
        finally:
            self._store.writer.listeners.remove(self._committed)

    def _committed(self, jobs: Sequence[Job[Any]]) -> None:
        if any(not isinstance(job, Take | Note) for job in jobs):
            self._wake.set()

    async def _rest(self, until: datetime | None) -> None:
        rested = 0.0
        while not self._wake.is_set() and self._store.version() == self._version:
            left = _TICK if until is None else (until - self._clock()).total_seconds()
            if left <= 0 or (not self._store.sees_all and rested >= _BLIND):
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), min(left, _TICK))
            rested += _TICK

    async def step(self) -> datetime | None:
        """Tell all that can be told now; when time alone will next bring something."""
        programme = await self._programmes.current(await self._store.revisions())
        options = programme.options()
        found = [one for one in self._registry.described(options.own).aggregators if one.listens]
        soonest: datetime | None = None
        for aggregator in found:
            until = await self._tell(aggregator, options)
            if until is not None and (soonest is None or until < soonest):
                soonest = until
        return soonest

    async def _tell(self, aggregator: Aggregator, options: Options) -> datetime | None:
        while True:
            now = self._clock()
            async with self._store.read() as connection:
                if not await tellings.any_due(connection, aggregator.name, now):
                    return await tellings.next_due(connection, aggregator.name, now)
                shut = shut_until(await routes.get(connection, aggregator.name), now)
            if shut is not None:
                return shut
            taken = await self._store.write(Take(aggregator.name, self._owner, now))
            if not taken:
                return None  # another process has it in hand
            said = await self._say(aggregator, taken, options)
            await self._store.write(
                Note(aggregator.name, self._owner, said, now, self._clock(), random.random())  # noqa: S311 - spreads load
            )

    async def _say(
        self, aggregator: Aggregator, rows: Sequence[Row], options: Options
    ) -> Sequence[Said]:
        secret: Secret | Unready | None
        try:
            secret = await self._vault.outgoing(aggregator)
        except SecretUnreadable as error:
            secret = Unready(str(error))
        transport = self._connect(_way_to(aggregator, options))
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
            verdict = of_reply(reply, lambda answer: _outcome(aggregator, answer), self._clock())
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
