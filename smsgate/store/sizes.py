"""How large the database is, without counting through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnClause, Table, func, literal_column, select

from smsgate.store.tables import (
    audit,
    inbound,
    outbound,
    outbound_history,
    quarantine,
    records,
    users,
)
from smsgate.store.transact import Connection

TABLES: Final[tuple[Table, ...]] = (
    inbound,
    records,
    outbound,
    outbound_history,
    quarantine,
    users,
    audit,
)
_ROWID: Final[ColumnClause[int]] = literal_column("rowid")
# Up to here PostgreSQL counts; above it says what it last estimated.
_COUNTED_AT_MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes the database takes on disk, bytes of them in use, and rows by table.

    -1 stands for what cannot be had cheaply.
    """

    version: str
    on_disk: int
    in_use: int
    rows: Mapping[str, int]


async def read(connection: Connection) -> Sizes:
    """The sizes now."""
    if connection.dialect.name == "sqlite":
        return await _sqlite(connection)
    return await _postgresql(connection)


async def _sqlite(connection: Connection) -> Sizes:
    page = await _number(connection, "PRAGMA page_size")
    pages = await _number(connection, "PRAGMA page_count")
    free = await _number(connection, "PRAGMA freelist_count")
    version = (await connection.exec_driver_sql("SELECT sqlite_version()")).scalar_one()
    rows = {}
    for table in TABLES:
        # Rows are numbered as they come; only accounts are ever taken away.
        highest = func.max(table.c.seq if "seq" in table.c else _ROWID)
        number = func.count() if table is users else highest
        found = (await connection.execute(select(number).select_from(table))).scalar_one()
        rows[table.name] = found or 0
    # Of the audit retention takes away what is oldest.
    oldest = (await connection.execute(select(func.min(audit.c.seq)))).scalar_one()
    rows[audit.name] -= oldest - 1 if oldest else 0
    return Sizes(f"sqlite {version}", pages * page, (pages - free) * page, rows)


async def _postgresql(connection: Connection) -> Sizes:
    version = (await connection.exec_driver_sql("SHOW server_version")).scalar_one()
    size = await _number(connection, "SELECT pg_database_size(current_database())")
    rows = {}
    for table in TABLES:
        estimate = await _number(
            connection,
            f"SELECT reltuples::bigint FROM pg_class WHERE oid = '{table.name}'::regclass",  # noqa: S608 - the name is one of ours
        )
        if estimate < _COUNTED_AT_MOST:
            some = select(1).select_from(table).limit(_COUNTED_AT_MOST).subquery("some")
            counted = (
                await connection.execute(select(func.count()).select_from(some))
            ).scalar_one()
            estimate = max(counted, estimate) if counted == _COUNTED_AT_MOST else counted
        rows[table.name] = estimate
    return Sizes(f"postgresql {version.split()[0]}", size, size, rows)


async def _number(connection: Connection, statement: str) -> int:
    result: Any = (await connection.exec_driver_sql(statement)).scalar_one()
    return int(result)
