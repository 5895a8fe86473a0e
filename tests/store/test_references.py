"""Reports by an aggregator's own ids: whichever comes first, the id or the report."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from smsgate.aggregators.africastalking import aggregator
from smsgate.aggregators.base import Report
from smsgate.message import State
from smsgate.outbox import row_of
from smsgate.reporting import Said, attach, take
from smsgate.store import outbox, references
from smsgate.store.database import Store
from smsgate.store.tables import orphan_reports, outbound, outbound_attempts, outbound_history
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from tests.make import NOON
from tests.make import outbound as message

ROUTE = aggregator.name


class Do(Job[Any]):
    """Some steps in one transaction."""

    def __init__(self, *steps: Any) -> None:
        self.steps = steps

    async def run(self, connection: Connection) -> Any:
        return [await step(connection) for step in self.steps]


def sent(reference: str | None, **changes: Any) -> dict[str, Any]:
    """A message that was handed over and got `reference`."""
    row = row_of(message(state=State.RECEIVED_BY_GATEWAY))
    return {**row, "route": ROUTE, "gateway_ref": reference, "retries": 0, **changes}


def adding(*rows: dict[str, Any]) -> Any:
    return lambda connection: outbox.add_messages(connection, rows)


def said(*words: tuple[str, str]) -> Any:
    """Reports, as (reference, word)."""
    given = [Said(Report(ref, word, aggregator.meaning(word)), NOON) for ref, word in words]
    return lambda connection: take(connection, given, source=ROUTE, routes=[ROUTE])


def storing(row: dict[str, Any], reference: str) -> Any:
    """The answer to a request is stored, with the reference it brought."""

    async def step(connection: Connection) -> None:
        await connection.execute(
            sa.update(outbound)
            .where(outbound.c.id == row["id"])
            .values(gateway_ref=reference, state=State.RECEIVED_BY_GATEWAY.value)
        )
        await attach(connection, aggregator, {reference: row["id"]})

    return step


async def state(store: Store, row: dict[str, Any]) -> str:
    async with store.read() as connection:
        found = await connection.execute(
            sa.select(outbound.c.state).where(outbound.c.id == row["id"])
        )
        return str(found.scalar_one())


async def count(store: Store, table: sa.Table) -> int:
    async with store.read() as connection:
        return int(
            (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()
        )


async def test_a_report_finds_its_message(store: Store) -> None:
    row = sent("AT-1")
    await store.write(Do(adding(row)))
    assert await store.write(Do(said(("AT-1", "Success"), ("AT-2", "Sent")))) == [[True, False]]
    assert await state(store, row) == "delivered"
    assert await count(store, orphan_reports) == 1


async def test_two_reports_in_one_call_both_count_and_only_forward(store: Store) -> None:
    row = sent("AT-1")
    await store.write(Do(adding(row)))
    await store.write(Do(said(("AT-1", "Success"), ("AT-1", "Sent"), ("AT-1", "Tomorrow"))))
    assert await state(store, row) == "delivered"
    async with store.read() as connection:
        story = await connection.execute(
            sa.select(outbound_history.c.status, outbound_history.c.applied).order_by(
                outbound_history.c.seq
            )
        )
        assert [tuple(step) for step in story][1:] == [
            ("Success", True),
            ("Sent", False),
            ("Tomorrow", False),
        ]


async def test_another_routes_reference_is_not_ours(store: Store) -> None:
    row = sent("AT-1", route="rapidpro")
    await store.write(Do(adding(row)))
    assert await store.write(Do(said(("AT-1", "Success")))) == [[False]]


async def test_a_report_that_comes_first_waits_for_its_reference(store: Store) -> None:
    row = sent(None, state=State.PENDING.value)
    await store.write(Do(adding(row)))
    for word in ("Sent", "Success", "Success"):
        assert await store.write(Do(said(("AT-1", word)))) == [[False]]
    await store.write(Do(storing(row, "AT-1")))
    assert await state(store, row) == "delivered"
    assert await count(store, orphan_reports) == 0


async def test_of_a_report_and_its_reference_at_the_same_moment_one_sees_the_other(
    database_url: str,
) -> None:
    async with Store(database_url) as one, Store(database_url) as two:
        rows = [sent(None, state=State.PENDING.value) for _ in range(40)]
        await one.write(Do(adding(*rows)))
        for number, row in enumerate(rows):
            await asyncio.gather(
                one.write(Do(said((f"AT-{number}", "Success")))),
                two.write(Do(storing(row, f"AT-{number}"))),
            )
        assert [await state(one, row) for row in rows] == ["delivered"] * 40
        assert await count(one, orphan_reports) == 0


def attempt(row: dict[str, Any], number: int, reference: str) -> Any:
    async def step(connection: Connection) -> None:
        await connection.execute(
            sa.insert(outbound_attempts).values(
                message_id=row["id"],
                number=number,
                route=ROUTE,
                worker="w",
                started_at=NOON,
                gateway_ref=reference,
            )
        )

    return step


@pytest.mark.parametrize(
    ("changes", "word", "after"),
    [
        # Handed over again, under another reference.
        ({"gateway_ref": "AT-2"}, "Failed", "received-by-gateway"),
        ({"gateway_ref": "AT-2"}, "Submitted", "sent"),
        # Waiting to be handed over again: the reference is of the past.
        ({"gateway_ref": "AT-1", "state": "pending"}, "Failed", "pending"),
        ({"gateway_ref": "AT-1", "state": "pending"}, "Success", "delivered"),
        # Reopened by a person and handed over.
        ({"gateway_ref": "AT-1", "retries": 2}, "Failed", "failed"),
    ],
)
async def test_a_late_report_moves_only_by_proof(
    store: Store, changes: dict[str, Any], word: str, after: str
) -> None:
    row = {**sent("AT-1"), **changes}
    await store.write(Do(adding(row), attempt(row, 1, "AT-1"), attempt(row, 2, "AT-2")))
    assert await store.write(Do(said(("AT-1", word)))) == [[True]]
    assert await state(store, row) == after


@pytest.mark.parametrize("odd", ["\0", "\ud800", "x" * 5000, "'; DROP TABLE records"])
async def test_odd_references_and_words_do_no_harm(store: Store, odd: str) -> None:
    row = sent(None, state=State.PENDING.value)
    await store.write(Do(adding(row)))
    assert await store.write(Do(said((odd, odd), (odd, "Success")))) == [[False, False]]
    assert await count(store, orphan_reports) == 2


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (references.PRESENT, "ix_outbound_messages_reference"),
        (references.FORMER, "ix_outbound_attempts_reference"),
    ],
)
async def test_looking_up_goes_along_an_index(
    store: Store, query: sa.Select[Any], index: str
) -> None:
    async with store.read() as connection:
        statement = query.params(routes=["a"], references=["x", "y"])
        compiled = statement.compile(
            dialect=connection.dialect,
            compile_kwargs={"literal_binds": True, "render_postcompile": True},
        )
        on_sqlite = connection.dialect.name == "sqlite"
        if not on_sqlite:
            await connection.exec_driver_sql("SET enable_seqscan = off")
        explain = "EXPLAIN QUERY PLAN " if on_sqlite else "EXPLAIN "
        plan = await connection.exec_driver_sql(explain + str(compiled).replace("%%", "%"))
        assert index in "\n".join(str(row[-1]) for row in plan)
