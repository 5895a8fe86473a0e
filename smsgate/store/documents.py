"""The settings document, version by version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select

from smsgate.store import revisions
from smsgate.store.tables import settings_versions
from smsgate.store.transact import Connection

Row = dict[str, Any]

# Any number of our own; SQLite has one writer and needs none.
_TURN = 7263542


async def take_turn(connection: Connection) -> None:
    """Let one process at a time read the newest version and add the next, until its commit."""
    if connection.dialect.name == "postgresql":
        await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")


async def newest(connection: Connection) -> Row | None:
    """The version in force, or None before the first."""
    statement = select(settings_versions).order_by(settings_versions.c.version.desc()).limit(1)
    row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row else None


async def add(
    connection: Connection, *, version: int, document: str, by: str, at: datetime
) -> None:
    """Put a version in force; the number must be new, so that no change is lost to a race."""
    await connection.execute(
        insert(settings_versions).values(
            version=version, document=document, updated_at=at, updated_by=by
        )
    )
    await revisions.bump(connection, revisions.SETTINGS)


def parsed(row: Mapping[str, Any] | None) -> dict[str, Any]:
    """The document of a version; empty before the first."""
    document: dict[str, Any] = {} if row is None else json.loads(row["document"])
    return document
