"""The queue against a model of it: any order of anything, on the real database of either engine.

A run is a random sequence of what can happen (messages come, phones ask and report, people retry
and cancel, time passes, the process restarts). After every step the tables must say what the model
says.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
import hypothesis.strategies as st
import sqlalchemy as sa
import uvloop
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from smsgate import offering, passing, sending, settling
from smsgate.message import OutboundMessage, State, StatusReport
from smsgate.outbox import attempt_of
from smsgate.shares import BATCH, Ask
from smsgate.states import Order
from smsgate.steering import Obeyed, Steer, Terms
from smsgate.store.database import Store
from smsgate.store.engine import sqlite_path
from smsgate.store.idempotency import Claim
from smsgate.store.notices import Telling
from smsgate.store.tables import metadata, outbound, outbound_history
from smsgate.store.transact import Connection
from tests import make
from tests.make import LEASE, NOON
from tests.store.test_outbox import Do

LIFE = timedelta(hours=72)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ACCOUNTS = ("one", "two", "three")
STATUSES = ("UNSENT", "PENDING", "SENT", "DELIVERED", "FAILED", "JUMPED")

# The rules of decision 14, said a second time and otherwise than in `smsgate.states`.
RANK = {
    state: place
    for place, state in enumerate(
        (
            "scheduled",
            "pending",
            "forwarded-to-gateway",
            "received-by-gateway",
            "forwarded-by-gateway",
            "sent",
            "delivered",
        )
    )
}
OF_STATUS = {
    "UNSENT": "received-by-gateway",
    "PENDING": "forwarded-by-gateway",
    "SENT": "sent",
    "DELIVERED": "delivered",
    "FAILED": "failed",
}


def after_report(state: str, status: str, *, late: bool) -> str:
    """What a message that is `state` becomes when a phone says `status`."""
    said = OF_STATUS.get(status)
    if said is None or state == "delivered":
        return state
    proof = said in {"sent", "delivered"}
    if state in {"failed", "expired"}:
        return said if proof else state
    if state not in RANK or (late and not proof):
        return state
    if said == "failed" or RANK[said] > RANK[state]:
        return said
    return state


class Queue:
    """What smsgate does, as the model calls it. A planted fault overrides one method."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = Store(url)

    async def open(self) -> None:
        await self.store.open()
        await without_flushing(self.store)

    async def close(self) -> None:
        await self.store.close()

    async def reopen(self) -> None:
        await self.close()
        self.store = Store(self.url)
        await self.open()

    async def enqueue(self, message: OutboundMessage, key: str) -> None:
        """A request that came twice at the same time, under one idempotency key."""
        claim = Claim.of("admin", key, "/api/v1/messages", b"")
        twin = make.outbound(
            **{name: getattr(message, name) for name in ("due_at", "expires_at", "state")}
        )
        jobs = [
            sending.Enqueue([one], answer="{}", by="admin", at=message.created_at, claim=claim)
            for one in (message, twin)
        ]
        await self.store.write(jobs[0])
        await self.store.write(jobs[1])

    async def offer(self, account: str, now: datetime) -> list[str]:
        asks = [Ask(account)]
        shares = await self.store.write(Do(lambda c: offering.offer(c, asks, now=now, lease=LEASE)))
        return [given.id for given in shares[0]]

    async def settle(self, reports: Sequence[StatusReport]) -> None:
        await self.store.write(Do(lambda c: settling.settle(c, reports, source="cht-gateway")))

    async def sweep(self, now: datetime) -> None:
        while await self.store.write(Do(lambda c: passing.sweep(c, now=now))):
            pass

    async def steer(self, order: Order, ids: Sequence[str], now: datetime) -> Obeyed:
        return await self.store.write(
            Steer(order=order, ids=ids, by="admin", at=now, terms=Terms(LIFE))
        )


async def without_flushing(store: Store) -> None:
    """Let commits not wait for the disk: what a power cut does is no subject here, and fsync is
    most of what a step costs. The store refuses to open like this, so it is done afterwards.
    """
    if isinstance(store._transactor, Telling):
        await store._transactor.run(lambda c: c.exec_driver_sql("SET synchronous_commit = off"))
        return
    transactor: Any = store._transactor
    raw = transactor._connection.connection.dbapi_connection
    raw.execute("PRAGMA synchronous = OFF")


