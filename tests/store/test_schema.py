"""Migrations: they make what the tables say, go down again, and refuse a newer database."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from smsgate.errors import NewerSchema
from smsgate.store import schema
from smsgate.store.engine import migrating_engine
from smsgate.store.tables import metadata


def _differences(connection: sa.Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_migrations_make_what_the_tables_say(database_url: str) -> None:
    engine = migrating_engine(database_url)
    async with engine.begin() as connection:
        assert await connection.run_sync(_differences) == []
    await engine.dispose()


async def test_down_and_up_again(database_url: str) -> None:
    engine = migrating_engine(database_url)
    async with engine.begin() as connection:
        await connection.run_sync(lambda c: command.downgrade(schema.config(c), "base"))
        tables = await connection.run_sync(lambda c: sa.inspect(c).get_table_names())
        assert [name for name in tables if name != "alembic_version"] == []
    await engine.dispose()
    assert await schema.migrate(database_url) == (None, schema.head())
    assert await schema.migrate(database_url) == (schema.head(), schema.head())


async def test_a_newer_database_is_refused_and_left_alone(database_url: str) -> None:
    engine = migrating_engine(database_url)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerSchema, match=r"9999.*knows up to"):
        await schema.migrate(database_url)
    assert await schema.current(database_url) == "9999"
    await engine.dispose()
