"""Messages on their way to an aggregator, as SQL: claimed, attempted, settled, let lapse.

A message that a worker holds stays `pending`; `lease_owner` says that somebody has it in hand. What
a route is given is what waits for no phone of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Text,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)

from smsgate.store import line
from smsgate.store.many import fetch, run_many
from smsgate.store.tables import outbound, outbound_attempts
from smsgate.store.transact import Connection
from smsgate.store.types import UtcTime

Row = dict[str, Any]

# Spelled out, not bound: a generic plan can then use the partial index of that state.
_UNKNOWN = outbound.c.state == literal_column("'unknown'")
_FOR_ANYBODY = outbound.c.gateway.is_(None)
_ROUTE = bindparam("route", type_=Text())

_CLAIMED = (
    outbound.c.id,
    outbound.c.recipient,
    outbound.c.text,
    outbound.c.inbound_id,
    outbound.c.kind,
    outbound.c.rank,
    outbound.c.attempts,
    outbound.c.retries,
    outbound.c.segments,
    outbound.c.due_at,
    outbound.c.expires_at,
)

# What nobody has in hand and no phone is meant for; the same by what would expire first.
WAITING = line.waiting(_CLAIMED, _FOR_ANYBODY)
AGED = line.aged(_CLAIMED, _FOR_ANYBODY)

# Held by a worker that never said how it ended.
LAPSED = (
    select(outbound.c.id)
    .where(line.PENDING, outbound.c.lease_owner.is_not(None), outbound.c.leased_until <= line.NOW)
    .order_by(outbound.c.leased_until, outbound.c.id)
    .limit(line.LIMIT)
)

# Of unknown outcome since before `before`, and still worth sending.
UNKNOWN = (
    select(outbound.c.id)
    .where(
        _UNKNOWN,
        outbound.c.changed_at <= bindparam("before", type_=UtcTime()),
        outbound.c.changed_at > bindparam("after", type_=UtcTime()),
        outbound.c.route == _ROUTE,
        outbound.c.expires_at > line.NOW,
    )
    .order_by(outbound.c.changed_at, outbound.c.id)
    .limit(line.LIMIT)
)

# When time alone will next bring something: a message falls due, a lease ends, patience does.
NEXT_DUE = select(func.min(outbound.c.due_at)).where(
    line.PENDING, line.FREE, _FOR_ANYBODY, outbound.c.due_at > line.NOW
)
NEXT_LAPSE = (
    select(outbound.c.leased_until)
    .where(line.PENDING, outbound.c.lease_owner.is_not(None))
    .order_by(outbound.c.leased_until)
    .limit(literal_column("1"))
)
NEXT_UNKNOWN = (
    select(outbound.c.changed_at)
    .where(
        _UNKNOWN,
        outbound.c.changed_at > bindparam("after", type_=UtcTime()),
        outbound.c.route == _ROUTE,
        outbound.c.expires_at > line.NOW,
    )
    .order_by(outbound.c.changed_at)
    .limit(literal_column("1"))
)

_WAITING_CLAIM = WAITING.with_for_update(skip_locked=True)
_AGED_CLAIM = AGED.with_for_update(skip_locked=True)


async def waiting(connection: Connection, now: datetime, limit: int) -> list[Row]:
    """Claim rows of `WAITING`: on PostgreSQL those no other process holds."""
    return await fetch(connection, _WAITING_CLAIM, {"now": now, "limit": limit})


async def aged(connection: Connection, now: datetime, since: datetime, limit: int) -> list[Row]:
    """Claim rows of `AGED`, likewise."""
    return await fetch(connection, _AGED_CLAIM, {"now": now, "aged": since, "limit": limit})


async def any_waiting(connection: Connection, now: datetime) -> bool:
    """Whether `waiting` would find anything; reads only."""
    return bool(await fetch(connection, WAITING, {"now": now, "limit": 1}))


async def lapsed(connection: Connection, now: datetime, limit: int) -> list[str]:
    """The ids of `LAPSED`."""
    return [row["id"] for row in await fetch(connection, LAPSED, {"now": now, "limit": limit})]


async def unknown(
    connection: Connection,
    route: str,
    *,
    now: datetime,
    before: datetime,
    after: datetime,
    limit: int,
) -> list[str]:
    """The ids of `UNKNOWN`."""
    values = {"route": route, "now": now, "before": before, "after": after, "limit": limit}
    return [row["id"] for row in await fetch(connection, UNKNOWN, values)]


async def next_due(connection: Connection, now: datetime) -> datetime | None:
    """The time of `NEXT_DUE`."""
    return (await connection.execute(NEXT_DUE, {"now": now})).scalar_one_or_none()


async def next_lapse(connection: Connection) -> datetime | None:
    """The time of `NEXT_LAPSE`."""
    return (await connection.execute(NEXT_LAPSE)).scalar_one_or_none()


async def next_unknown(
    connection: Connection, route: str, *, now: datetime, after: datetime
) -> datetime | None:
    """The time of `NEXT_UNKNOWN`."""
    values = {"route": route, "now": now, "after": after}
    return (await connection.execute(NEXT_UNKNOWN, values)).scalar_one_or_none()


_IN_HAND = (
    select(outbound.c.id)
    .where(line.PENDING, outbound.c.lease_owner.is_not(None))
    .order_by(outbound.c.leased_until, outbound.c.id)
)


async def in_hand(connection: Connection, limit: int) -> list[str]:
    """Messages in anybody's hands, those held longest first."""
    return list((await connection.execute(_IN_HAND.limit(limit))).scalars())


