"""What a database error means for the one who asked: come back, cannot write, or your own fault."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from smsgate.errors import SmsgateError, StoreBusy, StoreUnavailable
from smsgate.store.transact import Connection

T = TypeVar("T")

# SQLite primary result codes (sqlite.org/rescode.html).
_BUSY = {5: "locked", 6: "locked"}
_REFUSING = {
    8: "read-only",
    10: "input/output error",
    11: "damaged",
    13: "disk full",
    14: "cannot be opened",
    26: "no SQLite database",
}
# PostgreSQL SQLSTATE classes and codes (documentation, appendix A).
_PG_TRY_AGAIN = {"40001", "40P01", "55P03", "57014"}
# Connections, resources, operators' orders, system errors; a server that is read-only (a standby
# after a fail-over); a database that takes no connections; one that is gone, or its account.
_PG_REFUSING = ("08", "53", "57", "58", "25006", "55000", "3D000", "28")


def as_refusal(error: BaseException) -> SmsgateError | None:
    """The error to give every caller if the database itself is the trouble, else None.

    None means that the statement or the values were at fault: redo the work item by item.
    """
    match error:
        case StoreBusy() | StoreUnavailable():
            return error
        case PoolTimeout():
            return StoreBusy("no database connection was free")
        case DBAPIError():
            return _of_driver(error)
        case DisconnectionError() | OSError():  # what cannot connect says so before any driver
            return StoreUnavailable("the database cannot be reached")
    return None


def _of_driver(error: DBAPIError) -> SmsgateError | None:
    code = _sqlite_code(error.orig)
    if code in _BUSY:
        return StoreBusy("the database is locked by another process", retry_after=30)
    if code in _REFUSING:
        return StoreUnavailable(f"the database refuses to write: {_REFUSING[code]}")
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if state in _PG_TRY_AGAIN:
        return StoreBusy("the database asked to try again", retry_after=1)
    if error.connection_invalidated or state.startswith(_PG_REFUSING):
        return StoreUnavailable("the database cannot be reached")
    return None


def _sqlite_code(original: BaseException | None) -> int | None:
    for error in (original, original.__cause__ if original else None):
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", None)
            return code & 0xFF if code is not None else None
    return None


async def attempted(connection: Connection, action: Callable[[], Awaitable[T]]) -> T | Exception:
    """Do one thing of many in a transaction; where it fails, the transaction goes on without it.

    Returns:
        What `action` gives, or why it was undone.

    Raises:
        Exception: the database itself is the trouble, so nothing else would go through either.
    """
    try:
        async with connection.begin_nested():
            return await action()
    except Exception as fault:
        if as_refusal(fault) is not None:
            raise
        return fault
