"""Opening the database: one writer's engine, one readers' engine, and what must hold of both.

On SQLite the promise "a 2xx is on disk" rests on connection settings that fail silently when they
cannot be had, so each is set on connect and read back (reliability C3, C7).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

from smsgate.errors import StartError
from smsgate.store.transact import Connection, LoopTransactor, SqliteTransactor, Transactor

BUSY_TIMEOUT_MS = 5000
READERS = 4
WRITER_CACHE_KIB = 65536
READER_CACHE_KIB = 8192

_SYNCHRONOUS_FULL = 2


def transactor(url: str) -> Transactor:
    """What writes to the database at `url`.

    On SQLite it is one connection and each transaction is `BEGIN IMMEDIATE`: a deferred one that
    reads before it writes fails with `SQLITE_BUSY_SNAPSHOT` at once, whatever the timeout; an
    immediate one waits its turn.
    """
    path = sqlite_path(url)
    if path is None:
        return LoopTransactor(
            create_async_engine(
                url, hide_parameters=True, pool_size=2, max_overflow=2, pool_pre_ping=True
            )
        )
    engine = create_engine(
        make_url(url).set(drivername="sqlite"),
        hide_parameters=True,
        poolclass=QueuePool,
        connect_args={"check_same_thread": False},  # two threads take turns
        pool_size=1,
        max_overflow=0,
    )
    _prepare_sqlite(engine, begin="BEGIN IMMEDIATE", cache_kib=WRITER_CACHE_KIB, readonly=False)
    return SqliteTransactor(engine, busy_timeout_ms=BUSY_TIMEOUT_MS)


def reading_engine(url: str) -> AsyncEngine:
    """The engine that only reads; on SQLite its connections refuse writes (`query_only`)."""
    if sqlite_path(url) is None:
        engine = create_async_engine(
            url, hide_parameters=True, pool_size=READERS, max_overflow=READERS, pool_pre_ping=True
        )
        return engine.execution_options(postgresql_readonly=True)
    return _async_sqlite(url, begin="BEGIN", readonly=True)


def migrating_engine(url: str) -> AsyncEngine:
    """The engine that changes the schema, one transaction for all of it."""
    if sqlite_path(url) is None:
        return create_async_engine(url, hide_parameters=True, pool_size=1)
    return _async_sqlite(url, begin="BEGIN IMMEDIATE", readonly=False)


def _async_sqlite(url: str, *, begin: str, readonly: bool) -> AsyncEngine:
    engine = create_async_engine(
        url,
        hide_parameters=True,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=READERS if readonly else 1,
        max_overflow=0,
    )
    _prepare_sqlite(engine.sync_engine, begin=begin, cache_kib=READER_CACHE_KIB, readonly=readonly)
    return engine


def _prepare_sqlite(engine: Engine, *, begin: str, cache_kib: int, readonly: bool) -> None:
    pragmas = [
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        f"cache_size=-{cache_kib}",
        "temp_store=MEMORY",
        # Fewer, larger checkpoints: the pause a commit sees when the log is folded in.
        f"wal_autocheckpoint={0 if readonly else 4000}",
        "journal_size_limit=67108864",
        # A deleted text must not stay readable in a free page (reliability D24).
        "secure_delete=ON",
    ]
    if readonly:
        pragmas.append("query_only=ON")

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        # We begin transactions ourselves; the driver's own implicit BEGIN would be deferred.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(begin)


async def check_promises(connection: Connection) -> dict[str, object]:
    """Read back what durability rests on.

    Returns:
        The settings found, for the log and for `smsgate doctor`.

    Raises:
        StartError: one of them is not what it must be; the text says which.
    """
    if connection.dialect.name == "sqlite":
        return await _check_sqlite(connection)
    found: dict[str, object] = {}
    for name in ("synchronous_commit", "fsync", "server_encoding"):
        found[name] = (await connection.exec_driver_sql(f"SHOW {name}")).scalar_one()
    if found["synchronous_commit"] == "off" or found["fsync"] == "off":
        raise StartError(
            "PostgreSQL runs with synchronous_commit or fsync off: acknowledged messages would be"
            " lost in a crash. Turn both on for this database."
        )
    if found["server_encoding"] != "UTF8":
        raise StartError("the PostgreSQL database must have the encoding UTF8")
    return found


async def _check_sqlite(connection: Connection) -> dict[str, object]:
    wanted: dict[str, object] = {
        "journal_mode": "wal",
        "synchronous": _SYNCHRONOUS_FULL,
        "foreign_keys": 1,
        "busy_timeout": BUSY_TIMEOUT_MS,
        "secure_delete": 1,
    }
    found: dict[str, object] = {}
    for name, value in wanted.items():
        found[name] = (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
        if found[name] != value:
            raise StartError(
                f"SQLite does not keep {name}={value} here (it says {found[name]}): put the data"
                " directory on a local disk, not on a network file system"
            )
    for name in ("cache_size", "query_only", "wal_autocheckpoint"):
        found[name] = (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
    return found


def sqlite_path(url: str) -> Path | None:
    """The database file of an SQLite address, None for another engine."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    return Path(parsed.database)
