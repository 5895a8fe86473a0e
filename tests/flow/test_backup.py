"""Backups beside a real server under load, restored; and routes that wait after it (T-13, C16)."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from smsgate import manifest
from smsgate.store import dumping, schema
from smsgate.store.database import Store
from smsgate.store.inbound import save
from smsgate.store.tables import inbound
from tests import fake_services, make
from tests.conftest import REQUIRED, Databases, _pg_url
from tests.docs.terminal import process
from tests.make import basic
from tests.pushes import ROUTE, pushing_to
from tests.store.test_outbox import Do
from tests.typed import typed

PASSWORD = "tulip-rain-42-garden"


@pytest.fixture
def tools(database_url: str) -> None:
    """PostgreSQL's own programs, where PostgreSQL is asked for."""
    if database_url.startswith("sqlite") or shutil.which("pg_dump"):
        return
    reason = "pg_dump is not on PATH: backups of PostgreSQL are not tried"
    if "postgres" in REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


class Load(threading.Thread):
    """A phone that hands over texts as fast as it can, and remembers which were acknowledged."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self._name = name
        self._enough = threading.Event()
        self.acknowledged: list[str] = []
        self.progress = threading.Condition()

    def run(self) -> None:
        number = 0
        with httpx2.Client(trust_env=False, timeout=60) as client:
            while not self._enough.is_set():
                items = [make.sms("hello", id=f"{self._name}-{number + n}") for n in range(5)]
                answer = client.post(
                    f"{self._url}/api/sms",
                    json={"messages": items, "updates": []},
                    headers={"Authorization": basic("admin", PASSWORD)},
                )
                if answer.status_code == 200:
                    with self.progress:
                        self.acknowledged += [item["id"] for item in items]
                        self.progress.notify_all()
                number += 5

    def until(self, number: int) -> list[str]:
        """What was acknowledged, once it is so many."""
        with self.progress:
            assert self.progress.wait_for(lambda: len(self.acknowledged) >= number, 60)
            return list(self.acknowledged)

    def stop(self) -> None:
        self._enough.set()
        self.join()


@contextmanager
def served(url: str, data: Path) -> Iterator[str]:
    """A server in a process of its own."""
    words = ["serve", "--port", "0", "--data", str(data), "--database", url]
    environment = {"SMSGATE_ADMIN_PASSWORD": PASSWORD}
    with process(words, folder=data.parent, until="serves on ", **environment) as started:
        started.until("\n")
        yield started.url


@asynccontextmanager
async def elsewhere(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """Where a backup is restored to: a new folder, or an empty PostgreSQL database."""
    if url.startswith("sqlite"):
        yield f"sqlite+aiosqlite:///{tmp_path / 'elsewhere' / 'smsgate.db'}"
        return
    databases: Databases = request.getfixturevalue("databases")
    name = await databases.take()
    await emptied(_pg_url(name))
    yield _pg_url(name)
    await databases.give_back(name)


async def emptied(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        await connection.exec_driver_sql("CREATE SCHEMA public")
    await engine.dispose()


async def references(url: str) -> list[str]:
    """The carriers' ids that a database knows."""
    async with Store(url) as store, store.read() as connection:
        return list((await connection.execute(sa.select(inbound.c.gateway_ref))).scalars())


