"""`kill -9` at each place where it hurts (B1): no message is sent again without saying so."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from shutil import copy

import pytest

from smsgate import failpoints
from smsgate.fakes.serving import serving
from smsgate.store.database import Store
from tests import fake_services
from tests.pushes import pushing_to
from tests.targets import ALL, Target

ROOT = Path(__file__).parents[2]
MESSAGES = 24
OTHERS = [one for one in ALL if one.name != "africastalking"]


async def run(
    database_url: str, fake_url: str, ahead: int, failpoint: str, name: str = "africastalking"
) -> int:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.dispatch.child", database_url, fake_url, str(ahead), name,
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


@pytest.mark.slow
@pytest.mark.parametrize("target", OTHERS, ids=lambda one: one.name)
async def test_so_it_is_with_every_aggregator(
    sqlite_template: Path, tmp_path: Path, target: Target
) -> None:
    copy(sqlite_template, tmp_path / "smsgate.db")
    database_url = f"sqlite+aiosqlite:///{tmp_path}/smsgate.db"
    fake = target.fake(latency=0.005)
    async with serving(fake) as url, Store(database_url) as store:
        async with pushing_to(store, url, target=target, start=False) as push:
            ids = await push.add(
                *(push.message(place, recipient=target.number(place)) for place in range(8))
            )
        kills = 0
        point = "push.after_http_before_outcome=kill:5"
        while (code := await run(database_url, url, kills * 200, point, target.name)) != 0:
            assert code == -9
            kills += 1
        assert kills >= 1
        unknowns = 0
        for id_ in ids:
            row, ends = await push.row(id_), [end for end, _ in await push.attempts(id_)]
            assert row["state"] == target.state
            assert row["taken_over"] == ends.count("unknown")
            unknowns += ends.count("unknown")
        assert unknowns >= kills
        assert len(ids) <= sum(fake.tries.values()) <= len(ids) + unknowns


def test_a_failpoint_that_cannot_be_read_is_no_failpoint() -> None:
    assert failpoints.read("a.b=kill:3,c=kill:1") == {"a.b": 3, "c": 1}
    assert failpoints.read("") == {}
    for text in ("a", "a=kill", "a=kill:0", "a=raise:1", "A=kill:1"):
        with pytest.raises(ValueError, match="no failpoint"):
            failpoints.read(text)
    failpoints.come_by("push.after_attempt_row")
