"""The queue: who is offered what, what a report changes, what time does."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from smsgate import offering, outbox, passing, settling
from smsgate.message import OutboundMessage, State
from smsgate.shares import BATCH, Ask
from smsgate.store import inbound, told
from smsgate.store import outbox as store_outbox
from smsgate.store import steering as store_steering
from smsgate.store.database import Store
from smsgate.store.tables import orphan_reports, outbound
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from tests import make
from tests.make import LEASE, NOON

Action = Callable[[Connection], Coroutine[Any, Any, Any]]


@dataclass(frozen=True)
class Do(Job[Any]):
    action: Action

    async def run(self, connection: Connection) -> Any:
        return await self.action(connection)


async def add(store: Store, *messages: OutboundMessage) -> list[str]:
    rows = [outbox.row_of(message) for message in messages]
    await store.write(Do(lambda c: store_outbox.add_messages(c, rows)))
    return [message.id for message in messages]


async def offer(store: Store, *accounts: str | Ask, minutes: float = 0) -> list[list[str]]:
    asks = [Ask(account) if isinstance(account, str) else account for account in accounts]
    now = NOON + timedelta(minutes=minutes)
    shares = await store.write(Do(lambda c: offering.offer(c, asks, now=now, lease=LEASE)))
    return [[offered.id for offered in share] for share in shares]


async def settle(store: Store, *reports: Any) -> None:
    await store.write(Do(lambda c: settling.settle(c, reports, source="cht-gateway")))


async def story(store: Store, message_id: str) -> tuple[str, list[tuple[str, bool]]]:
    async with store.read() as connection:
        row = await told.get(connection, message_id)
        entries = (await told.history(connection, [message_id]))[message_id]
    assert row is not None
    return row["state"], [(entry["state"], entry["applied"]) for entry in entries]


# -- offering


async def test_best_first_and_at_most_a_batch(store: Store) -> None:
    ids = await add(
        store,
        *(make.outbound(due_at=NOON - timedelta(minutes=n)) for n in range(30)),
        make.outbound(priority=5),
        make.outbound(priority=-5, due_at=NOON - timedelta(days=1)),
    )
    (first,) = await offer(store, "gateway")
    assert len(first) == BATCH
    assert first[0] == ids[30]
    # What is old goes too, whatever its priority.
    assert first[1:] == [*ids[29:6:-1], ids[31]]
    (second,) = await offer(store, "gateway")
    # What was never offered goes first, then what was offered and not acknowledged.
    assert second[:7] == ids[6::-1]
    assert set(second[7:]) <= set(first)
    assert len(second) == BATCH


async def test_a_lost_answer_is_repaired_by_the_next_poll(store: Store) -> None:
    ids = await add(store, make.outbound())
    assert await offer(store, "gateway") == [ids]
    assert await offer(store, "gateway", minutes=1) == [ids]
    await settle(store, make.report(ids[0], "UNSENT"))
    assert await offer(store, "gateway", minutes=2) == [[]]
    _, history = await story(store, ids[0])
    assert [state for state, _ in history] == [
        "pending",
        "forwarded-to-gateway",
        "received-by-gateway",
    ]


async def test_another_phone_gets_it_only_after_the_lease(store: Store) -> None:
    ids = await add(store, make.outbound())
    assert await offer(store, "one") == [ids]
    assert await offer(store, "two", minutes=9) == [[]]
    assert await offer(store, "two", minutes=11) == [ids]
    assert await offer(store, "one", minutes=12) == [[]]
    async with store.read() as connection:
        entries = (await told.history(connection, ids))[ids[0]]
    assert entries[-1]["details"] == '{"taken_over_from": "one"}'
    assert entries[-1]["gateway"] == "two"


async def test_a_phone_that_keeps_polling_keeps_its_lease(store: Store) -> None:
    ids = await add(store, make.outbound())
    for minutes in range(0, 60, 4):
        assert await offer(store, "one", minutes=minutes) == [ids]
        assert await offer(store, "two", minutes=minutes + 1) == [[]]


async def test_phones_asking_together_share_without_doubling(store: Store) -> None:
    ids = await add(store, *(make.outbound() for _ in range(60)))
    shares = await offer(store, "one", "two", "three")
    assert [len(share) for share in shares] == [25, 25, 10]
    assert sorted(id_ for share in shares for id_ in share) == sorted(ids)


async def test_replies_go_to_who_brought_the_message(store: Store) -> None:
    others = await add(store, *(make.outbound(priority=1) for _ in range(10)))
    async with store.read() as connection:
        assert (await offering.glance(connection, "one", now=NOON, lease=LEASE)).work
    arrivals = [make.arrival(), make.arrival()]
    await store.write(Do(lambda c: inbound.save(c, arrivals)))
    asks = [Ask(f"phone{n}", frozenset({a.inbound["id"]})) for n, a in enumerate(arrivals)]
    shares = await offer(store, *asks)
    for share, arrived in zip(shares, arrivals, strict=True):
        assert arrived.outbound[0]["id"] in share
    assert set(others) < set(shares[0]) | set(shares[1])


async def test_a_pinned_message_goes_to_its_phone_alone(store: Store) -> None:
    ids = await add(store, make.outbound(gateway="two"))
    assert await offer(store, "one") == [[]]
    assert await offer(store, "one", "two") == [[], ids]
    assert await offer(store, "one", minutes=60) == [[]]


@pytest.mark.parametrize("state", [s for s in State if s is not State.PENDING])
async def test_only_pending_messages_are_offered(store: Store, state: State) -> None:
    await add(store, make.outbound(state=state))
    assert await offer(store, "gateway") == [[]]


async def test_what_is_not_due_or_has_expired_is_not_offered(store: Store) -> None:
    await add(
        store,
        make.outbound(due_at=NOON + timedelta(seconds=1)),
        make.outbound(expires_at=NOON),
    )
    assert await offer(store, "gateway") == [[]]


async def test_a_glance_writes_nothing_and_sees_what_is_held(store: Store) -> None:
    async def glance(account: str, minutes: float = 0) -> offering.Glance:
        async with store.read() as connection:
            return await offering.glance(
                connection, account, now=NOON + timedelta(minutes=minutes), lease=LEASE
            )

    assert await glance("one") == offering.Glance(work=False, held=[])
    ids = await add(store, make.outbound())
    assert (await glance("one")).work
    await offer(store, "one")
    seen = await glance("one", 1)
    assert not seen.work
    assert [offered.id for offered in seen.held] == ids
    assert not (await glance("two", 1)).work
    assert (await glance("one", 6)).work  # the lease wants extending
    assert (await glance("two", 11)).work  # it lapsed


# -- reports


@pytest.mark.parametrize(
    ("statuses", "state", "history"),
    [
        (["UNSENT", "PENDING", "SENT", "DELIVERED"], "delivered", [True] * 4),
        (["DELIVERED"], "delivered", [True]),
        (["DELIVERED", "SENT", "FAILED"], "delivered", [True, False, False]),
        (["SENT", "SENT"], "sent", [True]),
        (["SENT", "PENDING", "PENDING"], "sent", [True, False]),
        (["FAILED", "FAILED"], "failed", [True]),
        (["FAILED", "SENT"], "sent", [True, True]),
        (["FAILED", "UNSENT", "PENDING"], "failed", [True, False, False]),
        (["SENT", "FAILED", "DELIVERED"], "delivered", [True, True, True]),
        (["JUMPED", "JUMPED", "SENT"], "sent", [False, True]),
        (["sent"], "forwarded-to-gateway", [False]),
    ],
)
async def test_reports_move_forward_only(
    store: Store, statuses: list[str], state: str, history: list[bool]
) -> None:
    ids = await add(store, make.outbound())
    await offer(store, "gateway")
    for status in statuses:
        await settle(store, make.report(ids[0], status))
    found, entries = await story(store, ids[0])
    assert found == state
    assert [applied for _, applied in entries[2:]] == history
    # All in one request comes to the same.
    again = await add(store, make.outbound())
    await offer(store, "gateway")
    await settle(store, *(make.report(again[0], status) for status in statuses))
    assert await story(store, again[0]) == (found, entries)


async def test_a_failure_keeps_its_reason_and_a_new_reason_is_kept_too(store: Store) -> None:
    ids = await add(store, make.outbound())
    for reason in ("no-service", "no-service", "radio-off"):
        await settle(store, make.report(ids[0], "FAILED", reason=reason))
    async with store.read() as connection:
        row = await told.get(connection, ids[0])
        entries = (await told.history(connection, ids))[ids[0]]
    assert row is not None
    assert row["details"] == '{"reason": "no-service"}'
    assert [(e["details"], e["applied"]) for e in entries[1:]] == [
        ('{"reason": "no-service"}', True),
        ('{"reason": "radio-off"}', False),
    ]


async def test_a_report_on_an_unknown_message_waits(store: Store) -> None:
    for _ in range(3):
        await settle(store, make.report("nobody-knows", "SENT"))
    async with store.read() as connection:
        row = (await connection.execute(sa.select(orphan_reports))).mappings().one()
    assert (row["reference"], row["status"], row["seen_count"]) == ("nobody-knows", "SENT", 3)


# -- time


async def test_time_makes_due_and_ends(store: Store) -> None:
    due, later, old, held, done = await add(
        store,
        make.outbound(state=State.SCHEDULED, due_at=NOON),
        make.outbound(state=State.SCHEDULED, due_at=NOON + timedelta(minutes=1)),
        make.outbound(expires_at=NOON),
        make.outbound(expires_at=NOON + timedelta(minutes=1)),
        make.outbound(state=State.SENT, expires_at=NOON),
    )
    sweep: Sequence[int] = [
        await store.write(Do(lambda c: passing.sweep(c, now=NOON))) for _ in range(2)
    ]
    assert sweep == [2, 0]
    assert [(await story(store, id_))[0] for id_ in (due, later, old, held, done)] == [
        "pending",
        "scheduled",
        "expired",
        "pending",
        "sent",
    ]


async def test_an_expired_message_takes_proof_and_nothing_else(store: Store) -> None:
    ids = await add(store, make.outbound(expires_at=NOON))
    await store.write(Do(lambda c: passing.sweep(c, now=NOON)))
    await settle(store, make.report(ids[0], "PENDING"))
    assert (await story(store, ids[0]))[0] == "expired"
    await settle(store, make.report(ids[0], "SENT"))
    assert (await story(store, ids[0]))[0] == "sent"


# -- plans


def _bound(query: Any) -> Any:
    return query.params(accounts=["a"], now=NOON, aged=NOON, limit=25)


def _a_busy_day() -> list[OutboundMessage]:
    states = [State.SENT, State.DELIVERED, State.PENDING, State.SCHEDULED]
    states += [State.FORWARDED_TO_GATEWAY, State.FAILED]
    return [
        make.outbound(state=state, due_at=NOON + timedelta(seconds=n - 150))
        for n in range(300)
        for state in states
    ]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (_bound(store_outbox.WAITING), "ix_outbound_messages_waiting"),
        (_bound(store_outbox.HELD), "ix_outbound_messages_held"),
        (_bound(store_outbox.AGED), "ix_outbound_messages_expiring"),
        (_bound(store_outbox.LAPSED), "ix_outbound_messages_lapsed"),
        (
            store_steering.FAILED.params(now=NOON, before=NOON, times=2),
            "ix_outbound_messages_failed",
        ),
        (store_outbox.due_query(NOON, 25), "ix_outbound_messages_scheduled"),
        (store_outbox.expired_query(NOON, 25), "ix_outbound_messages_expiring"),
    ],
)
async def test_hot_queries_use_their_index(store: Store, query: Any, index: str) -> None:
    await add(store, *_a_busy_day())
    await store.write(
        Do(
            lambda c: c.execute(
                sa.update(outbound)
                .where(outbound.c.state == "forwarded-to-gateway")
                .values(lease_owner=sa.func.substr(outbound.c.id, 35), leased_until=NOON)
            )
        )
    )
    await store.write(Do(lambda c: c.exec_driver_sql("ANALYZE")))
    async with store.read() as connection:
        compiled = query.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        if connection.dialect.name == "postgresql":
            # A small table is read whole whatever the index; the question is which one fits.
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            await connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        rows = (await connection.exec_driver_sql(explain + str(compiled))).all()
    plan = "\n".join(" ".join(str(cell) for cell in row) for row in rows)
    assert index in plan
    assert "TEMP B-TREE" not in plan