@pytest.mark.slow
@pytest.mark.usefixtures("tools")
async def test_backups_under_load_hold_what_was_acknowledged(
    database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    backups: list[tuple[Path, list[str]]] = []
    with served(database_url, data) as address:
        loads = [Load(address, name) for name in ("one", "two")]
        for load in loads:
            load.start()
        try:
            for place in range(2):
                wanted = 25 * (place + 1)
                before = [
                    id_ for load in loads for id_ in await asyncio.to_thread(load.until, wanted)
                ]
                file = tmp_path / f"{place}.backup"
                code, said = await typed("backup", "--to", str(file), url=database_url, data=data)
                assert code == 0, said
                backups.append((file, before))
        finally:
            for load in loads:
                load.stop()
        page = httpx2.get(f"{address}/metrics", auth=("admin", PASSWORD), trust_env=False).text
        last = manifest.read(manifest.beside(backups[-1][0]).read_bytes())
        assert last is not None
        name = "smsgate_backup_last_success_timestamp_seconds"
        (line,) = (line for line in page.splitlines() if line.startswith(name + " "))
        assert float(line.split()[1]) == pytest.approx(last.at.timestamp(), abs=0.01)
    everything = {id_ for load in loads for id_ in load.acknowledged}
    assert everything <= set(await references(database_url))
    # Loading is PostgreSQL's own work, and takes its time: once is enough.
    for file, before in backups if database_url.startswith("sqlite") else backups[-1:]:
        async with elsewhere(database_url, tmp_path / file.stem, request) as other:
            where = tmp_path / file.stem / "elsewhere"
            code, said = await typed("restore", str(file), url=other, data=where)
            assert code == 0, said
            found = await references(other)
            assert set(before) <= set(found)
            assert len(found) == len(set(found))


@pytest.mark.usefixtures("tools")
async def test_after_a_restore_nothing_is_sent_until_somebody_says_so(
    database_url: str, tmp_path: Path
) -> None:
    """C16: the backup does not know that the message went out."""
    data = tmp_path / "data"
    data.mkdir(exist_ok=True)
    file = tmp_path / "b.backup"
    async with fake_services.africastalking() as fake:
        async with Store(database_url) as store:
            async with pushing_to(store, fake.url, start=False) as push:
                (sent,) = await push.enqueue()
                code, said = await typed("backup", "--to", str(file), url=database_url, data=data)
                assert code == 0, said
            async with pushing_to(store, fake.url) as push:
                await push.until_state(sent, "sent")
        assert len(fake.service.requests) == 1
        code, said = await typed("restore", str(file), "--replace", url=database_url, data=data)
        assert code == 0, said
        assert f"smsgate route resume {ROUTE}" in said
        assert "what was there before is kept: " in said

        async with Store(database_url) as store:
            async with pushing_to(store, fake.url, start=False) as push:
                await push.enqueue(recipient="+254711999999")
                route = await push.route()
                assert (route.paused_by, route.paused_until) == ("smsgate restore", None)
                assert (route.reason or "").startswith("restored from a backup of 20")
                assert (await push.row(sent))["state"] == "pending"
                for _ in range(3):
                    await push.dispatcher._round()
                push.clock.move(days=1)
                await push.dispatcher._round()
                assert len(fake.service.requests) == 1
            code, said = await typed("route", "resume", ROUTE, url=database_url, data=data)
            assert code == 0, said
            async with pushing_to(store, fake.url) as push:
                await push.until_state(sent, "sent")
        assert fake.service.doubled == [("+254710000000", "Thank you.")]
    await forget_aside(database_url)


async def forget_aside(url: str) -> None:
    """On PostgreSQL: what a restore put aside, as its operator does when it is not needed."""
    if url.startswith("sqlite"):
        return
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        found = await connection.exec_driver_sql(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'smsgate_before_%%'"
        )
        for name in found.scalars().all():
            await connection.exec_driver_sql(f'DROP SCHEMA "{name}" CASCADE')
    await engine.dispose()


# -- PostgreSQL


@pytest.fixture
async def dumped(postgres_url: str, tmp_path: Path) -> Path:
    """A backup of a PostgreSQL database with one text in it."""
    async with Store(postgres_url) as store:
        await store.write(Do(lambda c: save(c, [make.arrival("before")])))
    file = tmp_path / "b.dump"
    code, said = await typed("backup", "--to", str(file), url=postgres_url, data=tmp_path / "d")
    assert code == 0, said
    async with Store(postgres_url) as store:
        await store.write(Do(lambda c: save(c, [make.arrival("after")])))
    return file


def _flip(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)


def _cut(file: Path) -> None:
    manifest.beside(file).unlink()
    raw = file.read_bytes()
    file.write_bytes(raw[: len(raw) - 200])


@pytest.mark.postgres
@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("database_url", ["postgres"])
@pytest.mark.parametrize(
    ("spoil", "words", "said"),
    [
        (_flip, ("--replace",), "not what was backed up"),
        (lambda file: file.write_bytes(b"PGDMP" + bytes(99)), ("--replace",), "not what was"),
        (Path.exists, (), "the database is not empty"),
    ],
)
async def test_on_postgres_what_is_no_backup_changes_nothing(
    postgres_url: str, dumped: Path, tmp_path: Path, spoil: Any, words: tuple[str, ...], said: str
) -> None:
    spoil(dumped)
    code, out = await typed("restore", str(dumped), *words, url=postgres_url, data=tmp_path / "d")
    assert (code, out.count("\n")) == (1, 1)
    assert said in out
    assert set(await references(postgres_url)) == {"before", "after"}


@pytest.mark.postgres
@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("database_url", ["postgres"])
async def test_on_postgres_a_load_that_fails_is_undone(
    postgres_url: str, dumped: Path, tmp_path: Path
) -> None:
    _cut(dumped)
    words = ("--replace", "--without-manifest")
    code, out = await typed("restore", str(dumped), *words, url=postgres_url, data=tmp_path / "d")
    assert (code, out.count("\n")) == (1, 1), out
    # One that can be read to its end, and is of a schema that nobody knows yet.
    async with Store(postgres_url) as store:
        await store.write(Do(lambda c: c.exec_driver_sql(_NEWER)))
    newer = tmp_path / "newer.dump"
    tool = await asyncio.create_subprocess_exec(
        "pg_dump", "-Fc", "-f", str(newer), env={**os.environ, **dumping.environment(postgres_url)}
    )
    assert await tool.wait() == 0
    async with Store(postgres_url) as store:
        await store.write(Do(lambda c: c.exec_driver_sql(_NOW)))
    code, out = await typed("restore", str(newer), *words, url=postgres_url, data=tmp_path / "d")
    assert (code, out.count("\n")) == (3, 1), out
    assert set(await references(postgres_url)) == {"before", "after"}
    assert await schema.current(postgres_url) == schema.head()


_NEWER = "UPDATE alembic_version SET version_num = '9999'"
_NOW = f"UPDATE alembic_version SET version_num = '{schema.head()}'"


@pytest.mark.postgres
@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("database_url", ["postgres"])
async def test_on_postgres_nobody_else_may_be_connected(
    postgres_url: str, dumped: Path, tmp_path: Path
) -> None:
    async with Store(postgres_url) as store:
        await store.probe()
        code, out = await typed(
            "restore", str(dumped), "--replace", url=postgres_url, data=tmp_path / "d"
        )
    assert code == 1
    assert "stop smsgate serve and smsgate work" in out
    assert set(await references(postgres_url)) == {"before", "after"}


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("tool", "said"),
    [
        (None, "pg_dump is not on PATH: install PostgreSQL's client programs of version"),
        ("echo 'pg_dump (PostgreSQL) 9.6.1'", "pg_dump is older than the server"),
    ],
)
async def test_without_the_tools_it_says_what_to_install(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str | None, said: str
) -> None:
    if tool is not None:
        (tmp_path / "pg_dump").write_text(f"#!/bin/sh\n{tool}\n")
        (tmp_path / "pg_dump").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path) + (":/bin" if tool else ""))
    target = tmp_path / "b.dump"
    code, out = await typed("backup", "--to", str(target), url=postgres_url, data=tmp_path)
    assert (code, out.count("\n")) == (1, 1), out
    assert said in out
    assert not target.exists()


def test_a_password_is_not_on_the_command_line() -> None:
    url = "postgresql+asyncpg://me:hush@db:5433/sms?ssl=require"
    assert dumping.environment(url) == {
        "PGHOST": "db",
        "PGPORT": "5433",
        "PGUSER": "me",
        "PGPASSWORD": "hush",
        "PGDATABASE": "sms",
        "PGSSLMODE": "require",
        "PGAPPNAME": "smsgate",
    }
