"""`kill -9` at each place where it hurts (B1): no message is sent again without saying so."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from smsgate import failpoints
from smsgate.store.database import Store
from tests import fake_services
from tests.pushes import pushing_to

ROOT = Path(__file__).parents[2]
MESSAGES = 24


async def run(database_url: str, fake_url: str, ahead: int, failpoint: str) -> int:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.dispatch.child", database_url, fake_url, str(ahead),
        cwd=ROOT, env={**os.environ, "SMSGATE_FAILPOINTS": failpoint},
    )  # fmt: skip
    async with asyncio.timeout(60):
        return await child.wait()


@pytest.mark.slow
@pytest.mark.parametrize("point", ["push.after_attempt_row", "push.after_http_before_outcome"])
async def test_calls_are_at_most_one_and_the_recorded_unknowns(
    database_url: str, store: Store, point: str
) -> None:
    async with fake_services.africastalking(latency=0.005) as fake:
        async with pushing_to(store, fake.url, start=False) as push:
            ids = await push.enqueue(MESSAGES)
        kills = 0
        while (code := await run(database_url, fake.url, kills * 200, f"{point}=kill:{7}")) != 0:
            assert code == -9
            kills += 1
        assert kills >= 3
        again = 0
        for id_ in ids:
            row, attempts = await push.row(id_), await push.attempts(id_)
            message = (row["recipient"], row["text"])
            unknowns = [end for end, _ in attempts].count("unknown")
            assert row["state"] == "sent"
            assert attempts[-1] == ("ok", "Sent")
            assert 1 <= fake.service.tries[message] <= 1 + unknowns
            assert row["taken_over"] == unknowns
            again += unknowns
        assert again >= kills  # each death left something of which nobody knows
        if point == "push.after_attempt_row":  # nothing had left: the doubt was for nothing
            assert len(fake.service.doubled) <= kills * 4


def test_a_failpoint_that_cannot_be_read_is_no_failpoint() -> None:
    assert failpoints.read("a.b=kill:3,c=kill:1") == {"a.b": 3, "c": 1}
    assert failpoints.read("") == {}
    for text in ("a", "a=kill", "a=kill:0", "a=raise:1", "A=kill:1"):
        with pytest.raises(ValueError, match="no failpoint"):
            failpoints.read(text)
    failpoints.come_by("push.after_attempt_row")
