"""The one place where `INSERT … ON CONFLICT` is spelled for either engine."""

from __future__ import annotations

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite

from smsgate.store.transact import Connection


def upsert(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert into `table` that can say what to do on a conflict."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)
