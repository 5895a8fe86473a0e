"""Status reports on messages that are not known: kept, in case the message appears."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete

from smsgate.store.dialect import upsert
from smsgate.store.tables import orphan_reports
from smsgate.store.transact import Connection


def orphan(
    *, source: str, reference: str, status: str, reason: str | None, gateway: str, at: datetime
) -> dict[str, Any]:
    """A row to `add`."""
    return {
        "source": source,
        "reference": reference,
        "reference_hash": hashlib.sha256(reference.encode()).digest(),
        "status": status,
        "reason": reason,
        "gateway": gateway,
        "received_at": at,
    }


async def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep reports; one that came before is counted."""
    for row in sorted(rows, key=lambda row: (row["reference_hash"], row["status"])):
        statement = upsert(connection, orphan_reports).values(row)
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=[
                    orphan_reports.c.source,
                    orphan_reports.c.reference_hash,
                    orphan_reports.c.status,
                ],
                set_={"seen_count": orphan_reports.c.seen_count + 1},
            )
        )


async def take(
    connection: Connection, source: str, references: Collection[str]
) -> list[dict[str, Any]]:
    """Take the reports on `references` out, the oldest first: their messages have appeared."""
    hashes = [hashlib.sha256(reference.encode()).digest() for reference in references]
    statement = (
        delete(orphan_reports)
        .where(orphan_reports.c.source == source, orphan_reports.c.reference_hash.in_(hashes))
        .returning(orphan_reports)
    )
    rows = (await connection.execute(statement)).mappings()
    return sorted((dict(row) for row in rows), key=lambda row: int(row["seq"]))
