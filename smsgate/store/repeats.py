"""The duplicate limit and the loop breaker: automatic messages that come too often are held back.

Counted in the database, so that it holds across processes and restarts (decision 18). What a person
or a program asks to be sent is never counted: only what smsgate says of its own accord.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, case, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from smsgate.message import State
from smsgate.optout import CONFIRMATION
from smsgate.store.many import fetch, run_many
from smsgate.store.tables import repeats
from smsgate.store.transact import Connection

Row = dict[str, Any]

SAME_TEXT = timedelta(minutes=30)  # since the last one (protocol section 7.4)
ANY_TEXT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """How often a number gets the same reply in half an hour, and how many replies in an hour."""

    same_text: int
    replies_an_hour: int


def _count(
    insert: postgresql.Insert | sqlite.Insert,
) -> postgresql.Insert | sqlite.Insert:
    new = insert.excluded
    over = repeats.c.ends_at <= new.counted_at
    return insert.on_conflict_do_update(
        index_elements=[repeats.c.key_hash],
        set_={
            "count": case((over, new["count"]), else_=repeats.c["count"] + new["count"]),
            # A repeat keeps a sliding window open, also one that is held back.
            "ends_at": case((or_(over, repeats.c.sliding), new.ends_at), else_=repeats.c.ends_at),
            "counted_at": new.counted_at,
        },
    )


# Statements are made once: building one costs more than running it.
_COUNT_SQLITE = _count(sqlite.insert(repeats))
_COUNT_POSTGRES = _count(postgresql.insert(repeats)).returning(
    repeats.c.key_hash, repeats.c["count"]
)
_COUNTED = select(repeats.c.key_hash, repeats.c["count"]).where(
    repeats.c.key_hash.in_(bindparam("keys", expanding=True))
)


async def hold_back(
    connection: Connection, rows: Sequence[Row], limits: Limits | None
) -> Sequence[Row]:
    """The rows as they are to be stored: what would be one too many in another state, with why."""
    counted = [
        row
        for row in rows
        if limits is not None
        and row["inbound_id"] is not None
        and row["state"] == State.PENDING
        and row["kind"] != CONFIRMATION
    ]
    if limits is None or not counted:
        return rows
    keys = [_keys(row) for row in counted]
    at = max(row["created_at"] for row in counted)
    numbers = await _counts(connection, keys, at)
    held: dict[str, Row] = {}
    for row, (same, any_) in zip(counted, keys, strict=True):
        too_many = next(numbers[any_]) > limits.replies_an_hour
        if next(numbers[same]) > limits.same_text:
            held[row["id"]] = _held(row, State.DUPLICATE, "duplicate_limit")
        elif too_many:
            held[row["id"]] = _held(row, State.DENIED, "reply_loop")
    return [held.get(row["id"], row) for row in rows]


def _held(row: Row, state: State, reason: str) -> Row:
    # A copy: the writer may have to do the same rows again, and then they count again.
    return {**row, "state": state.value, "details": json.dumps({"reason": reason})}


async def _counts(
    connection: Connection, keys: Sequence[tuple[bytes, bytes]], at: datetime
) -> dict[bytes, Iterator[int]]:
    same_ends, any_ends = at + SAME_TEXT, at + ANY_TEXT
    counted: dict[bytes, Row] = {}
    for pair in keys:
        for key, sliding in zip(pair, (True, False), strict=True):
            row = counted.get(key)
            if row is not None:
                row["count"] += 1
                continue
            counted[key] = {
                "key_hash": key,
                "sliding": sliding,
                "count": 1,
                "counted_at": at,
                "ends_at": same_ends if sliding else any_ends,
            }
    # Sorted by key: two processes that count the same wait for each other, never in a circle.
    rows = [counted[key] for key in sorted(counted)]
    if connection.dialect.name == "sqlite":
        # The only writer holds the lock: nobody counts between the two.
        await run_many(connection, _COUNT_SQLITE, rows)
        found = await fetch(connection, _COUNTED, {"keys": list(counted)})
        totals = {row["key_hash"]: row["count"] for row in found}
    else:
        result = await connection.execute(_COUNT_POSTGRES, rows)
        totals = {row.key_hash: row.count for row in result}
    return {
        key: iter(range(totals[key] - row["count"] + 1, 1 << 62)) for key, row in counted.items()
    }


def _keys(row: Row) -> tuple[bytes, bytes]:
    """The keys that a reply counts under: this text to this number, any text to it.

    They begin with what stands for the number, so that the two are written to one page.
    """
    who = _hash(row["recipient"])
    return who + _hash(row["text"]), who + _ANY


_HALF = 16  # bytes of a key for the number, and as many for the text
_ANY = bytes(_HALF)


def _hash(text: str | None) -> bytes:
    return hashlib.sha256((text or "").encode("utf-8", "surrogatepass")).digest()[:_HALF]


async def forget(connection: Connection, now: datetime) -> None:
    """Drop windows that are over."""
    await connection.execute(delete(repeats).where(repeats.c.ends_at <= now))


async def any_to_forget(connection: Connection, now: datetime) -> bool:
    """Whether any window has been over for as long again; reads only."""
    statement = select(repeats.c.key_hash).where(repeats.c.ends_at <= now - ANY_TEXT).limit(1)
    return (await connection.execute(statement)).first() is not None


async def forget_number(connection: Connection, recipient: str) -> None:
    """Drop what was counted for one number: its keys lie side by side."""
    who = _hash(recipient)
    await connection.execute(
        delete(repeats).where(repeats.c.key_hash.between(who + _ANY, who + b"\xff" * _HALF))
    )
