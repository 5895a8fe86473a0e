"""Pausing a way out and letting it go on, as a person orders it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.programme import Programme
from smsgate.routing import route_of
from smsgate.store import audit, revisions, routes
from smsgate.store.routes import RouteRow
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from smsgate.verdict import opened_again

LONGEST_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class Shown:
    """A way out as people see it; `in_use` says whether messages go by it."""

    row: RouteRow
    in_use: bool


@dataclass(frozen=True, slots=True)
class Gate(Job[RouteRow]):
    """Pause a route until a person resumes it, or (`paused` False) resume it."""

    name: str
    paused: bool
    by: str
    at: datetime
    reason: str | None = None

    async def run(self, connection: Connection) -> RouteRow:
        """See `Job.run`."""
        before = await routes.lock(connection, self.name)
        row = opened_again(before)
        if self.paused:
            row = replace(
                row,
                paused_at=before.paused_at or self.at,
                paused_by=self.by,
                reason=self.reason,
            )
        await routes.save(connection, row)
        await revisions.bump(connection, revisions.ORDERS)
        await audit.note(
            connection,
            at=self.at,
            actor=self.by,
            action="route.pause" if self.paused else "route.resume",
            target=self.name,
        )
        return row


def known(
    programme: Programme, registry: AggregatorRegistry, rows: Sequence[RouteRow]
) -> list[Shown]:
    """The ways out there are, by name: the one in use, and those of which anything is known."""
    found = {row.name: row for row in rows}
    route = route_of(programme, registry)
    if route is not None:
        found.setdefault(route.name, RouteRow(route.name))
    return [
        Shown(found[name], in_use=route is not None and name == route.name)
        for name in sorted(found)
    ]
