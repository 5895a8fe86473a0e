"""The dispatch loop: gives what waits to the outgoing service's aggregator.

It wakes when this process commits anything, looks every half second at a counter for what others
commit, and otherwise sleeps until time itself brings something. What it looks for costs nothing
while nothing changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from smsgate import failpoints, log
from smsgate.aggregators.base import Aggregator, Secret, Unready
from smsgate.attempting import Way, attempt, broken_off
from smsgate.claiming import LOOK_BACK, Claim, Claimed, Claims, Found, Look
from smsgate.enduring import enduring
from smsgate.errors import SecretUnreadable, SmsgateError
from smsgate.offering import Terms
from smsgate.outside import Outside
from smsgate.programme import Programme
from smsgate.pushing import SWEEP, GiveBack, Lapse, SendAgain, Settle
from smsgate.routing import Route, route_of
from smsgate.store import pushing
from smsgate.tally import Tally
from smsgate.transport import Transport
from smsgate.verdict import Health, Verdict
from smsgate.waking import Waking

GRACE_SECONDS: Final = 15.0
_SWEEP_SECONDS: Final = 1.0
_AWAY_SECONDS: Final = 1.0
# Looking takes a fifth of the time at most, but for what is too short or too long to be told.
_SHARE: Final = 4
_LEAST_REST: Final = 0.005
_MOST_REST: Final = 0.25
# Answers that may wait to be written down, in multiples of a route's `parallel`.
_MOST_UNWRITTEN: Final = 2
_LAST_TRIES: Final = 3

logger = log.get(__name__)


class Dispatcher:
    """One worker. On PostgreSQL several may run, on SQLite it is the only one."""

    def __init__(
        self, outside: Outside, *, tally: Tally | None = None, alone: bool = False
    ) -> None:
        """Push from `outside.store`.

        Args:
            outside: the way to aggregators.
            tally: where attempts are counted.
            alone: whether there certainly is no other worker: what another one left in its hands
                is then known to be nobody's at once.
        """
        self._outside = outside
        self._tally = tally or Tally()
        self._alone = alone
        self.worker = f"worker-{secrets.token_hex(6)}"
        self._waking = Waking(outside.store, outside.clock, own=(Look,))
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._out: set[str] = set()  # of these, the ones that are not answered yet
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._transport: tuple[Route, Transport] | None = None
        self._retired: list[Transport] = []
        self._turn = 0
        self._flowing = False  # the last claim was full: there may be more
        self._uncertain = False  # a claim may have gone through without our hearing of it
        self._swept_at = -_SWEEP_SECONDS
        self._rest_until = 0.0

    def start(self) -> None:
        """Begin."""
        self._waking.start()
        self._task = asyncio.create_task(self.run(), name="smsgate-dispatch")

    def wake(self) -> None:
        """Something changed: look again."""
        self._waking.wake()

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Claim nothing more; what is under way ends within `grace` seconds, or is `unknown`."""
        self._stopping = True
        self.wake()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            self._waking.stop()
        if self._uncertain:
            with contextlib.suppress(SmsgateError):  # the leases lapse: all of it is `unknown`
                await self._give_back()
        tasks = list(self._busy.values())
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for transport in [*self._retired, *([self._transport[1]] if self._transport else [])]:
            await transport.close()

    async def run(self) -> None:
        """Until cancelled; a database that is away for a while does not end it."""
        if self._alone:
            await self._guarded(self._bury)
        while not self._stopping:
            until = await self._guarded(self._round)
            await self._waking.sleep(until, least=self._rest_until - time.monotonic())

    async def _guarded(self, step: Callable[[], Awaitable[datetime | None]]) -> datetime | None:
        until, done = None, False
        async with enduring("dispatch"):
            until, done = await step(), True
        if done:
            return until
        self._rest_until = time.monotonic() + _AWAY_SECONDS
        return self._outside.clock() + timedelta(seconds=_AWAY_SECONDS)

    async def _bury(self) -> None:
        """What a worker before this one had in its hands when it died is nobody's."""
        ids: Sequence[str] = ["…"]
        while ids:
            async with self._outside.store.read() as connection:
                ids = await pushing.in_hand(connection, SWEEP)
            if ids:
                await self._outside.store.write(Lapse(ids, self._outside.clock(), self.worker))

    async def _round(self) -> datetime | None:
        """Claim and send off what there is room for; when to look again, None for any time."""
        self._waking.look()
        programme = await self._outside.programme(exact=False)
        route = route_of(programme, self._outside.registry)
        await self._sweep(route)
        if route is None:  # what is for phones is none of our business
            self._rest_until = time.monotonic() + _SWEEP_SECONDS
            return await self._next_lapse()
        if self._room(route) <= 0:
            return None
        now = self._outside.clock()
        if not self._flowing:
            look = await self._look(route, now)
            if not look.ready:
                return look.again_at
        way = await self._way(route)
        claims = await self._claim(programme, route)
        for claimed in claims.messages:
            self._send_off(way, claimed)
        return claims.again_at or now

    def _room(self, route: Route) -> int:
        """How many more may go out; what is answered is still in hand until that is on disk."""
        unwritten = len(self._busy) - len(self._out)
        return min(route.parallel - len(self._out), _MOST_UNWRITTEN * route.parallel - unwritten)

    async def _claim(self, programme: Programme, route: Route) -> Claims:
        room = self._room(route)
        if self._uncertain:
            await self._give_back()
        terms = Terms(programme.queue, programme.opted_out)
        try:
            claims = await self._outside.store.write(
                Claim(route, self.worker, room, self._turn, self._outside.clock(), terms)
            )
        except BaseException:
            self._uncertain = True
            raise
        self._turn += len(claims.messages)
        self._flowing = len(claims.messages) == room
        return claims

    async def _give_back(self) -> None:
        """What was claimed without our hearing of it was certainly not sent."""
        await self._outside.store.write(
            GiveBack(self.worker, list(self._busy), self._outside.clock())
        )
        self._uncertain = False

    async def _look(self, route: Route, now: datetime) -> Found:
        """Look on the cheapest way: reading is nobody's business on PostgreSQL."""
        began = time.monotonic()
        look = Look(route, now)
        if self._outside.store.embedded:  # where a job among others costs microseconds
            found = await self._outside.store.write(look)
        else:
            async with self._outside.store.read() as connection:
                found = await look.run(connection)
        ended = time.monotonic()
        if not found.ready:
            least = min(max(_LEAST_REST, _SHARE * (ended - began)), _MOST_REST)
            self._rest_until = ended + least
        return found

    async def _next_lapse(self) -> datetime | None:
        async with self._outside.store.read() as connection:
            return await pushing.next_lapse(connection)

    async def _sweep(self, route: Route | None) -> None:
        """End what lapsed, and send again what the route's rule says."""
        if time.monotonic() - self._swept_at < _SWEEP_SECONDS:
            return
        now = self._outside.clock()
        async with self._outside.store.read() as connection:
            lapsed = await pushing.lapsed(connection, now, SWEEP)
            unknown: Sequence[str] = ()
            if route is not None and route.retry_unknown:
                unknown = await pushing.unknown(
                    connection,
                    route.name,
                    now=now,
                    before=now - route.unknown_after,
                    after=now - LOOK_BACK,
                    limit=SWEEP,
                )
        if lapsed:
            await self._outside.store.write(Lapse(lapsed, now))
        if route is not None and unknown:
            await self._outside.store.write(SendAgain(unknown, now - route.unknown_after, now))
        if not lapsed and not unknown:
            self._swept_at = time.monotonic()

    async def _way(self, route: Route) -> Way:
        """What it takes to go by `route` now."""
        aggregator = route.aggregator
        secret: Secret | Unready | None
        try:
            secret = await self._outside.vault.outgoing(aggregator)
            incoming = await self._outside.vault.incoming(aggregator)
        except SecretUnreadable as error:
            secret, incoming = Unready(str(error)), ()
        options = replace(route.options, incoming=incoming[0] if incoming else None)
        return Way(route, options, secret, self._transport_of(route))

    def _transport_of(self, route: Route) -> Transport:
        if self._retired and not self._busy:
            retired, self._retired = self._retired, []
            self._closing = asyncio.gather(*(transport.close() for transport in retired))
        if self._transport is not None:
            known, transport = self._transport
            if (known.allowed, known.parallel) == (route.allowed, route.parallel):
                return transport
            self._retired.append(transport)
        transport = self._outside.connect(route)
        self._transport = (route, transport)
        return transport

    def _send_off(self, way: Way, claimed: Claimed) -> None:
        task = asyncio.create_task(self._push(way, claimed), name=f"smsgate-push-{claimed.id}")
        self._busy[claimed.id] = task
        self._out.add(claimed.id)
        task.add_done_callback(lambda _: self._done(claimed))

    def _done(self, claimed: Claimed) -> None:
        self._busy.pop(claimed.id, None)
        self._out.discard(claimed.id)
        self.wake()

    async def _push(self, way: Way, claimed: Claimed) -> None:
        failpoints.come_by("push.after_attempt_row")
        began = time.perf_counter()
        left = asyncio.Event()
        try:
            verdict = await attempt(way, claimed, left, self._outside.clock)
        except asyncio.CancelledError:  # the process ends, and says so while it can
            verdict = broken_off("stopped", left)
        except Exception as error:
            logger.error("push failed", route=claimed.route, exc_info=error)
            verdict = broken_off("our_fault", left)
        failpoints.come_by("push.after_http_before_outcome")
        self._tally.pushed(claimed.route, verdict.end, time.perf_counter() - began)
        if verdict.health is Health.UP:
            # The next may go while this is being written down. After anything else they wait until
            # it is: it may have shut the route.
            self._out.discard(claimed.id)
            self.wake()
        await self._settle(way.route.aggregator, claimed, verdict)

    async def _settle(self, aggregator: Aggregator, claimed: Claimed, verdict: Verdict) -> None:
        """Write down the outcome, however long the database is away: nobody else knows it."""
        job = Settle(claimed, verdict, aggregator, self._outside.clock(), random.random())  # noqa: S311 - spreads load
        tries = 0
        while not self._stopping or tries < _LAST_TRIES:
            tries += 1
            try:
                await self._outside.store.write(job)
            except SmsgateError as error:
                logger.warning("outcome not written yet", reason=str(error), attempt=tries)
                await asyncio.sleep(_AWAY_SECONDS)
            except Exception as error:
                logger.error("outcome cannot be written", exc_info=error)
                return  # the lease lapses: the message is then `unknown`
            else:
                return
