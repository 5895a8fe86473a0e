"""What is still to be told: whose turn it is, in which order, by which index."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from smsgate.ids import new_id
from smsgate.store import tellings
from smsgate.store.database import Store
from smsgate.store.tellings import DUE, NEXT, What, telling
from smsgate.store.transact import Connection
from tests.make import NOON
from tests.store.test_outbox import Do

SOON = NOON + timedelta(seconds=90)


async def add(store: Store, *topics: str) -> None:
    found = [telling("x", What.BECAME, topic, at=NOON, state="sent") for topic in topics]
    await store.write(Do(lambda c: tellings.add(c, found)))


async def take(store: Store, owner: str, later: float = 0, limit: int = 10) -> list[int]:
    now = NOON + timedelta(seconds=later)

    async def action(connection: Connection) -> list[dict[str, Any]]:
        return await tellings.take(
            connection, "x", owner, now=now, until=now + timedelta(seconds=90), limit=limit
        )

    return [row["seq"] for row in await store.write(Do(action))]


async def test_one_at_a_time_of_each_message_and_by_lease(store: Store) -> None:
    one, two = new_id(), new_id()
    await add(store, one, one, two, two)
    first = await take(store, "a")
    assert len(first) == 2
    assert await take(store, "b") == []
    await store.write(Do(lambda c: tellings.done(c, "b", first)))  # they are not b's
    assert await take(store, "b") == []
    await store.write(Do(lambda c: tellings.done(c, "a", first[:1])))
    (second,) = await take(store, "b")
    assert second == first[0] + 1
    # A worker that died lets go of what it had in time, and is not heard any more.
    assert sorted(await take(store, "c", later=91)) == sorted([first[1], second])
    await store.write(
        Do(
            lambda c: tellings.put_off(
                c, "a", first[1], due_at=NOON + timedelta(days=1), status="x", tried=True
            )
        )
    )
    async with store.read() as connection:
        assert await tellings.next_due(connection, "x", NOON) is None


async def test_what_was_given_up_holds_nothing_up_and_is_swept_away(store: Store) -> None:
    one = new_id()
    await add(store, one, one)
    (first,) = await take(store, "a")
    await store.write(Do(lambda c: tellings.give_up(c, "a", first, at=NOON, status="HTTP 400")))
    (second,) = await take(store, "a")
    assert second > first
    await store.write(Do(lambda c: tellings.sweep(c, NOON + timedelta(days=1))))
    await store.write(Do(lambda c: tellings.done(c, "a", [second])))
    async with store.read() as connection:
        assert not await tellings.any_due(connection, "x", SOON)


async def test_one_order_at_two_processes_is_one(store: Store, database_url: str) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has one process that writes")

    def orders(content: str) -> list[dict[str, Any]]:
        return [
            tellings.order("x", str(n), content=content, message_id=new_id(), at=NOON)
            for n in range(50)
        ]

    async def claim(at: Store, rows: list[dict[str, Any]]) -> tuple[set[str], int]:
        return await at.write(Do(lambda c: tellings.claim(c, rows)))

    async with Store(database_url) as other:
        backwards = orders("b")[::-1]
        (mine, ours), (theirs, others) = await asyncio.gather(
            claim(store, orders("a")), claim(other, backwards)
        )
    assert len(mine) + len(theirs) == 50
    assert ours + others == 50  # each came again with other words at one of the two
    assert await claim(store, orders("a")) == (set(), 50 - len(mine))


@pytest.mark.parametrize("query", [DUE, NEXT])
async def test_hot_queries_use_their_index(store: Store, query: Any) -> None:
    await add(store, *(new_id() for _ in range(300)))
    await store.write(Do(lambda c: c.exec_driver_sql("ANALYZE")))
    bound = query.params(aggregator="x", now=NOON, limit=1)
    async with store.read() as connection:
        compiled = bound.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        if connection.dialect.name == "postgresql":
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            await connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
        rows = (await connection.exec_driver_sql(explain + str(compiled))).all()
    plan = str(rows)
    assert "ix_tellings_waiting" in plan
    assert "TEMP B-TREE" not in plan
