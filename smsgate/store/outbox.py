"""Outbound messages and their history, as SQL. What may happen to them is `smsgate.outbox`'s."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Select,
    Text,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from smsgate.ids import is_order
from smsgate.message import State
from smsgate.store import line, tellings
from smsgate.store.many import fetch, run_many
from smsgate.store.tables import outbound, outbound_history
from smsgate.store.transact import Connection

Row = dict[str, Any]

# Spelled out, not bound: a generic plan can then use the partial index of that state.
_HELD = outbound.c.state == literal_column(f"'{State.FORWARDED_TO_GATEWAY.value}'")
_SCHEDULED = outbound.c.state == literal_column(f"'{State.SCHEDULED.value}'")

_OFFERED = (
    outbound.c.id,
    outbound.c.recipient,
    outbound.c.text,
    outbound.c.inbound_id,
    outbound.c.gateway,
    outbound.c.lease_owner,
    outbound.c.leased_until,
    outbound.c.attempts,
    outbound.c.taken_over,
    outbound.c.retries,
    outbound.c.segments,
    outbound.c.due_at,
    outbound.c.kind,
    outbound.c.rank,
)


_INSERT = insert(outbound)
_APPEND = insert(outbound_history)


async def add_messages(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert outbound messages, each with its first history entry."""
    await insert_messages(connection, rows)
    await add_history(connection, [first_entry(row) for row in rows])