_TAKE = (
    update(outbound)
    .where(outbound.c.id == bindparam("b_id"))
    .values(
        lease_owner=bindparam("b_owner"),
        leased_until=bindparam("b_until"),
        attempts=bindparam("b_attempts"),
        route=bindparam("b_route"),
    )
)
_BEGIN = insert(outbound_attempts)


async def take(connection: Connection, rows: Sequence[Row]) -> None:
    """Give messages into a worker's hands: each has a value for every parameter of `_TAKE`."""
    await run_many(connection, _TAKE, rows)


async def begin(connection: Connection, rows: Sequence[Row]) -> None:
    """Write down that attempts begin: `message_id, number, route, worker, started_at` of each."""
    await run_many(connection, _BEGIN, rows)


LOCK = (
    select(
        outbound.c.id,
        outbound.c.state,
        outbound.c.details,
        outbound.c.attempts,
        outbound.c.retries,
        outbound.c.taken_over,
        outbound.c.route,
        outbound.c.gateway_ref,
        outbound.c.lease_owner,
        outbound.c.leased_until,
        outbound.c.due_at,
        outbound.c.expires_at,
        outbound.c.changed_at,
    )
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(outbound.c.id)
    .with_for_update()
)


async def lock(connection: Connection, ids: Collection[str]) -> dict[str, Row]:
    """What settling needs of messages, held against other processes, by id."""
    found = await fetch(connection, LOCK, {"ids": sorted(ids)})
    return {row["id"]: row for row in found}


_SETTLE = (
    update(outbound)
    .where(outbound.c.id == bindparam("b_id"))
    .values(
        state=bindparam("b_state"),
        details=bindparam("b_details"),
        gateway_ref=bindparam("b_reference"),
        due_at=bindparam("b_due"),
        changed_at=bindparam("b_changed"),
        lease_owner=bindparam("b_owner"),
        leased_until=bindparam("b_until"),
        taken_over=bindparam("b_taken_over"),
    )
)


async def settle(connection: Connection, rows: Sequence[Row]) -> None:
    """Write down locked rows, changed: each has a value for every parameter of `_SETTLE`."""
    await run_many(connection, _SETTLE, rows)


_END = (
    update(outbound_attempts)
    .where(
        outbound_attempts.c.message_id == bindparam("b_id"),
        outbound_attempts.c.number == bindparam("b_number"),
    )
    .values(
        ended_at=bindparam("b_at"),
        outcome=bindparam("b_outcome"),
        status=bindparam("b_status"),
        gateway_ref=bindparam("b_reference"),
        cost=bindparam("b_cost"),
        parts=bindparam("b_parts"),
    )
)


async def finish(connection: Connection, rows: Sequence[Row]) -> None:
    """Write down how attempts ended: each has a value for every parameter of `_END`."""
    await run_many(connection, _END, rows)


async def refusals(connection: Connection, ids: Collection[str]) -> dict[str, int]:
    """How often each message was refused for now, or could not be handed over."""
    if not ids:
        return {}
    found = await connection.execute(
        select(outbound_attempts.c.message_id, func.count().label("number"))
        .where(
            outbound_attempts.c.message_id.in_(sorted(ids)),
            outbound_attempts.c.outcome == "retry",
        )
        .group_by(outbound_attempts.c.message_id)
    )
    return {row.message_id: row.number for row in found}


async def ended(
    connection: Connection, attempts: Collection[tuple[str, int]]
) -> dict[tuple[str, int], str | None]:
    """The outcomes of some attempts, None for those that are under way."""
    if not attempts:
        return {}
    table = outbound_attempts
    found = await connection.execute(
        select(table.c.message_id, table.c.number, table.c.outcome).where(
            tuple_(table.c.message_id, table.c.number).in_(sorted(attempts))
        )
    )
    return {(row.message_id, row.number): row.outcome for row in found}


async def held(connection: Connection, worker: str) -> list[str]:
    """The messages in a worker's hands."""
    found = await connection.execute(
        select(outbound.c.id).where(line.PENDING, outbound.c.lease_owner == worker)
    )
    return list(found.scalars())


async def attempts_of(connection: Connection, ids: Collection[str]) -> dict[str, list[Row]]:
    """Every attempt to hand each message to an aggregator, oldest first."""
    stories: dict[str, list[Row]] = {id_: [] for id_ in ids}
    if stories:
        table = outbound_attempts
        found = await connection.execute(
            select(table).where(table.c.message_id.in_(list(stories))).order_by(table.c.seq)
        )
        for row in found.mappings():
            stories[row["message_id"]].append(dict(row))
    return stories
