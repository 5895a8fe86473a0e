"""The queries of the dispatch loop go along their indexes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from smsgate.message import State
from smsgate.store import cursors, pushing
from smsgate.store.database import Store
from smsgate.store.tables import outbound, outbound_attempts
from tests import make
from tests.make import NOON
from tests.store.test_outbox import Do, add

BOUND: dict[str, Any] = {
    "now": NOON,
    "aged": NOON,
    "before": NOON,
    "after": NOON - timedelta(days=1),
    "since": NOON - timedelta(days=1),
    "route": "one",
    "place": "",
    "limit": 25,
}
QUERIES = {
    "WAITING": (pushing.WAITING, "waiting"),
    "AGED": (pushing.AGED, "expiring"),
    "LAPSED": (pushing.LAPSED, "pushed"),
    "NEXT_LAPSE": (pushing.NEXT_LAPSE, "pushed"),
    "NEXT_DUE": (pushing.NEXT_DUE, ""),  # any index of what is pending serves
    "UNKNOWN": (pushing.UNKNOWN, "unknown"),
    "NEXT_UNKNOWN": (pushing.NEXT_UNKNOWN, "unknown"),
    "UNFINISHED": (cursors.UNFINISHED, "polled"),
}


async def _fill(store: Store) -> None:
    states = [State.SENT, State.DELIVERED, State.PENDING, State.SCHEDULED, State.UNKNOWN]
    await add(
        store,
        *(
            make.outbound(state=state, due_at=NOON + timedelta(seconds=n - 150))
            for n in range(200)
            for state in states
        ),
    )
    half = outbound.c.id > sa.select(sa.func.max(outbound.c.id)).scalar_subquery()
    changes = (
        sa.update(outbound).where(~half).values(route="one", gateway_ref=outbound.c.id),
        sa.update(outbound)
        .where(outbound.c.state == "pending", outbound.c.due_at < NOON - timedelta(seconds=100))
        .values(lease_owner="worker", leased_until=NOON),
    )
    for change in changes:
        await _run(store, change)
    await store.write(Do(lambda c: c.exec_driver_sql("ANALYZE")))


async def _run(store: Store, change: sa.Update) -> None:
    await store.write(Do(lambda c: c.execute(change)))


async def _plan(connection: Any, query: Any) -> str:
    values = {name: value for name, value in BOUND.items() if name in query.compile().params}
    bound = query.params(**values)
    text = bound.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    rows = (await connection.exec_driver_sql(explain + str(text))).all()
    return "\n".join(" ".join(str(cell) for cell in row) for row in rows)


@pytest.mark.slow
async def test_hot_queries_use_their_index(store: Store) -> None:
    await _fill(store)
    async with store.read() as connection:
        if connection.dialect.name == "postgresql":
            # A small table is read whole whatever the index; the question is which one fits.
            await connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            await connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        for name, (query, index) in QUERIES.items():
            plan = await _plan(connection, query)
            assert f"ix_outbound_messages_{index}" in plan, f"{name}: {plan}"
            assert "TEMP B-TREE" not in plan, f"{name}: {plan}"
            assert "Sort" not in plan, f"{name}: {plan}"
        attempts = outbound_attempts
        for query in (
            sa.select(attempts).where(attempts.c.message_id.in_(["a", "b"])),
            sa.select(attempts).where(attempts.c.message_id == "a", attempts.c.number == 1),
        ):
            assert "uq_outbound_attempts" in (plan := await _plan(connection, query)) or (
                "sqlite_autoindex_outbound_attempts" in plan
            ), plan
