"""The queue is as its model, on the real database of either engine (`tests.store.queue_model`).

That the test can fail is shown by planting the three faults that queues have in practice.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from smsgate import offering
from smsgate.message import OutboundMessage, StatusReport
from smsgate.outbox import attempt_of, row_of
from smsgate.shares import Ask
from smsgate.store import outbox as store_outbox
from smsgate.store.idempotency import Claim
from smsgate.store.tables import metadata
from smsgate.store.transact import Connection
from tests import make
from tests.store.queue_model import Queue, machine
from tests.store.test_outbox import Do


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


# 500 runs of 50 steps on either engine in CI (where PostgreSQL is required) and with
# `--hypothesis-profile=full`; in parts, so that they go to several cores.
FULL = "postgres" in os.environ.get("SMSGATE_REQUIRE", "").split(",") or (
    settings.default is not None and settings.default.max_examples >= 500
)
PARTS, RUNS, STEPS = (5, 100, 50) if FULL else (1, 25, 30)
SIZE = settings(
    max_examples=RUNS,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
PLANTED = settings(
    SIZE,
    max_examples=200,
    stateful_step_count=30,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
)


@pytest.mark.parametrize("part", range(PARTS))
def test_the_queue_is_as_the_model(database_url: str, part: int) -> None:
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
