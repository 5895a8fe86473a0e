"""A consistent copy of a PostgreSQL database, by PostgreSQL's own `pg_dump` and `pg_restore`.

They must be on `PATH`, and no older than the server. The password goes to them in the environment,
where other users of the machine do not see it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgate.errors import CommandError
from smsgate.store.copying import Looked, Unsound
from smsgate.store.schema import migrating

# Where a restore puts the tables that were there, in the same database.
ASIDE: Final = "smsgate_before_"
_VERSION: Final = re.compile(r"\b([0-9]+)(?:\.[0-9]+)*\b")
_VARIABLES: Final = {"host": "PGHOST", "port": "PGPORT", "ssl": "PGSSLMODE", "sslmode": "PGSSLMODE"}


def environment(url: str) -> dict[str, str]:
    """The variables by which PostgreSQL's programs reach the database at `url`."""
    parsed = make_url(url)
    found = {
        "PGHOST": parsed.host,
        "PGPORT": str(parsed.port) if parsed.port else None,
        "PGUSER": parsed.username,
        "PGPASSWORD": str(parsed.password) if parsed.password else None,
        "PGDATABASE": parsed.database,
        "PGAPPNAME": "smsgate",
    }
    for name, value in parsed.query.items():
        variable = _VARIABLES.get(name)
        if variable and isinstance(value, str):
            found[variable] = value
    return {name: value for name, value in found.items() if value}


async def tool(name: str, url: str) -> str:
    """Where `pg_dump` or `pg_restore` is.

    Raises:
        CommandError: it is missing, or older than the server; the text says what to do.
    """
    path = shutil.which(name)
    server = await _server_version(url)
    wanted = f"install PostgreSQL's client programs of version {server} or newer"
    if path is None:
        raise CommandError(f"{name} is not on PATH: {wanted}")
    said = await _run([path, "--version"], {})
    found = _VERSION.search(said)
    if found is None or int(found[1]) < server:
        raise CommandError(f"{name} is older than the server, PostgreSQL {server}: {wanted}")
    return path


async def _server_version(url: str) -> int:
    async with migrating(url) as connection:
        number = (await connection.exec_driver_sql("SHOW server_version_num")).scalar_one()
        return int(number) // 10000


async def dump(url: str, target: Path) -> tuple[datetime, Looked | Unsound]:
    """Write the database as of one moment into `target`.

    Returns:
        The moment, and what is in it.

    Raises:
        CommandError: `pg_dump` is not there, or fails.
    """
    program = await tool("pg_dump", url)
    async with migrating(url) as connection:
        # One snapshot for the copy and for what we count.
        await connection.exec_driver_sql(
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
        )
        at = (await connection.exec_driver_sql("SELECT now()")).scalar_one()
        looked = await _look(connection)
        if isinstance(looked, Looked):
            snapshot = "SELECT pg_export_snapshot()"
            name = (await connection.exec_driver_sql(snapshot)).scalar_one()
            await _run(
                [
                    program,
                    "--format=custom",
                    "--no-owner",
                    "--no-privileges",
                    "--no-password",
                    f"--snapshot={name}",
                    f"--exclude-schema={ASIDE}*",
                    f"--file={target}",
                ],
                environment(url),
            )
        return at, looked


async def read_through(url: str, file: Path) -> str | None:
    """Read a dump to its end; None where that goes well, else what is wrong."""
    program = await tool("pg_restore", url)
    try:
        await _run([program, "--file=-", str(file)], {}, keep=False)
    except CommandError as error:
        return str(error)
    return None


async def look(url: str) -> Looked | Unsound:
    """What is in the database at `url`."""
    async with migrating(url) as connection:
        return await _look(connection)


async def _look(connection: AsyncConnection) -> Looked | Unsound:
    names = await _tables(connection)
    if "alembic_version" not in names:
        return Unsound("has no database of smsgate's")
    version = await connection.exec_driver_sql("SELECT version_num FROM alembic_version")
    schema = version.scalar_one_or_none()
    if schema is None:
        return Unsound("has no schema")
    rows = {}
    for name in names:
        counted = await connection.exec_driver_sql(f"SELECT count(*) FROM {_quoted(name)}")  # noqa: S608 - quoted
        rows[name] = int(counted.scalar_one())
    return Looked(schema, rows)


async def _tables(connection: AsyncConnection) -> list[str]:
    found = await connection.exec_driver_sql(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"
    )
    return list(found.scalars())


async def tables(url: str) -> list[str]:
    """The tables there are in the database."""
    async with migrating(url) as connection:
        return await _tables(connection)


async def others(url: str) -> int:
    """How many other programs are connected to the database."""
    async with migrating(url) as connection:
        found = await connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return int(found.scalar_one())


async def put_aside(url: str, at: datetime) -> str | None:
    """Move the tables there are into a schema of their own; its name, None where there are none."""
    schema = f"{ASIDE}{at:%Y%m%d_%H%M%S}"
    async with migrating(url) as connection:
        names = await _tables(connection)
        if not names:
            return None
        await connection.exec_driver_sql(f"CREATE SCHEMA {_quoted(schema)}")
        await _move(connection, names, "", schema)
        return schema


async def bring_back(url: str, schema: str | None) -> None:
    """Undo `put_aside`, and what came in its place; where nothing was put aside, leave nothing."""
    async with migrating(url) as connection:
        for name in await _tables(connection):
            await connection.exec_driver_sql(f"DROP TABLE {_quoted(name)} CASCADE")
        if schema is None:
            return
        found = await connection.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = :schema"),
            {"schema": schema},
        )
        here = (await connection.exec_driver_sql("SELECT current_schema()")).scalar_one()
        await _move(connection, list(found.scalars()), schema, here)
        await connection.exec_driver_sql(f"DROP SCHEMA {_quoted(schema)}")


async def _move(
    connection: AsyncConnection, names: Sequence[str], source: str, target: str
) -> None:
    prefix = f"{_quoted(source)}." if source else ""
    for name in names:
        await connection.exec_driver_sql(
            f"ALTER TABLE {prefix}{_quoted(name)} SET SCHEMA {_quoted(target)}"
        )


async def restore(url: str, file: Path) -> None:
    """Load a dump into an empty database, whole or not at all.

    Raises:
        CommandError: `pg_restore` is not there, or fails.
    """
    program = await tool("pg_restore", url)
    await _run(
        [
            program,
            "--single-transaction",
            "--exit-on-error",
            "--no-owner",
            "--no-privileges",
            "--no-password",
            f"--dbname={make_url(url).database}",
            str(file),
        ],
        environment(url),
    )


async def erased_since(url: str, schema: str, at: datetime) -> int:
    """How many numbers were erased after `at`, as the audit in `schema` has it."""
    async with migrating(url) as connection:
        found = await connection.execute(
            text(
                f"SELECT count(*) FROM {_quoted(schema)}.audit"  # noqa: S608 - quoted
                " WHERE action = 'erase' AND at > :at"
            ),
            {"at": at},
        )
        return int(found.scalar_one())


async def _run(command: Sequence[str], variables: Mapping[str, str], *, keep: bool = True) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **variables},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE if keep else asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        name = Path(command[0]).name
        said = (err.decode("utf-8", "replace").strip().splitlines() or ["no reason given"])[0]
        raise CommandError(f"{name} failed: {said.removeprefix(name + ': ')}")
    return (out or b"").decode("utf-8", "replace")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
