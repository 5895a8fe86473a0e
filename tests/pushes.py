"""A dispatcher on a test's store, and what it pushes to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from smsgate.addresses import networks
from smsgate.aggregators.africastalking import AfricasTalking
from smsgate.aggregators.base import Aggregator, Options, Secret
from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.dispatch import Dispatcher
from smsgate.document import Mode
from smsgate.message import OutboundMessage
from smsgate.outside import Outside
from smsgate.programme import Programmes, PutSettings
from smsgate.routing import Route
from smsgate.store import pushing, routes, told
from smsgate.store.database import Store
from smsgate.store.routes import RouteRow
from smsgate.store.transact import Connection
from smsgate.tally import Tally
from smsgate.transport import Transport
from tests import make
from tests.store.test_outbox import Do
from tests.store.test_outbox import add as queue
from tests.targets import Target

LOOPBACK = networks(["127.0.0.0/8"])
ROUTE = "africastalking"


class Clock:
    """The real time, moved ahead when told to."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self.stopped: datetime | None = None

    def __call__(self) -> datetime:
        return (self.stopped or datetime.now(UTC)) + self.ahead

    def stop(self) -> None:
        """Stand still but for what it is moved."""
        self.stopped = datetime.now(UTC)

    def move(self, **by: float) -> None:
        self.ahead += timedelta(**by)


class Keys:
    """Credentials that are just there."""

    def __init__(self, outgoing: str | None = "fake-key") -> None:
        self.key = outgoing

    async def incoming(self, _aggregator: Aggregator) -> Sequence[Secret]:
        return []

    async def outgoing(self, _aggregator: Aggregator) -> Secret | None:
        return None if self.key is None else Secret(self.key)


def document(url: str, **route: Any) -> dict[str, Any]:
    """Settings that send everything to a fake of Africa's Talking."""
    return {
        "sms": {"outgoing_service": ROUTE, "africas_talking": {"username": "programme"}},
        "smsgate": {"routes": {ROUTE: {"url": url, "allow": ["127.0.0.0/8"], **route}}},
    }


@dataclass
class Pushing:
    """A dispatcher with its parts."""

    store: Store
    dispatcher: Dispatcher
    clock: Clock
    keys: Keys
    tally: Tally
    name: str = ROUTE

    async def add(self, *messages: OutboundMessage) -> list[str]:
        """Put messages in the queue; their ids."""
        return await queue(self.store, *messages)

    async def enqueue(self, number: int = 1, **changes: Any) -> list[str]:
        """Put so many messages in the queue, each for somebody else; their ids."""
        return await self.add(*(self.message(place, **changes) for place in range(number)))

    def message(self, place: int = 0, **changes: Any) -> OutboundMessage:
        now = self.clock()
        values = {
            "recipient": f"+25471{place:07d}",
            "created_at": now,
            "due_at": now,
            "expires_at": now + timedelta(hours=72),
        }
        return make.outbound(**{**values, **changes})

    async def row(self, id_: str) -> dict[str, Any]:
        async with self.store.read() as connection:
            found = await told.get(connection, id_)
        assert found is not None
        return found

    async def rows(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        return [await self.row(id_) for id_ in ids]

    async def attempts(self, id_: str) -> list[tuple[str | None, str | None]]:
        """How each attempt ended: outcome and status."""
        async with self.store.read() as connection:
            rows = (await pushing.attempts_of(connection, [id_]))[id_]
        return [(row["outcome"], row["status"]) for row in rows]

    async def story(self, id_: str) -> list[tuple[str, bool]]:
        """Each step of the history: state, and whether it was applied."""
        async with self.store.read() as connection:
            rows = (await told.history(connection, [id_]))[id_]
        return [(row["state"], row["applied"]) for row in rows]

    async def route(self) -> RouteRow:
        """What is known of the route."""
        async with self.store.read() as connection:
            return await routes.get(connection, self.name)

    async def put_route(self, row: RouteRow) -> None:
        """Make this known of the route instead."""

        async def action(connection: Connection) -> None:
            await routes.lock(connection, row.name)
            await routes.save(connection, row)

        await self.store.write(Do(action))

    async def until(self, holds: Callable[[], Any], seconds: float = 30) -> None:
        """Wait until a coroutine function's result is true, looked at after each commit."""
        told = asyncio.Event()

        def tell(_jobs: object) -> None:
            told.set()

        self.store.writer.listeners.append(tell)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    told.clear()
                    if await holds():
                        return
                    await told.wait()
        finally:
            self.store.writer.listeners.remove(tell)

    async def until_state(self, id_: str, *states: str, seconds: float = 30) -> dict[str, Any]:
        """Wait until a message is in one of these states; its row."""

        async def there() -> bool:
            return (await self.row(id_))["state"] in states

        await self.until(there, seconds)
        return await self.row(id_)

    async def until_attempts(self, id_: str, number: int, seconds: float = 30) -> None:
        """Wait until so many attempts have ended."""

        async def there() -> bool:
            return len([end for end, _ in await self.attempts(id_) if end]) >= number

        await self.until(there, seconds)


def transport(**changes: Any) -> Transport:
    """Connections to loopback, impatient."""
    return Transport(**{"allowed": LOOPBACK, **changes})


@asynccontextmanager
async def pushing_to(
    store: Store,
    url: str,
    *,
    aggregator: Aggregator | None = None,
    target: Target | None = None,
    start: bool = True,
    alone: bool = False,
    total_seconds: float = 10.0,
    clock: Clock | None = None,
    **route: Any,
) -> AsyncIterator[Pushing]:
    """Push from `store` to `url` until the block ends: to Africa's Talking, or to `target`."""
    clock = clock or Clock()
    settings = target.document(url, **route) if target else document(url, **route)
    await store.write(PutSettings(settings, Mode.MERGE, "test", clock()))
    programmes = Programmes(store, forms_dir=None, clock=clock)
    keys, tally = Keys(), Tally()
    dispatcher = Dispatcher(
        Outside(
            store,
            programmes,
            keys,
            AggregatorRegistry([aggregator or (target.aggregator if target else AfricasTalking())]),
            clock,
            lambda route: transport(parallel=route.parallel, total_seconds=total_seconds),
        ),
        tally=tally,
        alone=alone,
    )
    if start:
        dispatcher.start()
    try:
        yield Pushing(store, dispatcher, clock, keys, tally, target.name if target else ROUTE)
    finally:
        await dispatcher.stop(grace=5)


def a_route(**stated: Any) -> Route:
    """The route of these tests."""
    return Route(name=ROUTE, aggregator=AfricasTalking(), options=Options(), **stated)
