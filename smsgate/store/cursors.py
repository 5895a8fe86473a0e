"""Walks over many messages, as SQL: how far each has come, and whose turn it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Integer, Text, bindparam, select, text

from smsgate.store.dialect import upsert
from smsgate.store.many import fetch
from smsgate.store.tables import POLLED, cursors, outbound
from smsgate.store.transact import Connection
from smsgate.store.types import UtcTime

Row = dict[str, Any]

# Messages an aggregator took and has not said the last word about. The condition names the index.
UNFINISHED = (
    select(outbound.c.id, outbound.c.retries, outbound.c.gateway_ref)
    .where(
        text(POLLED),
        outbound.c.route == bindparam("route", type_=Text()),
        outbound.c.id > bindparam("place", type_=Text()),
        outbound.c.changed_at > bindparam("since", type_=UtcTime()),
    )
    .order_by(outbound.c.id)
    .limit(bindparam("limit", type_=Integer()))
)


async def unfinished(
    connection: Connection, route: str, *, place: str, since: datetime, limit: int
) -> list[Row]:
    """Rows of `UNFINISHED` beyond `place` that changed after `since`."""
    values = {"route": route, "place": place, "since": since, "limit": limit}
    return await fetch(connection, UNFINISHED, values)


async def place(connection: Connection, name: str, owner: str, now: datetime) -> str | None:
    """How far a walk has come; None where it is another's turn, or nobody's for a while."""
    query = select(cursors).where(cursors.c.name == name)
    row = (await connection.execute(query)).mappings().one_or_none()
    return "" if row is None else _mine(row, owner, now)


async def take(
    connection: Connection, name: str, owner: str, *, now: datetime, until: datetime
) -> str | None:
    """Take the turn until `until`; how far the walk has come, None as for `place`."""
    await connection.execute(
        upsert(connection, cursors).values(name=name, place="").on_conflict_do_nothing()
    )
    query = select(cursors).where(cursors.c.name == name).with_for_update()
    row = (await connection.execute(query)).mappings().one()
    found = _mine(row, owner, now)
    if found is not None:
        await connection.execute(
            cursors.update()
            .where(cursors.c.name == name)
            .values(owner=owner, leased_until=until, not_before=None)
        )
    return found


async def leave(
    connection: Connection, name: str, owner: str, *, at: str, not_before: datetime
) -> None:
    """Give the turn back: the walk has come to `at`, and goes on at `not_before`."""
    await connection.execute(
        cursors.update()
        .where(cursors.c.name == name, cursors.c.owner == owner)
        .values(owner=None, leased_until=None, place=at, not_before=not_before)
    )


def _mine(row: Any, owner: str, now: datetime) -> str | None:
    taken = row["owner"] not in (None, owner) and row["leased_until"] > now
    resting = row["not_before"] is not None and row["not_before"] > now
    return None if taken or resting else row["place"] or ""
