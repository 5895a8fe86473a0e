"""Looking into a running server's database, past its API."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from smsgate.store import tables
from smsgate.store.tables import inbound, outbound, quarantine, records
from tests.running import Running

COUNTED = {"inbound": inbound, "records": records, "quarantine": quarantine}


async def rows(server: Running, table: sa.Table) -> list[dict[str, Any]]:
    """Every row of `table`, in the order of its key."""
    key = list(table.primary_key.columns)
    async with server.services.store.read() as connection:
        found = await connection.execute(sa.select(table).order_by(*key))
        return [dict(row) for row in found.mappings()]


async def counts(server: Running) -> dict[str, int]:
    """How many rows each table that a phone fills has."""
    return {name: len(await rows(server, table)) for name, table in COUNTED.items()}


async def total(server: Running) -> int:
    """How many rows there are in all tables a request may write to, but for `audit`."""
    written = (inbound, records, quarantine, outbound, tables.outbound_history)
    return sum([len(await rows(server, table)) for table in written]) + len(
        await rows(server, tables.orphan_reports)
    )


async def execute(server: Running, *statements: str) -> None:
    """Run SQL as an outsider would, committed."""
    engine = create_async_engine(server.services.settings.database_url)
    try:
        async with engine.begin() as connection:
            for statement in statements:
                await connection.exec_driver_sql(statement)
    finally:
        await engine.dispose()
