"""Counting what is stored. Each statement goes along an index or stops at a bound.

Statements are made once; `tests/store/test_figures.py` asks both engines how they run them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    Text,
    bindparam,
    case,
    func,
    literal_column,
    select,
    text,
)

from smsgate.clock import to_ms
from smsgate.message import State
from smsgate.store.tables import ENDED, inbound, orphan_reports, outbound, quarantine
from smsgate.store.transact import Connection
from smsgate.store.types import UtcTime

COUNTED_AT_MOST: Final = 10_000
# Written as in the indexes, so that either engine sees that the index holds what is asked for.
_SETTLED: Final = text(ENDED)
_PENDING: Final = outbound.c.state == literal_column("'pending'")
_HELD: Final = outbound.c.state == literal_column("'forwarded-to-gateway'")
_SCHEDULED: Final = outbound.c.state == literal_column("'scheduled'")
_PINNED: Final = text("state = 'pending' AND gateway IS NOT NULL")
_CONFLICT: Final = text("id_conflict")

_NOW: Final = bindparam("now", type_=UtcTime())
_SINCE: Final = bindparam("since", type_=UtcTime())
_LOW: Final = bindparam("low", type_=Text())
_HIGH: Final = bindparam("high", type_=Text())

_FINISHED: Final = (State.SENT, State.DELIVERED, State.FAILED, State.DENIED, State.UNKNOWN)
_WITHHELD: Final = (State.DENIED, State.DUPLICATE, State.CLEARED, State.MUTED)
_MOVED: Final = tuple(
    state
    for state in State
    if state not in (*_WITHHELD, State.SCHEDULED, State.PENDING, State.FORWARDED_TO_GATEWAY)
)


def _among(states: Sequence[State]) -> ColumnElement[bool]:
    return outbound.c.state.in_([literal_column(f"'{state.value}'") for state in states])


def _due(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


_RIPE: Final = outbound.c.due_at <= _NOW

SETTLED: Final = select(outbound.c.state, func.count()).where(_SETTLED).group_by(outbound.c.state)
PENDING: Final = select(
    func.count(), _due(_RIPE), func.min(case((_RIPE, outbound.c.due_at)))
).where(_PENDING)
SCHEDULED: Final = select(func.count()).select_from(outbound).where(_SCHEDULED)
HELD: Final = (
    select(outbound.c.lease_owner, func.count()).where(_HELD).group_by(outbound.c.lease_owner)
)
PINNED: Final = (
    select(outbound.c.gateway, func.count(), func.min(outbound.c.due_at))
    .where(_PINNED, _RIPE)
    .group_by(outbound.c.gateway)
)
# What came to an end of late, by phone.
FINISHED: Final = (
    select(outbound.c.state, outbound.c.lease_owner, func.count())
    .where(_SETTLED, _among(_FINISHED), outbound.c.changed_at > _SINCE)
    .group_by(outbound.c.state, outbound.c.lease_owner)
)
_ITEMS: Final = (
    select(quarantine.c.received_at)
    .where(quarantine.c.status == literal_column("'waiting'"))
    .order_by(quarantine.c.id)
    .limit(literal_column(str(COUNTED_AT_MOST)))
    .subquery("items")
)
QUARANTINE: Final = select(func.count(), func.min(_ITEMS.c.received_at)).select_from(_ITEMS)
ORPHANS: Final = select(func.count()).select_from(
    select(orphan_reports.c.seq).limit(COUNTED_AT_MOST).subquery("orphans")
)
CONFLICTS: Final = select(func.count(), func.max(inbound.c.received_at)).where(
    _CONFLICT,
    inbound.c.received_at > _SINCE,
    inbound.c.source.not_in(bindparam("expected", expanding=True)),
)
# Ids sort by age (`smsgate.ids`), so a span of time is a span of ids.
ARRIVED: Final = (
    select(func.count()).select_from(inbound).where(inbound.c.id >= _LOW, inbound.c.id < _HIGH)
)

# The CHT's last seven days: by the time a message is due. What was sent or tried changed after it
# was due, so the newest part of the index is enough; what was withheld may have been long before.
DUE_MOVED: Final = (
    select(outbound.c.state, func.count())
    .where(
        _SETTLED,
        _among(_MOVED),
        outbound.c.changed_at >= _SINCE,
        outbound.c.due_at.between(_SINCE, _NOW),
    )
    .group_by(outbound.c.state)
)
DUE_WITHHELD: Final = (
    select(outbound.c.state, func.count())
    .where(_SETTLED, _among(_WITHHELD), outbound.c.due_at.between(_SINCE, _NOW))
    .group_by(outbound.c.state)
)
DUE_PENDING: Final = (
    select(func.count())
    .select_from(outbound)
    .where(_PENDING, outbound.c.due_at.between(_SINCE, _NOW))
)
DUE_HELD: Final = (
    select(func.count()).select_from(outbound).where(_HELD, outbound.c.due_at.between(_SINCE, _NOW))
)
DUE_SCHEDULED: Final = (
    select(func.count())
    .select_from(outbound)
    .where(_SCHEDULED, outbound.c.due_at.between(_SINCE, _NOW))
)

# The newest of a state, by when it was reached. A pending message got there when it became due.
NEWEST_PENDING: Final = (
    select(outbound.c.due_at).where(_PENDING, _RIPE).order_by(outbound.c.due_at.desc()).limit(100)
)
NEWEST_HELD: Final = (
    select(outbound.c.changed_at)
    .where(_HELD, outbound.c.changed_at <= _NOW)
    .order_by(outbound.c.changed_at.desc())
    .limit(100)
)


def newest_settled(state: State) -> Select[Any]:
    """When the last hundred messages that are in `state` got there."""
    return (
        select(outbound.c.changed_at)
        .where(_SETTLED, _among([state]), outbound.c.changed_at <= _NOW)
        .order_by(outbound.c.changed_at.desc())
        .limit(100)
    )


_NEWEST: Final[Mapping[State, Select[Any]]] = {
    State.PENDING: NEWEST_PENDING,
    State.FORWARDED_TO_GATEWAY: NEWEST_HELD,
    **{state: newest_settled(state) for state in (*_MOVED, *_WITHHELD)},
}


async def by_state(connection: Connection) -> dict[State, int]:
    """How many messages are in each state; for `pending` there is a function of its own."""
    counts = {State(state): n for state, n in await _rows(connection, SETTLED)}
    counts[State.SCHEDULED] = (await connection.execute(SCHEDULED)).scalar_one()
    return counts


async def pending(connection: Connection, now: datetime) -> tuple[int, int, datetime | None]:
    """How many messages are pending, how many of them are due, and since when the oldest is."""
    total, due, oldest = (await _rows(connection, PENDING, {"now": now}))[0]
    return total, int(due), oldest


async def held(connection: Connection) -> dict[str, int]:
    """How many messages each account was offered and has not acknowledged."""
    return {account: n for account, n in await _rows(connection, HELD) if account is not None}


async def pinned(connection: Connection, now: datetime) -> dict[str, tuple[int, datetime]]:
    """How many due messages wait for one account alone, and since when the oldest does."""
    rows = await _rows(connection, PINNED, {"now": now})
    return {account: (n, oldest) for account, n, oldest in rows}


async def finished(connection: Connection, since: datetime) -> list[tuple[State, str | None, int]]:
    """How many messages came to an end after `since`: (state, account, how many)."""
    rows = await _rows(connection, FINISHED, {"since": since})
    return [(State(state), account, n) for state, account, n in rows]


async def quarantined(connection: Connection) -> tuple[int, datetime | None]:
    """How many items wait for a decision (at most `COUNTED_AT_MOST`), and since when the oldest."""
    count, oldest = (await _rows(connection, QUARANTINE))[0]
    return count, oldest


async def orphans(connection: Connection) -> int:
    """How many reports on unknown messages there are, at most `COUNTED_AT_MOST`."""
    count: int = (await connection.execute(ORPHANS)).scalar_one()
    return count


async def conflicts(
    connection: Connection, since: datetime, expected: Sequence[str] = ()
) -> tuple[int, datetime | None]:
    """How many ids came with a second text after `since`, and when the last one did.

    Args:
        connection: to read by.
        since: when to begin.
        expected: sources whose ids are known to repeat; theirs do not count.
    """
    values = {"since": since, "expected": ["", *expected]}
    count, last = (await _rows(connection, CONFLICTS, values))[0]
    return count, last


async def arrived(connection: Connection, since: datetime, until: datetime) -> int:
    """How many messages arrived in a span of time."""
    values = {"low": _first_id(since), "high": _first_id(until)}
    count: int = (await connection.execute(ARRIVED, values)).scalar_one()
    return count


def _first_id(moment: datetime) -> str:
    digits = f"{max(to_ms(moment), 0):012x}"
    return f"{digits[:8]}-{digits[8:]}-0"


async def due_between(connection: Connection, since: datetime, now: datetime) -> dict[State, int]:
    """How many messages that were due in a span of time are in each state."""
    span = {"since": since, "now": now}
    counts: dict[State, int] = {}
    for query in (DUE_MOVED, DUE_WITHHELD):
        counts |= {State(state): n for state, n in await _rows(connection, query, span)}
    for state, query in (
        (State.PENDING, DUE_PENDING),
        (State.FORWARDED_TO_GATEWAY, DUE_HELD),
        (State.SCHEDULED, DUE_SCHEDULED),
    ):
        counts[state] = (await connection.execute(query, span)).scalar_one()
    return counts


async def newest(
    connection: Connection, states: Sequence[State], now: datetime
) -> dict[State, int]:
    """Of the last hundred messages to get into one of `states`: how many are in which."""
    found: list[tuple[datetime, State]] = []
    for state in states:
        rows = await connection.execute(_NEWEST[state], {"now": now})
        found += [(moment, state) for moment in rows.scalars()]
    found.sort(key=lambda one: one[0], reverse=True)
    counts = dict.fromkeys(states, 0)
    for _, state in found[:100]:
        counts[state] += 1
    return counts


async def _rows(
    connection: Connection, query: Executable, values: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await connection.execute(query, values or {})]
