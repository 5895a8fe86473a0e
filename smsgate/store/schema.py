"""Bringing the database's schema to this version, and refusing one that is ahead of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgate.errors import NewerSchema, StartError, StoreUnavailable
from smsgate.places import shipped
from smsgate.store.engine import migrating_engine
from smsgate.store.failures import as_refusal


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file of its own."""
    made = Config()
    made.set_main_option("script_location", str(shipped("migrations")))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def head() -> str:
    """The newest revision this smsgate knows."""
    newest = ScriptDirectory.from_config(config()).get_current_head()
    if newest is None:
        raise StartError("this installation has no migrations: install smsgate again")
    return newest


def known() -> frozenset[str]:
    """Every revision this smsgate knows."""
    scripts = ScriptDirectory.from_config(config()).walk_revisions()
    return frozenset(script.revision for script in scripts)


def newer_text(found: str) -> str:
    """What to tell an operator whose database is ahead of this smsgate."""
    return (
        f"the database has schema {found}, this smsgate knows up to {head()}: start the newer"
        " smsgate that wrote it, or restore the backup made before the upgrade"
    )


async def migrate(url: str) -> tuple[str | None, str]:
    """Upgrade the database at `url`, in one transaction.

    Returns:
        The revision before (None for an empty database) and after.

    Raises:
        NewerSchema: a newer smsgate wrote this database; nothing was changed.
        StoreUnavailable: the database cannot be reached.
    """
    async with migrating(url) as connection:
        return await connection.run_sync(_upgrade)


async def current(url: str) -> str | None:
    """The revision of the database at `url`, None where there is none.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    async with migrating(url) as connection:
        return await connection.run_sync(_revision)


@asynccontextmanager
async def migrating(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection of its own that may change the schema, in one transaction.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    engine = migrating_engine(url)
    try:
        async with engine.begin() as connection:
            yield connection
    except (DBAPIError, OSError) as error:
        refusal = as_refusal(error)
        if refusal is None and isinstance(error, DBAPIError):
            raise
        raise refusal or StoreUnavailable("the database cannot be reached") from error
    finally:
        await engine.dispose()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _upgrade(connection: Connection) -> tuple[str | None, str]:
    if connection.dialect.name == "postgresql":
        # Several processes may start at once: one migrates, the others wait and find it done.
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7263541)")
    before = _revision(connection)
    if before is not None and before not in known():
        raise NewerSchema(newer_text(before))
    command.upgrade(config(connection), "head")
    return before, head()
