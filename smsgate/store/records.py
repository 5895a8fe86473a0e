"""Records: one accepted filling of a form, or a text that was none, as a CHT document."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, select

from smsgate.store.tables import records
from smsgate.store.transact import Connection

Row = dict[str, Any]


async def add(connection: Connection, row: Row) -> None:
    """Insert one record."""
    await connection.execute(insert(records).values(row))


async def get(connection: Connection, record_id: str) -> Row | None:
    """One record as a row, or None."""
    row = (
        (await connection.execute(select(records).where(records.c.id == record_id)))
        .mappings()
        .first()
    )
    return dict(row) if row else None
