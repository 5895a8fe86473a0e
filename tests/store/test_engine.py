"""What durability rests on is set, read back, and missed when it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from smsgate.errors import StartError, StoreUnavailable
from smsgate.store.database import Store
from smsgate.store.engine import check_promises, migrating_engine, reading_engine, sqlite_path
from smsgate.store.tables import users


async def test_sqlite_promises_are_read_back(sqlite_template: Path) -> None:
    store = Store(f"sqlite+aiosqlite:///{sqlite_template}")
    found = await store.open()
    await store.close()
    assert found["journal_mode"] == "wal"
    assert found["synchronous"] == 2
    assert found["foreign_keys"] == 1
    assert found["cache_size"] == -65536
    assert found["secure_delete"] == 1


async def test_a_database_without_write_ahead_log_is_refused(tmp_path: Path) -> None:
    # What a network file system does: it takes the pragma and keeps another mode.
    engine = migrating_engine(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")
    async with engine.connect() as connection:
        await connection.rollback()
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        await raw.execute("PRAGMA journal_mode=DELETE")
        with pytest.raises(StartError, match="journal_mode=wal"):
            await check_promises(connection)
    await engine.dispose()


@pytest.mark.postgres
async def test_postgres_that_does_not_flush_is_refused(postgres_url: str) -> None:
    engine = migrating_engine(postgres_url)
    async with engine.connect() as connection:
        assert (await check_promises(connection))["synchronous_commit"] == "on"
        await connection.exec_driver_sql("SET synchronous_commit = off")
        with pytest.raises(StartError, match="acknowledged messages would be lost"):
            await check_promises(connection)
    await engine.dispose()


async def test_readers_cannot_write(database_url: str) -> None:
    engine = reading_engine(database_url)
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError, match=r"readonly|read-only"):
            await connection.execute(sa.delete(users))
    await engine.dispose()


async def test_errors_do_not_quote_what_was_bound(database_url: str) -> None:
    engine = migrating_engine(database_url)
    with pytest.raises(DBAPIError) as caught:
        async with engine.begin() as connection:
            await connection.execute(sa.insert(users).values(name="CANARY-7f3a"))
    assert "CANARY-7f3a" not in str(caught.value)
    await engine.dispose()


async def test_a_database_that_is_not_there() -> None:
    store = Store("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        await store.open()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite+aiosqlite:////a/b.db", Path("/a/b.db")),
        ("postgresql+asyncpg://h/d", None),
    ],
)
def test_sqlite_path(url: str, path: Path | None) -> None:
    assert sqlite_path(url) == path
