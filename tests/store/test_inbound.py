"""Identity of inbound messages: stored once, whoever repeats it, however often, however fast."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from smsgate.store import inbound as store_inbound
from smsgate.store.database import Store
from smsgate.store.inbound import Arrival, Saved
from smsgate.store.tables import inbound, outbound, outbound_history, records
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from tests import make


@dataclass(frozen=True)
class Save(Job[list[Saved]]):
    arrivals: Sequence[Arrival]

    async def run(self, connection: Connection) -> list[Saved]:
        return await store_inbound.save(connection, self.arrivals)


async def _count(store: Store, table: sa.Table) -> int:
    async with store.read() as connection:
        statement = sa.select(sa.func.count()).select_from(table)
        return int((await connection.execute(statement)).scalar_one())


async def _outcomes(store: Store, *arrivals: Arrival) -> list[str]:
    return [saved.outcome for saved in await store.write(Save(arrivals))]


async def test_message_record_reply_and_history_go_together(store: Store) -> None:
    assert await _outcomes(store, make.arrival()) == ["stored"]
    for table in (inbound, records, outbound, outbound_history):
        assert await _count(store, table) == 1, table.name


async def test_in_sequence(store: Store) -> None:
    assert await _outcomes(store, make.arrival("a")) == ["stored"]
    assert await _outcomes(store, make.arrival("a")) == ["duplicate"]
    assert [await _count(store, table) for table in (inbound, records, outbound)] == [1, 1, 1]
    async with store.read() as connection:
        assert (await connection.execute(sa.select(inbound.c.seen_count))).scalar_one() == 2


async def test_in_one_batch(store: Store) -> None:
    twice = [make.arrival("a"), make.arrival("a"), make.arrival("b")]
    assert await _outcomes(store, *twice) == ["stored", "duplicate", "stored"]
    assert await _count(store, inbound) == 2


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"text": "another text"}, "conflict"),
        ({"sender": "+254700000009"}, "conflict"),
        ({}, "duplicate"),
        ({"source": "africastalking"}, "stored"),
    ],
)
async def test_same_id(store: Store, change: dict[str, str], outcome: str) -> None:
    await _outcomes(store, make.arrival("a", text="first"))
    again = make.arrival("a", **{"text": "first", **change})
    assert await _outcomes(store, again) == [outcome]
    # The flagged one is a message of its own; repeating it is a duplicate of that one.
    repeated = make.arrival("a", **{"text": "first", **change})
    assert await _outcomes(store, repeated) == ["duplicate"]


async def test_sender_and_text_are_told_apart(store: Store) -> None:
    left = make.arrival("a", sender="12", text="3")
    right = make.arrival("a", sender="1", text="23")
    assert await _outcomes(store, left, right) == ["stored", "conflict"]


async def test_a_very_long_id(store: Store) -> None:
    assert await _outcomes(store, make.arrival("x" * 9000)) == ["stored"]
    assert await _outcomes(store, make.arrival("x" * 9000)) == ["duplicate"]


async def test_two_processes_race(database_url: str) -> None:
    # Two stores are two processes' worth of writers; each id comes to both at the same moment.
    ids = [f"id-{n}" for n in range(200)]
    async with Store(database_url) as left, Store(database_url) as right:
        outcomes = await asyncio.gather(
            *(
                store.write(Save([make.arrival(ref) for ref in order]))
                for n in range(0, 200, 20)
                for store, order in (
                    (left, ids[n : n + 20]),
                    (right, list(reversed(ids[n : n + 20]))),
                )
            )
        )
        flat = [saved.outcome for batch in outcomes for saved in batch]
        assert flat.count("stored") == 200
        assert flat.count("duplicate") == 200
        assert [await _count(left, table) for table in (inbound, records, outbound)] == [200] * 3