async def insert_messages(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert outbound messages alone; their history is the caller's."""
    await run_many(connection, _INSERT, rows)


def first_entry(row: Row) -> Row:
    """What the history of a message begins with."""
    return {
        "message_id": row["id"],
        "state": row["state"],
        "applied": True,
        "status": None,
        "details": row["details"],
        "gateway": None,
        "at": row["created_at"],
    }


async def add_history(connection: Connection, rows: Sequence[Row]) -> None:
    """Append to the story of messages; nothing in it is ever changed."""
    await run_many(connection, _APPEND, rows)
    ordered = [row for row in rows if is_order(row["message_id"]) and row["applied"]]
    if ordered:
        await tellings.became(connection, ordered)


_ACCOUNTS = bindparam("accounts", expanding=True, type_=Text())
_MAY_GO_TO_ACCOUNTS = or_(outbound.c.gateway.is_(None), outbound.c.gateway.in_(_ACCOUNTS))

# What was never offered and may go to one of the accounts; the same by what would expire first.
WAITING = line.waiting(_OFFERED, _MAY_GO_TO_ACCOUNTS)
AGED = line.aged(_OFFERED, _MAY_GO_TO_ACCOUNTS)


def would_wait(row: Row, accounts: Collection[str], now: datetime) -> bool:
    """Whether `WAITING` would find a message that is about to be inserted."""
    return (
        row["state"] == State.PENDING
        and row["due_at"] <= now < row["expires_at"]
        and (row["gateway"] is None or row["gateway"] in accounts)
    )


def place_in_line(row: Row) -> tuple[int, datetime, str]:
    """The order of `WAITING`."""
    return row["rank"], row["due_at"], row["id"]


# What another account was offered and kept silent about.
LAPSED = (
    select(*_OFFERED)
    .where(
        _HELD,
        outbound.c.leased_until <= line.NOW,
        outbound.c.expires_at > line.NOW,
        _MAY_GO_TO_ACCOUNTS,
    )
    .order_by(outbound.c.leased_until, outbound.c.id)
    .limit(line.LIMIT)
)

_PLACE = (
    func.row_number()
    .over(partition_by=outbound.c.lease_owner, order_by=(outbound.c.leased_until, outbound.c.id))
    .label("place")
)
_HELD_BY_ACCOUNTS = (_HELD, outbound.c.lease_owner.in_(_ACCOUNTS), outbound.c.expires_at > line.NOW)
_RANKED = select(*_OFFERED, _PLACE).where(*_HELD_BY_ACCOUNTS).subquery("ranked")
# What each of the accounts was offered and has not acknowledged. Unsorted: sorting them here would
# cost a pass that the few rows found do not.
HELD = select(_RANKED).where(_RANKED.c.place <= line.LIMIT)
FEW_HELD = select(*_OFFERED).where(*_HELD_BY_ACCOUNTS).limit(line.LIMIT)
_FEW = 200


async def waiting(
    connection: Connection, accounts: Collection[str], now: datetime, limit: int
) -> list[Row]:
    """Claim rows of `WAITING`: on PostgreSQL those no other process holds."""
    return await _offers(connection, _WAITING_CLAIM, accounts, now, limit)


async def aged(
    connection: Connection, accounts: Collection[str], now: datetime, since: datetime, limit: int
) -> list[Row]:
    """Claim rows of `AGED`, likewise."""
    values = {"accounts": sorted(accounts), "now": now, "aged": since, "limit": limit}
    return await fetch(connection, _AGED_CLAIM, values)


async def lapsed(
    connection: Connection, accounts: Collection[str], now: datetime, limit: int
) -> list[Row]:
    """Claim rows of `LAPSED`, likewise."""
    return await _offers(connection, _LAPSED_CLAIM, accounts, now, limit)


async def held(
    connection: Connection, accounts: Collection[str], now: datetime, limit: int
) -> list[Row]:
    """The rows of `HELD`, at most `limit` for each of `accounts`, longest held first."""
    # Mostly there are few. Only who holds many makes it necessary to count them out.
    rows = await _offers(connection, FEW_HELD, accounts, now, _FEW)
    if len(rows) == _FEW:
        rows = await _offers(connection, HELD, accounts, now, limit)
    rows.sort(key=lambda row: (row["lease_owner"], row["leased_until"], row["id"]))
    if len(rows) <= limit:
        return rows
    held: dict[str, list[Row]] = {}
    for row in rows:
        held.setdefault(row["lease_owner"], []).append(row)
    return [row for mine in held.values() for row in mine[:limit]]


async def any_to_hand_over(connection: Connection, account: str, now: datetime) -> bool:
    """Whether `WAITING` or `LAPSED` has anything for `account`; reads only."""
    for query in (WAITING, LAPSED):
        if await _offers(connection, query, [account], now, 1):
            return True
    return False


_NEXT_DUE = select(func.min(outbound.c.due_at)).where(
    line.PENDING, line.FREE, outbound.c.due_at > line.NOW
)
_NEXT_LAPSE = select(func.min(outbound.c.leased_until)).where(
    _HELD, outbound.c.leased_until > line.NOW
)


async def next_change(connection: Connection, now: datetime) -> datetime | None:
    """When the passing of time alone will next give somebody something: a due time, a lapse."""
    found = [
        (await connection.execute(query, {"now": now})).scalar_one()
        for query in (_NEXT_DUE, _NEXT_LAPSE)
    ]
    return min((moment for moment in found if moment is not None), default=None)


_WAITING_CLAIM = WAITING.with_for_update(skip_locked=True)
_AGED_CLAIM = AGED.with_for_update(skip_locked=True)
_LAPSED_CLAIM = LAPSED.with_for_update(skip_locked=True)


async def _offers(
    connection: Connection,
    query: Select[Any],
    accounts: Collection[str],
    now: datetime,
    limit: int,
) -> list[Row]:
    values = {"accounts": sorted(accounts), "now": now, "limit": limit}
    return await fetch(connection, query, values)


_LEASE = (
    update(outbound)
    .where(outbound.c.id == bindparam("b_id"))
    .values(
        state=State.FORWARDED_TO_GATEWAY.value,
        lease_owner=bindparam("b_owner"),
        leased_until=bindparam("b_until"),
        attempts=bindparam("b_attempts"),
        taken_over=bindparam("b_taken_over"),
        changed_at=bindparam("b_at"),
    )
)


async def lease(connection: Connection, rows: Sequence[Row]) -> None:
    """Hand messages over: each row has a value for every parameter of `_LEASE`."""
    await run_many(connection, _LEASE, rows)


async def extend(connection: Connection, ids: Sequence[str], until: datetime) -> None:
    """Let the accounts that hold `ids` keep them until `until`."""
    if ids:
        await connection.execute(
            update(outbound).where(outbound.c.id.in_(ids)).values(leased_until=until)
        )


_LOCK = (
    select(
        outbound.c.id,
        outbound.c.state,
        outbound.c.details,
        outbound.c.lease_owner,
        outbound.c.expires_at,
        outbound.c.expires_fixed,
        outbound.c.due_at,
        outbound.c.retries,
        outbound.c.recipient,
        outbound.c.rank,
        outbound.c.inbound_id,
        outbound.c.kind,
    )
    .where(outbound.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(outbound.c.id)
    .with_for_update()
)


async def lock(connection: Connection, ids: Collection[str]) -> dict[str, Row]:
    """State, details and account of messages, held against other processes, by id."""
    found = await fetch(connection, _LOCK, {"ids": sorted(ids)})
    return {row["id"]: row for row in found}


_FALL_DUE = (
    update(outbound)
    .where(outbound.c.id == bindparam("b_id"))
    .values(
        state=State.PENDING.value,
        details=None,
        expires_at=bindparam("b_expires"),
        changed_at=bindparam("b_at"),
    )
)


async def fall_due(connection: Connection, rows: Sequence[Row]) -> None:
    """Make messages pending: each row has `b_id, b_expires, b_at`."""
    await run_many(connection, _FALL_DUE, rows)


_PUT_OFF = (
    update(outbound).where(outbound.c.id == bindparam("b_id")).values(due_at=bindparam("b_due"))
)


async def put_off(connection: Connection, rows: Sequence[Row]) -> None:
    """Give messages another due time: each row has `b_id, b_due`."""
    await run_many(connection, _PUT_OFF, rows)


_MOVE = (
    update(outbound)
    .where(outbound.c.id == bindparam("b_id"))
    .values(
        state=bindparam("b_state"), details=bindparam("b_details"), changed_at=bindparam("b_at")
    )
)


async def move(connection: Connection, rows: Sequence[Row]) -> None:
    """Set states: each row has `b_id, b_state, b_details, b_at`."""
    await run_many(connection, _MOVE, rows)


def due_query(now: datetime, limit: int) -> Select[Any]:
    """Scheduled messages whose time has come, oldest first."""
    return (
        select(outbound.c.id)
        .where(_SCHEDULED, outbound.c.due_at <= now)
        .order_by(outbound.c.due_at)
        .limit(limit)
    )


def expired_query(now: datetime, limit: int) -> Select[Any]:
    """Messages that nobody acknowledged and that must no longer be sent.

    Those on their way to an aggregator are left alone: how that ended will be known in a moment.
    """
    return (
        select(outbound.c.id)
        .where(line.UNACKNOWLEDGED, outbound.c.expires_at <= now, or_(_HELD, line.FREE))
        .order_by(outbound.c.expires_at)
        .limit(limit)
    )


async def due_ids(connection: Connection, now: datetime, limit: int) -> list[str]:
    """The ids of `due_query`."""
    return list((await connection.execute(due_query(now, limit))).scalars())


async def expired_ids(connection: Connection, now: datetime, limit: int) -> list[str]:
    """The ids of `expired_query`."""
    return list((await connection.execute(expired_query(now, limit))).scalars())
