"""What is counted, on both engines, and that counting goes along indexes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from smsgate import outbox
from smsgate.clock import to_ms
from smsgate.message import State
from smsgate.store import figures, inbound, orphans, quarantine, sizes
from smsgate.store import outbox as store_outbox
from smsgate.store.database import Store
from smsgate.store.tables import outbound
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from tests import make
from tests.make import NOON

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Put(Job[None]):
    """Messages as they are after a while: (state, due, changed, account or pin)."""

    rows: list[dict[str, Any]]

    async def run(self, connection: Connection) -> None:
        await store_outbox.add_messages(connection, self.rows)


@dataclass(frozen=True)
class Change(Job[None]):
    values: dict[str, Any]
    ids: list[str]

    async def run(self, connection: Connection) -> None:
        statement = sa.update(outbound).where(outbound.c.id.in_(self.ids))
        await connection.execute(statement.values(**self.values))


async def put(
    store: Store,
    state: State,
    count: int = 1,
    *,
    due: datetime = NOON,
    changed: datetime = NOON,
    owner: str | None = None,
    gateway: str | None = None,
) -> None:
    rows = [
        outbox.row_of(make.outbound(state=state, due_at=due, gateway=gateway)) for _ in range(count)
    ]
    await store.write(Put(rows))
    held = state is State.FORWARDED_TO_GATEWAY
    values = {
        "changed_at": changed,
        "lease_owner": owner,
        "leased_until": NOON + make.LEASE if held else None,
    }
    await store.write(Change(values, [row["id"] for row in rows]))


async def test_states_and_what_waits(store: Store) -> None:
    await put(store, State.SCHEDULED, 2, due=NOON + DAY)
    await put(store, State.PENDING, 3, due=NOON - HOUR)
    await put(store, State.PENDING, due=NOON - 2 * HOUR, gateway="gateway")
    await put(store, State.PENDING, due=NOON + HOUR)
    await put(store, State.FORWARDED_TO_GATEWAY, 4, owner="gateway")
    await put(store, State.SENT, 5, owner="gateway")
    async with store.read() as connection:
        assert await figures.by_state(connection) == {State.SCHEDULED: 2, State.SENT: 5}
        assert await figures.pending(connection, NOON) == (5, 4, NOON - 2 * HOUR)
        assert await figures.held(connection) == {"gateway": 4}
        assert await figures.pinned(connection, NOON) == {"gateway": (1, NOON - 2 * HOUR)}


async def test_nothing_at_all(store: Store) -> None:
    async with store.read() as connection:
        assert await figures.by_state(connection) == {State.SCHEDULED: 0}
        assert await figures.pending(connection, NOON) == (0, 0, None)
        assert await figures.quarantined(connection) == (0, None)
        assert await figures.conflicts(connection, NOON) == (0, None)
        assert await figures.orphans(connection) == 0
        assert set(await figures.due_between(connection, NOON - 7 * DAY, NOON)) == {
            State.PENDING,
            State.FORWARDED_TO_GATEWAY,
            State.SCHEDULED,
        }


async def test_what_ended_within_the_hour(store: Store) -> None:
    recent, old = NOON - HOUR / 2, NOON - 2 * HOUR
    await put(store, State.SENT, 2, changed=recent, owner="gateway")
    await put(store, State.FAILED, changed=recent, owner="phone2")
    await put(store, State.DENIED, changed=recent)
    await put(store, State.RECEIVED_BY_GATEWAY, changed=recent, owner="gateway")
    await put(store, State.FAILED, 3, changed=old, owner="gateway")
    async with store.read() as connection:
        found = await figures.finished(connection, NOON - HOUR)
    assert sorted(found, key=str) == sorted(
        [
            (State.SENT, "gateway", 2),
            (State.FAILED, "phone2", 1),
            (State.DENIED, None, 1),
        ],
        key=str,
    )


async def test_the_seven_days_go_by_when_a_message_is_due(store: Store) -> None:
    await put(store, State.SENT, due=NOON - 6 * DAY, changed=NOON - 6 * DAY)
    await put(store, State.DELIVERED, due=NOON - 8 * DAY, changed=NOON - DAY)
    await put(store, State.PENDING, due=NOON - DAY)
    await put(store, State.FORWARDED_TO_GATEWAY, due=NOON - DAY, owner="gateway")
    # Withheld long before it would have been due.
    await put(store, State.DENIED, due=NOON - DAY, changed=NOON - 60 * DAY)
    await put(store, State.CLEARED, due=NOON + DAY, changed=NOON - DAY)
    await put(store, State.SCHEDULED, due=NOON + DAY)
    async with store.read() as connection:
        found = await figures.due_between(connection, NOON - 7 * DAY, NOON)
    assert {state: count for state, count in found.items() if count} == {
        State.SENT: 1,
        State.PENDING: 1,
        State.FORWARDED_TO_GATEWAY: 1,
        State.DENIED: 1,
    }


async def test_the_last_hundred_of_a_group(store: Store) -> None:
    await put(store, State.SENT, 90, changed=NOON - HOUR)
    await put(store, State.FAILED, 30, changed=NOON - 2 * HOUR)
    await put(store, State.DELIVERED, 5, changed=NOON - 3 * HOUR)
    await put(store, State.DELIVERED, 3, changed=NOON + HOUR)  # not in the future
    async with store.read() as connection:
        states = (State.SENT, State.DELIVERED, State.FAILED)
        found = await figures.newest(connection, states, NOON)
    assert found == {State.SENT: 90, State.FAILED: 10, State.DELIVERED: 0}


async def test_quarantine_orphans_and_conflicts(store: Store) -> None:
    @dataclass(frozen=True)
    class Fill(Job[None]):
        async def run(self, connection: Connection) -> None:
            items = [
                quarantine.item(
                    source="cht-gateway", gateway="g", reason="r", raw=raw, at=NOON - age
                )
                for raw, age in ((b"1", HOUR), (b"2", DAY))
            ]
            await quarantine.add(connection, items)
            report = orphans.orphan(
                source="s", reference="x", status="SENT", reason=None, gateway="g", at=NOON
            )
            await orphans.add(connection, [report])
            first = make.arrival("same", text="one")
            second = make.arrival("same", text="two")
            await inbound.save(connection, [first, second])

    await store.write(Fill())
    async with store.read() as connection:
        assert await figures.quarantined(connection) == (2, NOON - DAY)
        assert await figures.orphans(connection) == 1
        assert await figures.conflicts(connection, NOON - DAY) == (1, NOON)
        assert await figures.conflicts(connection, NOON) == (0, None)


async def test_arrivals_by_the_age_of_their_ids(store: Store) -> None:
    @dataclass(frozen=True)
    class Arrive(Job[None]):
        async def run(self, connection: Connection) -> None:
            for minutes in (30, 60, 61, 300):
                digits = f"{to_ms(NOON - timedelta(minutes=minutes)):012x}"
                id_ = f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"
                arrival = make.arrival(id=id_)
                await inbound.save(connection, [inbound.Arrival(arrival.inbound)])

    await store.write(Arrive())
    async with store.read() as connection:
        assert await figures.arrived(connection, NOON - HOUR, NOON) == 2
        assert await figures.arrived(connection, NOON - DAY, NOON - HOUR) == 2


async def test_sizes(store: Store) -> None:
    await put(store, State.SENT, 3)
    async with store.read() as connection:
        found = await sizes.read(connection)
    assert found.rows["outbound_messages"] == found.rows["outbound_history"] == 3
    assert found.rows["users"] == 0
    assert 0 < found.in_use <= found.on_disk
    assert found.version.split()[0] in ("sqlite", "postgresql")


QUERIES = {
    name: query
    for name, query in vars(figures).items()
    if name.isupper() and not name.startswith("_") and isinstance(query, sa.Select)
} | {f"newest {state}": figures.newest_settled(state) for state in (State.SENT, State.DENIED)}
BOUNDED = {"ORPHANS"}  # stops at a number of rows, whatever order they are in


@pytest.mark.parametrize("name", sorted(set(QUERIES) - BOUNDED))
async def test_counting_goes_along_an_index(store: Store, name: str) -> None:
    values = {"now": NOON, "since": NOON - DAY, "low": "0", "high": "1", "expected": [""]}
    async with store.read() as connection:
        on_sqlite = connection.dialect.name == "sqlite"
        statement = QUERIES[name].params(
            {key: values[key] for key in QUERIES[name].compile().params if key in values}
        )
        dialect = sqlite.dialect() if on_sqlite else postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves them untyped
        sql = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        if not on_sqlite:  # a table of no rows would be read whole
            await connection.exec_driver_sql("SET enable_seqscan = off")
        explain = "EXPLAIN QUERY PLAN " if on_sqlite else "EXPLAIN "
        plan = "\n".join(str(row[-1]) for row in await connection.exec_driver_sql(explain + sql))
    assert "INDEX" in plan.upper(), plan
    assert "Seq Scan" not in plan, plan
    scans = [line for line in plan.splitlines() if line.startswith("SCAN ")]
    assert all("USING" in line or line == "SCAN items" for line in scans), plan