class Row(NamedTuple):
    """What the tables say of one message."""

    id: str
    state: str
    retries: int
    expires: datetime
    owner: str | None
    last_step: str


class Tables:
    """The tables seen past the store, by one statement on a connection that stays open."""

    SQL = """
        SELECT id, state, retries, expires_at, lease_owner,
          (SELECT h.state FROM outbound_history h WHERE h.message_id = o.id AND h.applied
            ORDER BY h.seq DESC LIMIT 1)
        FROM outbound_messages o"""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @classmethod
    async def of(cls, url: str) -> Tables:
        path = sqlite_path(url)
        if path is not None:
            return cls(sqlite3.connect(path, isolation_level=None))
        return cls(await asyncpg.connect(url.replace("+asyncpg", "")))

    async def read(self) -> dict[str, Row]:
        if isinstance(self._connection, sqlite3.Connection):
            found = self._connection.execute(self.SQL).fetchall()
            rows = [(*row[:3], EPOCH + timedelta(milliseconds=row[3]), *row[4:]) for row in found]
        else:
            rows = [tuple(row) for row in await self._connection.fetch(self.SQL)]
        return {row[0]: Row(*row) for row in rows}

    async def close(self) -> None:
        closing = self._connection.close()
        if closing is not None:
            await closing


@dataclass
class Known:
    """What the model knows of one message."""

    state: str
    due: datetime
    expires: datetime
    fixed: bool
    pinned: str | None
    retries: int = 0
    owner: str | None = None
    until: datetime | None = None
    steps: int = 1
    offered: set[int] = field(default_factory=set)


