"""Alive, ready, and what a server says when its database is away."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from smsgate.settings import Settings
from smsgate.store import engine
from smsgate.store.engine import sqlite_path
from tests import make
from tests.looking import counts, execute
from tests.running import Running, running


async def test_a_server_with_its_database_is_alive_and_ready(server: Running) -> None:
    for path in ("/healthz", "/readyz"):
        response = await server.call("GET", path, user=None)
        assert (response.status_code, response.json()) == (200, {"ok": True})


async def test_a_locked_database_is_not_ready_and_nothing_is_acknowledged(
    sqlite_template: Path, tmp_path: Path, clock: make.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", 50)  # five seconds otherwise
    path = tmp_path / "smsgate.db"
    shutil.copy(sqlite_template, path)
    settings = Settings(data_dir=tmp_path, database_url=f"sqlite+aiosqlite:///{path}", port=0)
    async with running(settings, clock) as server:
        assert sqlite_path(settings.database_url) == path
        item = make.sms()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            ready = await server.call("GET", "/readyz", user=None)
            assert ready.status_code == 503
            assert ready.json() == {
                "ok": False,
                "reasons": ["the database is locked by another process"],
            }
            alive = await server.call("GET", "/healthz", user=None)
            assert alive.status_code == 200
            refused = await server.call("POST", "/api/sms", json={"messages": [item]})
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert refused.json()["message"] == "Busy, try again later"
            assert await server.get("/api/v1/messages") == {"data": [], "cursor": None}
            other.execute("ROLLBACK")
        assert await counts(server) == {"inbound": 0, "records": 0, "quarantine": 0}
        assert len(await server.poll(item)) == 1
        assert (await server.call("GET", "/readyz")).status_code == 200


async def test_a_database_without_its_tables_is_500_and_leaks_nothing(server: Running) -> None:
    await execute(server, "ALTER TABLE inbound_messages RENAME TO away")
    response = await server.call(
        "POST", "/api/sms", json={"messages": [make.sms("secret words")], "updates": []}
    )
    assert response.status_code in (200, 500)
    assert "secret words" not in response.text
    assert "inbound" not in response.text
    await execute(server, "ALTER TABLE away RENAME TO inbound_messages")
    assert await server.poll() == []


async def test_a_server_stops_with_polls_under_way(settings: Settings, clock: make.Clock) -> None:
    async with running(settings, clock) as server:
        items = [make.sms(f"note {i}") for i in range(40)]
        await asyncio.gather(*(server.poll(item) for item in items))
    async with running(settings, clock) as server:
        assert (await counts(server))["inbound"] == 40
        assert len(await server.poll()) == 25
