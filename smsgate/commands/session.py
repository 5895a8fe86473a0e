"""Opening the database for one command, beside a running server or alone."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from smsgate.errors import CommandError, NewerSchema
from smsgate.settings import Settings
from smsgate.store import schema
from smsgate.store.database import Store
from smsgate.store.engine import sqlite_path


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store of `settings`, which must be migrated already.

    Raises:
        CommandError: there is no database yet, or its schema is old.
        NewerSchema: it was written by a newer smsgate.
    """
    path = sqlite_path(settings.database_url)
    if path is not None and not path.exists():
        raise CommandError(
            f"there is no database in {path.parent}: run `smsgate serve` or `smsgate migrate` first"
        )
    found = await schema.current(settings.database_url)
    if found != schema.head():
        if found is not None and found not in schema.known():
            raise NewerSchema(schema.newer_text(found))
        raise CommandError("the database has an older schema: run `smsgate migrate` first")
    async with Store(settings.database_url) as store:
        yield store


def who_runs_it() -> str:
    """Who ran the command, for the audit trail."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return "cli"
