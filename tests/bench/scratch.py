"""Throw-away databases for measurements: made, migrated, and gone afterwards on either engine."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg

from smsgate.store import schema

PG_HOST = os.environ.get("SMSGATE_TEST_POSTGRES", "postgres@127.0.0.1:5432")
ENGINES = ("sqlite", "postgresql")


@contextmanager
def database(engine: str, name: str) -> Iterator[str]:
    """The address of an empty, migrated database; dropped when the block ends."""
    with _sqlite() if engine == "sqlite" else _postgres(f"smsgate_bench_{name}") as url:
        asyncio.run(schema.migrate(url))
        yield url


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="smsgate-bench-") as scratch:
        yield f"sqlite+aiosqlite:///{scratch}/smsgate.db"


@contextmanager
def _postgres(name: str) -> Iterator[str]:
    asyncio.run(_admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    asyncio.run(_admin(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"))
    try:
        yield f"postgresql+asyncpg://{PG_HOST}/{name}"
    finally:
        asyncio.run(_admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


async def _admin(statement: str) -> str:
    connection = await asyncpg.connect(f"postgresql://{PG_HOST}/postgres", timeout=5)
    try:
        value = await connection.fetchval(statement)
    finally:
        await connection.close()
    return str(value)


def need_room(engine: str, gib: float) -> None:
    """Refuse to begin what would fill the disk.

    Raises:
        RuntimeError: less than `gib` is free where the database would be. A PostgreSQL on another
            machine is not looked at.
    """
    place = Path(tempfile.gettempdir())
    if engine != "sqlite":
        place = Path(asyncio.run(_admin("SHOW data_directory")))
        while not os.access(place, os.R_OK) and place != place.parent:
            place = place.parent
    free = shutil.disk_usage(place).free / 2**30
    if free < gib:
        raise RuntimeError(
            f"{place} has {free:.1f} GiB free and this needs {gib:.0f} GiB: make room, set TMPDIR"
            " to another disk, or measure smaller with --waiting and --finished"
        )
