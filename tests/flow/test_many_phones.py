"""Ten phones share a queue: each message is reported by exactly one, whatever is killed or lost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.fleet import Fleet, Plan


@pytest.mark.parametrize("server_kills", [0, 1])
async def test_each_message_is_sent_by_one_phone(
    database_url: str, tmp_path: Path, server_kills: int
) -> None:
    plan = Plan(
        messages=300,
        seconds=2,
        interval=0.05,
        life=(0.5, 6.0),
        server_kills=server_kills,
        give_up=90,
        oldest=timedelta(seconds=60),
    )
    place = tmp_path / "phones"
    place.mkdir(mode=0o700)
    account = await Fleet(plan, place, database_url).run()
    assert not account.faults, account.lines()
    assert account.phone_kills
    assert account.unheard
    assert account.server_kills == server_kills
