"""Sealed credentials as SQL. Nothing here can open one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from smsgate.cipher import Sealed
from smsgate.store import revisions
from smsgate.store.tables import credentials
from smsgate.store.transact import Connection

Row = dict[str, Any]

CURRENT = 0
FORMER = 1


async def take_turn(connection: Connection) -> None:
    """Wait for other processes that change credentials, and say that they change.

    First in a transaction: its lock is what makes the rest of it alone, and what a key file says
    while it is held stays true for all rows.
    """
    await revisions.bump(connection, revisions.CREDENTIALS)


async def all_of_them(connection: Connection) -> list[Row]:
    """Every row by name, the one in use first."""
    order = select(credentials).order_by(credentials.c.name, credentials.c.slot)
    return [dict(row) for row in (await connection.execute(order)).mappings()]


async def key_ids(connection: Connection) -> set[str]:
    """Which keys are needed to open them all."""
    rows = await connection.execute(select(credentials.c.key_id).distinct())
    return set(rows.scalars())


async def add(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Store whole rows whose places are free."""
    for row in rows:
        await connection.execute(insert(credentials).values(**row))


async def remove(connection: Connection, names: Iterable[str]) -> int:
    """Remove both slots of each name; how many rows that were."""
    result = await connection.execute(
        delete(credentials).where(credentials.c.name.in_(sorted(names)))
    )
    return result.rowcount


async def forget_former(connection: Connection, now: datetime) -> None:
    """Remove former credentials whose time is over."""
    await connection.execute(
        delete(credentials).where(credentials.c.slot == FORMER, credentials.c.valid_until <= now)
    )


async def reseal(connection: Connection, row: Row, sealed: Sealed) -> None:
    """Replace a row's seal."""
    await connection.execute(
        update(credentials)
        .where(credentials.c.name == row["name"], credentials.c.slot == row["slot"])
        .values(key_id=sealed.key_id, sealed=sealed.octets)
    )
