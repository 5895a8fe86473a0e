"""The queue against a model of it: any order of anything, on the real database of either engine.

A run is a random sequence of what can happen (messages come, phones ask and report, people retry
and cancel, time passes, the process restarts). After every step the tables must say what the model
says. That the test can fail is shown by planting the three faults that queues have in practice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from smsgate import offering, passing, sending, settling
from smsgate.message import OutboundMessage, State, StatusReport
from smsgate.outbox import attempt_of, row_of
from smsgate.shares import BATCH, Ask
from smsgate.states import Order
from smsgate.steering import Obeyed, Steer, Terms
from smsgate.store import outbox as store_outbox
from smsgate.store.database import Store
from smsgate.store.idempotency import Claim
from smsgate.store.tables import metadata, outbound, outbound_history
from smsgate.store.transact import Connection
from tests import make
from tests.make import LEASE, NOON
from tests.store.test_outbox import Do

LIFE = timedelta(hours=72)
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


class NoLease(Queue):
    """Planted: what one phone was offered, the next one is offered too."""

    async def offer(self, account: str, now: datetime) -> list[str]:
        asks, none = [Ask(account)], timedelta(0)
        shares = await self.store.write(Do(lambda c: offering.offer(c, asks, now=now, lease=none)))
        return [given.id for given in shares[0]]


class LastStatusWins(Queue):
    """Planted: the state is whatever was said last."""

    async def settle(self, reports: Sequence[StatusReport]) -> None:
        async def overwrite(connection: Connection) -> None:
            await store_outbox.move(
                connection,
                [
                    {
                        "b_id": attempt_of(report.message_id)[0],
                        "b_state": report.state.value,
                        "b_details": None,
                        "b_at": report.at,
                    }
                    for report in reports
                    if report.state is not None
                ],
            )

        await self.store.write(Do(overwrite))


class CheckThenInsert(Queue):
    """Planted: both requests look whether the key is known before either takes it."""

    async def enqueue(self, message: OutboundMessage, key: str) -> None:
        twin = make.outbound(due_at=message.due_at, expires_at=message.expires_at)
        table = metadata.tables["idempotency_keys"]
        claim = Claim.of("admin", key, "/api/v1/messages", b"")
        query = sa.select(table.c.status).where(table.c.key_hash == claim.key_hash)
        known = []
        for _ in range(2):
            async with self.store.read() as connection:
                known.append((await connection.execute(query)).first() is not None)
        rows = [row_of(one) for one, seen in zip((message, twin), known, strict=True) if not seen]
        await self.store.write(Do(lambda c: store_outbox.add_messages(c, rows)))


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

    def __init__(self, queue: Queue, runner: asyncio.Runner) -> None:
        super().__init__()
        self.queue, self.run = queue, runner.run
        self.now = NOON
        self.messages: dict[str, Known] = {}
        self.said: list[tuple[str, str, int]] = []
        self.run(self._clear())

    async def _clear(self) -> None:
        async def empty(connection: Connection) -> None:
            for table in (outbound_history, outbound, metadata.tables["idempotency_keys"]):
                await connection.execute(sa.delete(table))

        await self.queue.store.write(Do(empty))

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
        assert len(given) == len(set(given)) <= BATCH
        for reference in given:
            id_, attempt = attempt_of(reference)
            known = self.messages[id_]
            assert id_ in due, f"{known} was offered to {account}"
            assert attempt == known.retries
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

    @rule()
    def restart(self) -> None:
        self.run(self.queue.reopen())

    @invariant()
    def the_tables_say_what_the_model_says(self) -> None:
        rows, steps = self.run(self._read())
        found = {row["id"]: row for row in rows}
        assert found.keys() == self.messages.keys(), "lost or doubled"
        for id_, known in self.messages.items():
            row = found[id_]
            assert row["state"] == known.state, known
            assert row["retries"] == known.retries
            assert row["expires_at"] == known.expires
            if known.state == "forwarded-to-gateway":
                # A report of a former attempt may say so too: then nobody holds it.
                assert row["lease_owner"] == known.owner
            assert [step["state"] for step in steps[id_] if step["applied"]][-1] == known.state

    async def _read(self) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
        async with self.queue.store.read() as connection:
            rows = (await connection.execute(sa.select(outbound))).mappings().all()
            steps = await store_outbox.history(connection, [row["id"] for row in rows])
        return [dict(row) for row in rows], steps


@contextmanager
def machine(kind: type[Queue], url: str) -> Iterator[Any]:
    """A maker of models that share one open queue."""
    with asyncio.Runner() as runner:
        queue = kind(url)
        runner.run(queue.open())
        try:
            yield lambda: Model(queue, runner)
        finally:
            runner.run(queue.close())


# `--hypothesis-profile=full` (tests/conftest.py) runs as many as the profile says.
FULL = settings.default is not None and settings.default.max_examples >= 500
SIZE = settings(
    max_examples=settings.default.max_examples if FULL and settings.default else 25,
    stateful_step_count=50 if FULL else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
PLANTED = settings(SIZE, max_examples=200, phases=[Phase.generate], derandomize=True, database=None)


def test_the_queue_is_as_the_model(database_url: str) -> None:
    with machine(Queue, database_url) as model:
        run_state_machine_as_test(model, settings=SIZE)


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        (NoLease, "was offered to"),
        (LastStatusWins, "state="),
        (CheckThenInsert, "lost or doubled"),
    ],
)
def test_a_planted_fault_is_found(fault: type[Queue], word: str, database_url: str) -> None:
    with machine(fault, database_url) as model, pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(model, settings=PLANTED)
    assert word in str(caught.value)
