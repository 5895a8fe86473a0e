"""Pausing a way out and letting it go on, as a person orders it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """The ways out there are, by name: those in use, and those of which anything is known.

    In use are the one by which messages go, and the way to each aggregator that is told things.
    """
    found = {row.name: row for row in rows}
    route = route_of(programme, registry)
    used = set() if route is None else {route.name}
    used |= told(programme, registry)
    for name in used:
        found.setdefault(name, RouteRow(name))
    return [Shown(found[name], in_use=name in used) for name in sorted(found)]


def told(programme: Programme, registry: AggregatorRegistry) -> set[str]:
    """The aggregators that are told things (`smsgate.telling`): those whose address is set."""
    own = programme.options().own
    listening = [one for one in registry.described(own).aggregators if one.listens]
    return {one.name for one in listening if _address(own.get(one.name.replace("-", "_")))}


def _address(stated: object) -> bool:
    return isinstance(stated, Mapping) and bool(stated.get("url"))
