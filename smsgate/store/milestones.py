"""When something that is done now and then was last done, and what came of it. One row each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from smsgate.store.dialect import upsert
from smsgate.store.tables import milestones, settings_versions
from smsgate.store.transact import Connection

BACKUP: Final = "backup"
PURGE: Final = "purge"
RESTORE: Final = "restore"
# SQLite's log was emptied, so that nothing blanked before is left in it.
TRUNCATED: Final = "truncated"


@dataclass(frozen=True, slots=True)
class Milestone:
    """When it was last done, and what came of it."""

    name: str
    at: datetime
    details: Mapping[str, Any] = field(default_factory=dict)


async def get(connection: Connection, name: str) -> Milestone | None:
    """The last time, or None."""
    found = await connection.execute(select(milestones).where(milestones.c.name == name))
    row = found.mappings().one_or_none()
    if row is None:
        return None
    return Milestone(name, row["at"], json.loads(row["details"] or "{}"))


async def put(
    connection: Connection, name: str, at: datetime, details: Mapping[str, Any] | None = None
) -> None:
    """Say that it was done at `at`."""
    values = {"at": at, "details": json.dumps(dict(details or {}))}
    await connection.execute(
        upsert(connection, milestones)
        .values(name=name, **values)
        .on_conflict_do_update(index_elements=[milestones.c.name], set_=values)
    )


async def installed_at(connection: Connection) -> datetime | None:
    """When the first settings were stored: the age of this installation."""
    first = select(settings_versions.c.updated_at).order_by(settings_versions.c.version).limit(1)
    moment: datetime | None = (await connection.execute(first)).scalar_one_or_none()
    return moment
