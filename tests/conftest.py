"""Shared fixtures: real databases of both kinds, a real server, a clock that stands still."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import greenlet  # type: ignore[import-untyped]  # its stubs are another package
import hypothesis
import pytest

from smsgate.settings import Settings
from smsgate.store import schema
from smsgate.store.database import Store
from tests import make
from tests.running import Running, quiet, running

PG_HOST = os.environ.get("SMSGATE_TEST_POSTGRES", "postgres@127.0.0.1:5432")
REQUIRED = frozenset(filter(None, os.environ.get("SMSGATE_REQUIRE", "").split(",")))

_threads: list[object] = []


def _keep_thread(*_: object) -> None:
    """Hold on to what greenlet has of this thread; twice, for it searches all memory for one."""
    _threads.extend([greenlet.getcurrent()] * 2)
    sys.setprofile(None)


if sys.version_info < (3, 12):
    # Or a run may hang. Coverage asks greenlet where each thread is, and wants to be told when that
    # goes away; it does so after the thread's end, within a pending call of the main thread. Python
    # 3.11 never gets past the first line it traces there if another thread ends meanwhile.
    threading.setprofile(_keep_thread)

# How long an example takes on the wall says nothing where other processes share the cores.
hypothesis.settings.register_profile(
    "usual",
    hypothesis.settings(),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("usual")
# What takes its time: `pytest --hypothesis-profile=full`.
hypothesis.settings.register_profile("full", max_examples=500, stateful_step_count=50)


def _pg_url(database: str) -> str:
    return f"postgresql+asyncpg://{PG_HOST}/{database}"


async def _admin(statement: str) -> None:
    async with _connected("postgres") as connection:
        await connection.execute(statement)


@asynccontextmanager
async def _connected(database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(f"postgresql://{PG_HOST}/{database}", timeout=30)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "smsgate.db"
    asyncio.run(schema.migrate(f"sqlite+aiosqlite:///{path}"))
    return path


# Everything of a database but its rows: one that differs is not handed on. Statistics are part of
# it, because they change how a query is carried out.
_SHAPE = """
    SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
        SELECT concat_ws(' ', relname, relkind, reloptions) AS line FROM pg_class
            WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', table_name, ordinal_position, column_name, data_type,
            character_maximum_length, is_nullable, column_default)
            FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT pg_get_functiondef(oid) FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace
        UNION ALL SELECT 'statistics' FROM pg_statistic
            WHERE starelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    ) AS everything
"""
# Files that rows were ever put into: most tests use a few tables, and emptying one costs as much as
# making it.
_USED = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        AND pg_relation_size(oid) > 0
"""
_OTHERS_OUT = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Databases:
    """Empty PostgreSQL databases, each a copy of one template, for one process of tests.

    To make and drop one waits on the disk for half a second: one is emptied and used again, as long
    as all that a test left in it is rows.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._template = f"smsgate_template_{os.getpid()}"
        self._shape = ""
        self._rows: dict[str, list[Any]] = {}
        self._free: list[str] = []

    async def open(self) -> None:
        """Make the template, or raise what the server, or its absence, says."""
        await _admin(f"DROP DATABASE IF EXISTS {self._template}")
        await _admin(f"CREATE DATABASE {self._template} ENCODING 'UTF8' TEMPLATE template0")
        await schema.migrate(_pg_url(self._template))
        async with _connected(self._template) as connection:
            self._shape = await connection.fetchval(_SHAPE)
            tables = await connection.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            )
            for (table,) in tables:
                self._rows[table] = await connection.fetch(f"SELECT * FROM {table}")

    async def take(self) -> str:
        """The name of a database that is as the template."""
        if self._free:
            return self._free.pop()
        name = f"smsgate_test_{os.getpid()}_{next(self._numbers)}"
        await _admin(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return name

    async def give_back(self, name: str) -> None:
        """Let go of a database, whoever is still connected to it."""
        async with _connected(name) as connection:
            await connection.execute(_OTHERS_OUT)
            fit = await connection.fetchval(_SHAPE) == self._shape
            if fit:
                async with connection.transaction():
                    await self._empty(connection)
        if fit:
            self._free.append(name)
        else:
            await self._drop(name)

    async def close(self) -> None:
        """Leave nothing behind."""
        for name in (*self._free, self._template):
            await self._drop(name)

    async def _empty(self, connection: Any) -> None:
        used = [table for (table,) in await connection.fetch(_USED)]
        await connection.execute(f"TRUNCATE {', '.join(used)} RESTART IDENTITY CASCADE")
        for table in used:
            if self._rows[table]:
                await connection.copy_records_to_table(table, records=self._rows[table])

    async def _drop(self, name: str) -> None:
        await _admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """PostgreSQL databases to be taken and given back."""
    made = Databases()
    try:
        asyncio.run(made.open())
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        reason = f"no PostgreSQL at {PG_HOST}: {type(error).__name__}"
        if "postgres" in REQUIRED:
            pytest.fail(reason)
        pytest.skip(reason)
    yield made
    asyncio.run(made.close())


@pytest.fixture
def postgres_url(databases: Databases) -> Iterator[str]:
    """A PostgreSQL database of its own for each test."""
    name = asyncio.run(databases.take())
    yield _pg_url(name)
    asyncio.run(databases.give_back(name))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of its own for each test, once on either engine."""
    if request.param == "postgres":
        url: str = request.getfixturevalue("postgres_url")
        return url
    template: Path = request.getfixturevalue("sqlite_template")
    path = tmp_path / "data" / "smsgate.db"
    path.parent.mkdir(mode=0o700)
    shutil.copy(template, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Process settings for a server on this test's database."""
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700, exist_ok=True)
    return Settings(data_dir=data_dir, database_url=database_url, port=0)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """An open store on this test's database."""
    async with Store(database_url) as opened:
        yield opened


@pytest.fixture
def clock() -> make.Clock:
    """A clock that moves only when told to."""
    return make.Clock()


@pytest.fixture
async def server(settings: Settings, clock: make.Clock) -> AsyncIterator[Running]:
    """A real HTTP server on this test's database, with its first accounts made."""
    async with running(settings, clock) as started:
        yield started


@pytest.fixture
async def embedded(
    sqlite_template: Path, tmp_path: Path, clock: make.Clock
) -> AsyncIterator[Running]:
    """A server on SQLite, for what no database has a part in."""
    path = tmp_path / "embedded" / "smsgate.db"
    path.parent.mkdir(mode=0o700)
    shutil.copy(sqlite_template, path)
    settings = Settings(data_dir=path.parent, database_url=f"sqlite+aiosqlite:///{path}", port=0)
    async with running(settings, clock) as started:
        yield started


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """Requests that fail on purpose log what failed; here that is noise."""
    quiet()
