"""What people and rules ask of many messages at once, as SQL: found by filter, opened again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Integer, bindparam, func, literal_column, or_, select, update

from smsgate.message import State
from smsgate.store.many import run_many
from smsgate.store.tables import outbound
from smsgate.store.transact import Connection
from smsgate.store.types import UtcTime

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Outbound messages that fit every part that is given.

    `gateway` is the account that has a message, or that it is meant for.
    """

    states: Collection[str] = ()
    to: str | None = None
    gateway: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as conditions."""
        wanted: list[ColumnElement[bool]] = []
        if self.states:
            wanted.append(outbound.c.state.in_(sorted(self.states)))
        if self.to is not None:
            wanted.append(outbound.c.recipient == self.to)
        if self.gateway is not None:
            wanted.append(
                or_(outbound.c.lease_owner == self.gateway, outbound.c.gateway == self.gateway)
            )
        if self.since is not None:
            wanted.append(outbound.c.created_at >= self.since)
        if self.until is not None:
            wanted.append(outbound.c.created_at < self.until)
        return wanted


async def counts(connection: Connection, wanted: Filter) -> dict[str, int]:
    """How many messages of each state fit."""
    number = func.count().label("number")
    statement = (
        select(outbound.c.state, number).where(*wanted.conditions()).group_by(outbound.c.state)
    )
    return {row.state: row.number for row in await connection.execute(statement)}


async def rows(connection: Connection, wanted: Filter, *, limit: int) -> list[Row]:
    """Messages that fit, newest first."""
    statement = (
        select(outbound).where(*wanted.conditions()).order_by(outbound.c.id.desc()).limit(limit)
    )
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def ids(connection: Connection, wanted: Filter, *, after: str, limit: int) -> list[str]:
    """Ids of messages that fit, oldest first, beyond the id `after`."""
    statement = (
        select(outbound.c.id)
        .where(outbound.c.id > after, *wanted.conditions())
        .order_by(outbound.c.id)
        .limit(limit)
    )
    return list((await connection.execute(statement)).scalars())


_REOPEN = (
    update(outbound)
    .where(outbound.c.id == bindparam("b_id"))
    .values(
        state=State.PENDING.value,
        details=None,
        lease_owner=None,
        leased_until=None,
        retries=bindparam("b_retries"),
        due_at=bindparam("b_due"),
        expires_at=bindparam("b_expires"),
        changed_at=bindparam("b_at"),
    )
)


async def reopen(connection: Connection, attempts: Sequence[Row]) -> None:
    """Open new attempts: each has `b_id, b_retries, b_due, b_expires, b_at`."""
    await run_many(connection, _REOPEN, attempts)


# Spelled out, not bound: a generic plan can then use the partial index of that state.
FAILED = (
    select(outbound.c.id, outbound.c.details)
    .where(
        outbound.c.state == literal_column(f"'{State.FAILED.value}'"),
        outbound.c.expires_at > bindparam("now", type_=UtcTime()),
        outbound.c.changed_at <= bindparam("before", type_=UtcTime()),
        outbound.c.retries < bindparam("times", type_=Integer()),
    )
    .order_by(outbound.c.expires_at)
)


async def failed(
    connection: Connection, *, now: datetime, before: datetime, times: int
) -> list[Row]:
    """Failures since `before`, not expired, opened again fewer than `times` times."""
    found = await connection.execute(FAILED, {"now": now, "before": before, "times": times})
    return [dict(row) for row in found.mappings()]
