"""Accounts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update

from smsgate.store import revisions
from smsgate.store.dialect import upsert
from smsgate.store.tables import users
from smsgate.store.transact import Connection

Row = dict[str, Any]


async def all_of_them(connection: Connection) -> list[Row]:
    """Every account, by name; `roles` is a list."""
    rows = (await connection.execute(select(users).order_by(users.c.name))).mappings()
    return [{**row, "roles": json.loads(row["roles"])} for row in rows]


async def add(
    connection: Connection,
    *,
    name: str,
    password_hash: str,
    roles: Sequence[str],
    at: datetime,
) -> bool:
    """Create an account; False if the name is taken."""
    statement = (
        upsert(connection, users)
        .values(
            name=name,
            password_hash=password_hash,
            roles=json.dumps(list(roles)),
            created_at=at,
            changed_at=at,
        )
        .on_conflict_do_nothing(index_elements=[users.c.name])
        .returning(users.c.name)
    )
    created = (await connection.execute(statement)).first() is not None
    if created:
        await revisions.bump(connection, revisions.USERS)
    return created


async def set_password(
    connection: Connection, *, name: str, password_hash: str, at: datetime
) -> bool:
    """Replace a password; False if there is no such account."""
    result = await connection.execute(
        update(users)
        .where(users.c.name == name)
        .values(password_hash=password_hash, changed_at=at, version=users.c.version + 1)
    )
    return await _changed(connection, result.rowcount)


async def remove(connection: Connection, name: str) -> bool:
    """Remove an account; False if there is none."""
    result = await connection.execute(delete(users).where(users.c.name == name))
    return await _changed(connection, result.rowcount)


async def _changed(connection: Connection, count: int) -> bool:
    if count:
        await revisions.bump(connection, revisions.USERS)
    return bool(count)