class Model(RuleBasedStateMachine):
    """Random life of a queue."""

    def __init__(self, queue: Queue, tables: Tables, runner: asyncio.Runner) -> None:
        super().__init__()
        self.queue, self.tables, self.run = queue, tables, runner.run
        self.now = NOON
        self.messages: dict[str, Known] = {}
        self.said: list[tuple[str, str, int]] = []
        self.run(self.queue.store.write(Do(_empty)))

    def _pick(self, number: int) -> str:
        return sorted(self.messages)[number % len(self.messages)]

    @rule(
        due=st.sampled_from([-200, -3, 0, 0, 0, 0.1, 30]),
        life=st.sampled_from([None, None, None, 0.5, 100]),
        priority=st.integers(-9, 9),
        pinned=st.sampled_from([None, None, None, "one"]),
    )
    def enqueue(self, due: float, life: float | None, priority: int, pinned: str | None) -> None:
        at = self.now + timedelta(hours=due)
        scheduled = due != 0
        expires = max(at, self.now) + (LIFE if life is None else timedelta(hours=life))
        message = make.outbound(
            due_at=at,
            created_at=self.now,
            expires_at=expires,
            expires_fixed=life is not None,
            state=State.SCHEDULED if scheduled else State.PENDING,
            priority=priority,
            gateway=pinned,
        )
        self.run(self.queue.enqueue(message, message.id))
        self.messages[message.id] = Known(
            message.state.value, at, expires, life is not None, pinned
        )

    @rule(account=st.sampled_from(ACCOUNTS))
    def offer(self, account: str) -> None:
        due = {id_ for id_, known in self.messages.items() if self._fits(known, account)}
        given = self.run(self.queue.offer(account, self.now))
        assert len(given) == len(set(given)) <= BATCH, "doubled"
        for reference in given:
            id_, attempt = attempt_of(reference)
            known = self.messages[id_]
            assert id_ in due, f"{known} was offered to {account}"
            assert attempt == known.retries, known
            mine = known.owner == account and known.until is not None
            if not mine or known.until - self.now < LEASE / 2:  # type: ignore[operator]  # `mine` says that it has one
                known.until = self.now + LEASE
            known.steps += not mine
            known.state, known.owner = "forwarded-to-gateway", account
        if len(due) <= BATCH:
            assert {attempt_of(reference)[0] for reference in given} == due, "some were withheld"

    def _fits(self, known: Known, account: str) -> bool:
        if known.expires <= self.now or known.pinned not in (None, account):
            return False
        if known.state == "pending":
            return known.due <= self.now
        if known.state != "forwarded-to-gateway" or known.until is None:
            return False
        return known.owner == account or known.until <= self.now

    @precondition(lambda self: self.messages)
    @rule(
        number=st.integers(0, 50),
        statuses=st.lists(st.sampled_from(STATUSES), min_size=1, max_size=4),
        former=st.booleans(),
    )
    def report(self, number: int, statuses: list[str], former: bool) -> None:
        id_ = self._pick(number)
        retries = self.messages[id_].retries
        attempt = max(retries - 1, 0) if former else retries
        self._say([(id_, status, attempt) for status in statuses])

    @precondition(lambda self: self.said)
    @rule(back=st.integers(1, 12))
    def replay(self, back: int) -> None:
        self._say(self.said[-back:])

    def _say(self, reports: list[tuple[str, str, int]]) -> None:
        self.said = [*self.said, *reports][-40:]
        self.run(
            self.queue.settle(
                [
                    make.report(f"{id_}.{attempt}" if attempt else id_, status, at=self.now)
                    for id_, status, attempt in reports
                ]
            )
        )
        for id_, status, attempt in reports:
            known = self.messages[id_]
            known.state = after_report(known.state, status, late=attempt != known.retries)

    @rule(minutes=st.sampled_from([0.5, 4, 11, 60, 600, 4320]))
    def time_passes(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)
        self.run(self.queue.sweep(self.now))
        for known in self.messages.values():
            if known.state == "scheduled" and known.due <= self.now:
                stale = known.due <= self.now - timedelta(days=7)
                over = known.fixed and known.expires <= self.now
                known.state = "expired" if stale or over else "pending"
                if known.state == "pending" and not known.fixed:
                    known.expires = self.now + LIFE
            elif known.state in {"pending", "forwarded-to-gateway"} and known.expires <= self.now:
                known.state = "expired"

    @precondition(lambda self: self.messages)
    @rule(number=st.integers(0, 50), order=st.sampled_from([*Order, Order.RETRY]))
    def order(self, number: int, order: Order) -> None:
        id_ = self._pick(number)
        known = self.messages[id_]
        may, becomes = {
            Order.RETRY: ({"failed", "expired", "cleared"}, "pending"),
            Order.CANCEL: ({"scheduled", "pending", "muted"}, "cleared"),
            Order.MUTE: ({"scheduled", "pending"}, "muted"),
            Order.UNMUTE: ({"muted"}, "scheduled"),
        }[order]
        obeyed = self.run(self.queue.steer(order, [id_], self.now))
        assert bool(obeyed.moved) is (known.state in may), (order, known, obeyed)
        if not obeyed.moved:
            return
        known.state = becomes
        if order is Order.RETRY:
            known.retries += 1
            known.owner = known.until = None
            known.due = max(known.due, self.now)
            known.expires = max(known.expires, self.now + LIFE)

    # Rarely: there is little that a process keeps of the queue, and much that starting one costs.
    @rule(really=st.sampled_from([False] * 7 + [True]))
    def restart(self, really: bool) -> None:
        if really:
            self.run(self.queue.reopen())

    @invariant()
    def the_tables_say_what_the_model_says(self) -> None:
        found = self.run(self.tables.read())
        assert found.keys() == self.messages.keys(), "lost or doubled"
        for id_, known in self.messages.items():
            row = found[id_]
            assert row.state == known.state, known
            assert row.retries == known.retries, known
            assert row.expires == known.expires, known
            if known.state == "forwarded-to-gateway":
                # A report of a former attempt may say so too: then nobody holds it.
                assert row.owner == known.owner, known
            assert row.last_step == known.state, known


async def _empty(connection: Connection) -> None:
    for table in (outbound_history, outbound, metadata.tables["idempotency_keys"]):
        await connection.execute(sa.delete(table))


@contextmanager
def machine(kind: type[Queue], url: str) -> Iterator[Any]:
    """A maker of models that share one open queue."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        queue = kind(url)
        runner.run(queue.open())
        tables = runner.run(Tables.of(url))
        try:
            yield lambda: Model(queue, tables, runner)
        finally:
            runner.run(tables.close())
            runner.run(queue.close())
