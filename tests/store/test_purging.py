"""Retention: what is old is blanked in batches, what waits is left, a repeat stays a repeat."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from smsgate.document import Mode
from smsgate.message import State
from smsgate.outbox import row_of
from smsgate.programme import Programmes, PutSettings
from smsgate.purging import Keeper, Purge
from smsgate.retention import Retention
from smsgate.states import Order
from smsgate.steering import Steer, Terms
from smsgate.store import audit, cursors, inbound, purging, quarantine, repeats
from smsgate.store import tables as t
from smsgate.store.database import Store
from smsgate.store.transact import Connection
from tests import make
from tests.make import NOON
from tests.store.test_outbox import Do, add
from tests.traces import in_tables

YEAR = timedelta(days=365)
CANARY = "CANARY-PHI-7f3a"


@pytest.fixture
def keeper(store: Store, clock: make.Clock) -> Keeper:
    return Keeper(store, Programmes(store, forms_dir=None, clock=clock), clock)


async def rows(store: Store, table: sa.Table) -> list[dict[str, Any]]:
    async with store.read() as connection:
        found = await connection.execute(sa.select(table).order_by(*table.primary_key.columns))
        return [dict(row) for row in found.mappings()]


async def settings(store: Store, **days: float) -> None:
    document = {"smsgate": {"retention": days}}
    await store.write(PutSettings(document, Mode.MERGE, "test", NOON))


async def arrive(store: Store, number: int = 1, **changes: Any) -> list[inbound.Arrival]:
    made = [make.arrival(f"ref-{place}", CANARY, **changes) for place in range(number)]
    for one in made:
        assert one.record is not None
        one.record["document"] = f'{{"type":"data_record","fields":{{"name":"{CANARY}"}}}}'
    await store.write(Do(lambda c: inbound.save(c, made)))
    return made


async def test_what_is_old_is_blanked(store: Store, keeper: Keeper, clock: make.Clock) -> None:
    (arrival,) = await arrive(store, raw=CANARY.encode())
    sent = make.outbound(
        state=State.SENT, text=CANARY, details={"reason": f"{make.SENDER} was there"}
    )
    await add(store, sent)
    clock.at = NOON + timedelta(days=31)
    assert await keeper.purge() == {"raw": 1}
    assert await in_tables(store, CANARY) != []
    clock.at = NOON + YEAR
    assert await keeper.purge() == {}
    clock.move(seconds=1)
    assert await keeper.purge() == {"inbound": 1, "records": 1, "outbound": 1}
    # The reply of `make.arrival` still waits, and says to whom.
    await store.write(_cancel(arrival.outbound[0]["id"], clock))
    clock.move(days=366)
    assert (await keeper.purge())["outbound"] == 1
    assert await in_tables(store, CANARY, make.SENDER[1:]) == []

    (kept,) = await rows(store, t.inbound)
    assert (kept["sender"], kept["text"], kept["raw"]) == (None, None, None)
    assert (kept["gateway_ref"], kept["received_at"]) == ("ref-0", NOON)
    (record,) = await rows(store, t.records)
    assert (record["sender"], record["version"]) == (None, 2)
    assert '"blanked":true' in record["document"]
    states = {row["id"]: row["state"] for row in await rows(store, t.outbound)}
    assert states == {sent.id: "sent", arrival.outbound[0]["id"]: "cleared"}
    story = [row["state"] for row in await rows(store, t.outbound_history)]
    assert story == ["pending", "sent", "cleared"]


def _cancel(id_: str, clock: make.Clock) -> Steer:
    return Steer(Order.CANCEL, [id_], "test", clock(), Terms(timedelta(hours=1)))


async def test_a_repeat_is_still_a_repeat(store: Store, keeper: Keeper, clock: make.Clock) -> None:
    await arrive(store, 3)
    clock.move(days=400)
    assert (await keeper.purge())["inbound"] == 3
    again = [make.arrival(f"ref-{place}", CANARY) for place in range(3)]
    saved = await store.write(Do(lambda c: inbound.save(c, again)))
    assert [one.outcome for one in saved] == ["duplicate"] * 3
    assert [row["seen_count"] for row in await rows(store, t.inbound)] == [2, 2, 2]
    assert await in_tables(store, CANARY) == []


@pytest.mark.parametrize(
    ("state", "days_ago", "due_days", "goes"),
    [
        *[(state, 500, -500, False) for state in ("scheduled", "pending", "forwarded-to-gateway")],
        *[
            (state, 366, -366, True)
            for state in State
            if state not in ("scheduled", "pending", "forwarded-to-gateway")
        ],
        ("muted", 366, 5, False),
        ("muted", 366, -3, False),
        ("muted", 366, -8, True),
        ("delivered", 364, -800, False),
    ],
)
async def test_what_waits_is_left(
    store: Store,
    keeper: Keeper,
    clock: make.Clock,
    state: str,
    days_ago: int,
    due_days: int,
    goes: bool,
) -> None:
    made = make.outbound(
        state=State(state),
        created_at=NOON - timedelta(days=days_ago),
        due_at=NOON + timedelta(days=due_days),
    )
    await add(store, made)
    assert bool(await keeper.purge()) is goes
    (row,) = await rows(store, t.outbound)
    assert (row["recipient"] is None, row["text"] is None) == (goes, goes)


async def test_what_may_be_sent_again_is_left_a_week(
    store: Store, keeper: Keeper, clock: make.Clock
) -> None:
    await settings(store, content_days=1)
    await add(store, make.outbound(state=State.UNKNOWN), make.outbound(state=State.MUTED))
    clock.move(days=6.9)
    assert await keeper.purge() == {}
    clock.move(days=0.2)
    assert await keeper.purge() == {"outbound": 2}


async def test_what_was_blanked_cannot_be_sent(
    store: Store, keeper: Keeper, clock: make.Clock
) -> None:
    (id_,) = await add(store, make.outbound(state=State.FAILED))
    clock.move(days=366)
    await keeper.purge()
    order = Steer(Order.RETRY, [id_], "test", clock(), Terms(timedelta(hours=1)))
    obeyed = await store.write(order)
    assert "deleted" in obeyed.refused[id_]


async def test_batches_share_the_writer_and_the_audit_has_one_line(
    store: Store, keeper: Keeper, clock: make.Clock
) -> None:
    await arrive(store, 700)
    clock.move(days=366)
    before = store.writer.transactions
    total = await keeper.purge()
    assert total == {"inbound": 700, "records": 700}
    assert store.writer.transactions - before == 3
    acts = await rows(store, t.audit)
    assert [(act["action"], act["target"]) for act in acts] == [("retention.purge", None)]
    assert acts[0]["details"] == '{"inbound": 700, "records": 700}'
    assert await in_tables(store, CANARY) == []


async def test_nothing_to_do_writes_nothing(store: Store, keeper: Keeper) -> None:
    await arrive(store)
    before = store.writer.transactions
    assert await keeper.purge() == {}
    assert not await keeper.tidy()
    assert store.writer.transactions == before


async def test_for_ever_is_for_ever(store: Store, keeper: Keeper, clock: make.Clock) -> None:
    await settings(store, content_days=0, raw_days=0, audit_days=0, quarantine_days=0)
    await arrive(store, raw=b"x")
    clock.move(days=10_000)
    assert await keeper.purge() == {}


async def test_the_rest_goes_in_its_own_time(
    store: Store, keeper: Keeper, clock: make.Clock
) -> None:
    items = [
        quarantine.item(source="s", gateway="g", reason="r", raw=raw, at=NOON)
        for raw in (b"waits", b"decided")
    ]

    async def fill(connection: Connection) -> None:
        await audit.note(connection, at=NOON, actor="a", action="x")
        await audit.note(connection, at=NOON + YEAR, actor="a", action="y")
        await quarantine.add(connection, items)
        await quarantine.resolve(
            connection,
            items[1]["id"],
            status=quarantine.DISCARDED,
            by="a",
            at=NOON,
            resolution=None,
            inbound_id=None,
        )

    await store.write(Do(fill))
    clock.move(days=91)
    assert await keeper.purge() == {"quarantine": 1}
    assert {row["raw"] for row in await rows(store, t.quarantine)} == {b"waits", b""}
    clock.at = NOON + timedelta(days=731)
    assert await keeper.purge() == {"audit": 1}
    assert "x" not in {row["action"] for row in await rows(store, t.audit)}
    # It comes again: counted, not kept a second time.
    await store.write(Do(lambda c: quarantine.add(c, [dict(items[1])])))
    assert [row["seen_count"] for row in await rows(store, t.quarantine)] == [1, 2]


async def test_two_processes_do_it_once(store: Store, database_url: str, clock: make.Clock) -> None:
    await arrive(store, 20)
    clock.move(days=366)
    async with Store(database_url) as other:
        jobs = [Purge(Retention(), name, clock(), 10) for name in ("one", "two")] * 3
        done = [await (store if job.owner == "one" else other).write(job) for job in jobs]
    counts = [sum(one.counts.values()) for one in done]
    assert sum(counts) == 40
    assert max(counts) == 10


async def test_while_another_is_at_it_nothing_is_done(
    store: Store, keeper: Keeper, clock: make.Clock
) -> None:
    await arrive(store)
    clock.move(days=366)
    until = clock() + timedelta(minutes=1)
    await store.write(
        Do(lambda c: cursors.take(c, "retention", "another", now=clock(), until=until))
    )
    assert await keeper.purge() == {}
    assert (await store.write(Purge(Retention(), "me", clock()))).counts == {}
    clock.move(minutes=2)
    assert await keeper.purge() == {"inbound": 1, "records": 1}


async def test_counts_of_a_number_lie_side_by_side(store: Store) -> None:
    async def count(connection: Connection, number: str) -> None:
        limits = repeats.Limits(5, 60)
        made = [reply_row(number, text) for text in ("a", "b")]
        await repeats.hold_back(connection, made, limits)

    await store.write(Do(lambda c: count(c, "+254711")))
    await store.write(Do(lambda c: count(c, "+254712")))
    assert len(await rows(store, t.repeats)) == 6
    await store.write(Do(lambda c: repeats.forget_number(c, "+254711")))
    assert len(await rows(store, t.repeats)) == 3


def reply_row(number: str, text: str) -> dict[str, Any]:
    return row_of(make.outbound(recipient=number, text=text, inbound_id="x"))


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (purging.RAW, "ix_inbound_messages_raw"),
        (purging.ARRIVALS, "inbound_messages"),
        (purging.DOCUMENTS, "records"),
        (purging.MESSAGES, "ix_outbound_messages_legible"),
        (purging.ANSWERS, "ix_idempotency_keys_legible"),
        (purging.SET_ASIDE, "ix_quarantine_decided"),
        (purging.ORPHANS, "orphan_reports"),
        (purging.ACTS, "audit"),
    ],
)
async def test_looking_for_what_is_old_goes_along_an_index(
    store: Store, query: sa.Select[Any], index: str
) -> None:
    async with store.read() as connection:
        statement = query.params(before=NOON, look_back=NOON, place="0", limit=500)
        compiled = statement.compile(
            dialect=connection.dialect, compile_kwargs={"literal_binds": True}
        )
        on_sqlite = connection.dialect.name == "sqlite"
        if not on_sqlite:
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            await connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
            await connection.exec_driver_sql("SET LOCAL enable_sort = off")
        explain = "EXPLAIN QUERY PLAN " if on_sqlite else "EXPLAIN "
        found = await connection.exec_driver_sql(explain + str(compiled).replace("%%", "%"))
        plan = "\n".join(str(row[-1]) for row in found)
    assert index in plan, plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
    assert "Seq Scan" not in plan
