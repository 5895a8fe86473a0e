"""Shared fixtures: real databases of both kinds, a real server, a clock that stands still."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import hypothesis
import pytest

from smsgate.settings import Settings
from smsgate.store import schema
from smsgate.store.database import Store
from tests import make
from tests.running import Running, quiet, running

PG_HOST = os.environ.get("SMSGATE_TEST_POSTGRES", "postgres@127.0.0.1:5432")
REQUIRED = frozenset(filter(None, os.environ.get("SMSGATE_REQUIRE", "").split(",")))
_numbers = itertools.count(1)

# What takes its time: `pytest --hypothesis-profile=full`.
hypothesis.settings.register_profile(
    "full", max_examples=500, stateful_step_count=50, deadline=None
)


def _pg_url(database: str) -> str:
    return f"postgresql+asyncpg://{PG_HOST}/{database}"


async def _admin(statement: str) -> None:
    connection = await asyncpg.connect(f"postgresql://{PG_HOST}/postgres", timeout=5)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "smsgate.db"
    asyncio.run(schema.migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[str]:
    """The name of a migrated, empty PostgreSQL database to copy."""
    name = f"smsgate_template_{os.getpid()}"
    try:
        asyncio.run(_admin(f"DROP DATABASE IF EXISTS {name}"))
        asyncio.run(_admin(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"))
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        reason = f"no PostgreSQL at {PG_HOST}: {type(error).__name__}"
        if "postgres" in REQUIRED:
            pytest.fail(reason)
        pytest.skip(reason)
    asyncio.run(schema.migrate(_pg_url(name)))
    yield name
    asyncio.run(_admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of its own for each test, once on either engine."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        path = tmp_path / "data" / "smsgate.db"
        path.parent.mkdir(mode=0o700)
        shutil.copy(template, path)
        yield f"sqlite+aiosqlite:///{path}"
        return
    name = f"smsgate_test_{os.getpid()}_{next(_numbers)}"
    template_name: str = request.getfixturevalue("postgres_template")
    asyncio.run(_admin(f"CREATE DATABASE {name} TEMPLATE {template_name}"))
    yield _pg_url(name)
    asyncio.run(_admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


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
