"""`smsgate message`: listing, retrying and cancelling beside a running server."""

from __future__ import annotations

import asyncio

import pytest

from smsgate import cli
from smsgate.clock import now
from tests import make
from tests.running import Running


async def _run(server: Running, *words: str) -> int:
    url = server.services.settings.database_url
    return await asyncio.to_thread(cli.main, ["message", *words, "--database", url])


async def _send(server: Running, to: str = "+254712000001") -> str:
    response = await server.call("POST", "/api/v1/messages", json={"to": to, "content": "x"})
    id_: str = response.json()["id"]
    return id_


@pytest.fixture
def clock() -> make.Clock:
    """One that stands at the machine's time, which the command goes by."""
    return make.Clock(now())


async def test_by_filter_it_counts_and_acts_only_with_yes(
    server: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [await _send(server) for _ in range(3)]
    assert await _run(server, "cancel", "--state", "pending") == 0
    said = capsys.readouterr().out
    assert "3 pending" in said
    assert "cancel: 3 of 3 can be done" in said
    assert "--yes" in said
    assert await _run(server, "cancel", "--state", "pending", "--yes") == 0
    assert "cancel: 3 done" in capsys.readouterr().out
    assert await server.poll() == []
    assert await _run(server, "retry", ids[0], f"{ids[1]}") == 0
    server.clock.move(minutes=5)  # the command goes by the machine's clock
    assert {given["id"] for given in await server.poll()} == {f"{ids[0]}.1", f"{ids[1]}.1"}
    shown = await server.get(f"/api/v1/messages/{ids[0]}")
    assert shown["state_history"][-2]["details"]["by"] == "cli"
    assert await _run(server, "list", "--to", "+254712000001", "--state", "cleared") == 0
    said = capsys.readouterr().out
    assert ids[2] in said
    assert ids[0] not in said


async def test_what_is_refused_says_why(
    server: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    id_ = await _send(server)
    assert await _run(server, "retry", id_, "nobody") == 1
    said = capsys.readouterr().out
    assert "nobody left as it is: unknown" in said
    assert "is pending" in said
    assert await _run(server, "retry") == 1
    assert "--state failed" in capsys.readouterr().err
