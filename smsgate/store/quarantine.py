"""What could not be taken in: kept as it came, with the reason, until a person decides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from smsgate.ids import new_id
from smsgate.store.dialect import upsert
from smsgate.store.tables import quarantine
from smsgate.store.transact import Connection

Row = dict[str, Any]

WAITING = "waiting"
REPLAYED = "replayed"
DISCARDED = "discarded"


def item(*, source: str, gateway: str, reason: str, raw: bytes, at: datetime) -> Row:
    """A row to `add`."""
    return {
        "id": new_id(),
        "source": source,
        "gateway": gateway,
        "reason": reason,
        "raw": raw,
        "raw_hash": hashlib.sha256(raw).digest(),
        "received_at": at,
    }


async def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Keep items; one that came before is counted, not kept twice (a phone repeats itself)."""
    for row in sorted(rows, key=lambda row: (row["source"], row["raw_hash"])):
        statement = upsert(connection, quarantine).values(row)
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=[quarantine.c.source, quarantine.c.raw_hash],
                set_={"seen_count": quarantine.c.seen_count + 1},
            )
        )


async def get(connection: Connection, item_id: str, *, lock: bool = False) -> Row | None:
    """One item, or None; with `lock`, held against other processes."""
    statement = select(quarantine).where(quarantine.c.id == item_id)
    if lock:
        statement = statement.with_for_update()
    row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row else None


async def page(connection: Connection, *, status: str, before: str | None, limit: int) -> list[Row]:
    """Items in `status`, newest first, older than the id `before`."""
    statement = (
        select(quarantine)
        .where(quarantine.c.status == status)
        .order_by(quarantine.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(quarantine.c.id < before)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def resolve(
    connection: Connection,
    item_id: str,
    *,
    status: str,
    by: str,
    at: datetime,
    resolution: str | None,
    inbound_id: str | None,
) -> None:
    """Close an item, saying how and by whom."""
    await connection.execute(
        update(quarantine)
        .where(quarantine.c.id == item_id)
        .values(
            status=status,
            resolved_by=by,
            resolved_at=at,
            resolution=resolution,
            inbound_id=inbound_id,
        )
    )
