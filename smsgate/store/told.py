"""Outbound messages as people look at them, as SQL: one, a page, and what became of each."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import CursorResult, select

from smsgate.store.tables import outbound, outbound_history
from smsgate.store.transact import Connection

Row = dict[str, Any]


async def get(connection: Connection, message_id: str) -> Row | None:
    """One outbound message as a row, or None."""
    rows = _rows(await connection.execute(select(outbound).where(outbound.c.id == message_id)))
    return rows[0] if rows else None


async def history(connection: Connection, ids: Collection[str]) -> dict[str, list[Row]]:
    """The story of each message, oldest first; every id has an entry."""
    stories: dict[str, list[Row]] = {id_: [] for id_ in ids}
    if stories:
        statement = (
            select(outbound_history)
            .where(outbound_history.c.message_id.in_(list(stories)))
            .order_by(outbound_history.c.seq)
        )
        for row in _rows(await connection.execute(statement)):
            stories[row["message_id"]].append(row)
    return stories


async def of_record(connection: Connection, record_id: str) -> list[Row]:
    """The messages a record caused, oldest first."""
    statement = select(outbound).where(outbound.c.record_id == record_id).order_by(outbound.c.id)
    return _rows(await connection.execute(statement))


async def page(
    connection: Connection,
    *,
    state: str | None,
    to: str | None,
    since: datetime | None,
    before: str | None,
    limit: int,
) -> list[Row]:
    """Outbound messages, newest first, that fit every filter given."""
    statement = select(outbound).order_by(outbound.c.id.desc()).limit(limit)
    if state is not None:
        statement = statement.where(outbound.c.state == state)
    if to is not None:
        statement = statement.where(outbound.c.recipient == to)
    if since is not None:
        statement = statement.where(outbound.c.created_at >= since)
    if before is not None:
        statement = statement.where(outbound.c.id < before)
    return _rows(await connection.execute(statement))


def _rows(result: CursorResult[Any]) -> list[Row]:
    names = list(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result]
