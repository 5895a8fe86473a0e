"""What aggregators are still to be told, and what they ordered, as SQL.

A row is written in the transaction that makes it true, and deleted when they know it. Workers take
rows by lease; of what is about one message only the oldest can be taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Integer, Text, and_, bindparam, delete, exists, func, insert, or_, select

from smsgate.store.dialect import upsert
from smsgate.store.many import fetch, run_many
from smsgate.store.tables import inbound, orders, tellings
from smsgate.store.transact import Connection
from smsgate.store.types import UtcTime

Row = dict[str, Any]


class What(StrEnum):
    """What a row tells of."""

    BECAME = "became"  # a message they ordered is in `state` now; `topic` is that message
    CAME_IN = "came-in"  # a text arrived; `topic` is that text
    STOPPED = "stopped"  # its sender wants no more messages; likewise


# Before it left our hands there is nothing to tell of a message.
_UNTOLD: Final = frozenset({"scheduled", "pending", "forwarded-to-gateway"})
_NOW = bindparam("now", type_=UtcTime())


def order(source: str, reference: str, *, content: str, message_id: str, at: datetime) -> Row:
    """A row to `claim`: what was ordered under `reference`, and which message that is."""
    return {
        "source": source,
        "reference": reference,
        "reference_hash": _hash(reference),
        "content_hash": _hash(content),
        "message_id": message_id,
        "created_at": at,
    }


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


async def claim(connection: Connection, rows: Sequence[Row]) -> tuple[set[str], int]:
    """Keep the orders that are new. The primary key decides, also between processes.

    Returns:
        The ids of the messages to be made, and how many orders came again with other words.
    """
    unique = {(row["source"], row["reference_hash"]): row for row in reversed(rows)}
    # Sorted by key: two processes wait for each other, never in a circle.
    wanted = [unique[key] for key in sorted(unique)]
    statement = (
        upsert(connection, orders)
        .values(wanted)
        .on_conflict_do_nothing(index_elements=[orders.c.source, orders.c.reference_hash])
        .returning(orders.c.message_id)
    )
    new = set((await connection.execute(statement)).scalars())
    again = [row for row in rows if row["message_id"] not in new]
    if not again:
        return new, 0
    known = await connection.execute(
        select(orders.c.source, orders.c.reference_hash, orders.c.content_hash).where(
            orders.c.source.in_({row["source"] for row in again}),
            orders.c.reference_hash.in_([row["reference_hash"] for row in again]),
        )
    )
    content = {(row.source, row.reference_hash): row.content_hash for row in known}
    keys = [((row["source"], row["reference_hash"]), row["content_hash"]) for row in again]
    return new, sum(content.get(key) != words for key, words in keys)


def telling(
    aggregator: str, what: What, topic: str, *, at: datetime, state: str | None = None
) -> Row:
    """A row to `add`."""
    return {
        "aggregator": aggregator,
        "what": what.value,
        "topic": topic,
        "state": state,
        "created_at": at,
        "due_at": at,
    }


_INSERT = insert(tellings)


async def add(connection: Connection, rows: Sequence[Row]) -> None:
    """Have something told."""
    await run_many(connection, _INSERT, rows)


async def became(connection: Connection, history: Sequence[Row]) -> None:
    """Have those who ordered messages told of these steps of their history."""
    steps = [step for step in history if str(step["state"]) not in _UNTOLD]
    if not steps:
        return
    query = select(orders.c.message_id, orders.c.source).where(
        orders.c.message_id.in_({step["message_id"] for step in steps})
    )
    source = {row.message_id: row.source for row in await connection.execute(query)}
    await add(
        connection,
        [
            telling(
                source[step["message_id"]],
                What.BECAME,
                step["message_id"],
                at=step["at"],
                state=str(step["state"]),
            )
            for step in steps
            if step["message_id"] in source
        ],
    )


_WAITS = tellings.c.ended_at.is_(None)
_before = tellings.alias("earlier")
_FIRST = ~exists().where(
    _before.c.topic == tellings.c.topic,
    _before.c.ended_at.is_(None),
    _before.c.seq < tellings.c.seq,
)
_OF = tellings.c.aggregator == bindparam("aggregator", type_=Text())

# What can be told now, the oldest first.
DUE = (
    select(tellings.c.seq)
    .where(
        _WAITS,
        _OF,
        tellings.c.due_at <= _NOW,
        or_(tellings.c.owner.is_(None), tellings.c.leased_until <= _NOW),
        _FIRST,
    )
    .order_by(tellings.c.due_at, tellings.c.seq)
    .limit(bindparam("limit", type_=Integer()))
)
_CLAIM = DUE.with_for_update(skip_locked=True, of=tellings)

# The same with what is to be said.
_SAID = (
    select(
        tellings.c.seq,
        tellings.c.what,
        tellings.c.topic,
        tellings.c.state,
        tellings.c.attempts,
        tellings.c.created_at,
        orders.c.reference,
        inbound.c.sender,
        inbound.c.text,
        inbound.c.received_at,
    )
    .select_from(
        tellings.outerjoin(
            orders,
            and_(tellings.c.what == What.BECAME.value, orders.c.message_id == tellings.c.topic),
        ).outerjoin(
            inbound, and_(tellings.c.what != What.BECAME.value, inbound.c.id == tellings.c.topic)
        )
    )
    .where(tellings.c.seq.in_(bindparam("seqs", expanding=True)))
    .order_by(tellings.c.seq)
)


async def take(
    connection: Connection,
    aggregator: str,
    owner: str,
    *,
    now: datetime,
    until: datetime,
    limit: int,
) -> list[Row]:
    """Take what can be told now into `owner`'s hands until `until`, with what is to be said."""
    values = {"aggregator": aggregator, "now": now, "limit": limit}
    seqs = [row["seq"] for row in await fetch(connection, _CLAIM, values)]
    if not seqs:
        return []
    await connection.execute(
        tellings.update().where(tellings.c.seq.in_(seqs)).values(owner=owner, leased_until=until)
    )
    return await fetch(connection, _SAID, {"seqs": seqs})


async def any_due(connection: Connection, aggregator: str, now: datetime) -> bool:
    """Whether `take` would find anything; reads only."""
    return bool(await fetch(connection, DUE, {"aggregator": aggregator, "now": now, "limit": 1}))


NEXT = select(func.min(tellings.c.due_at)).where(_WAITS, _OF, tellings.c.due_at > _NOW)


async def next_due(connection: Connection, aggregator: str, now: datetime) -> datetime | None:
    """When time alone will next bring something."""
    found = await connection.execute(NEXT, {"aggregator": aggregator, "now": now})
    moment: datetime | None = found.scalar_one_or_none()
    return moment


async def done(connection: Connection, owner: str, seqs: Sequence[int]) -> None:
    """Forget what is known to them now, where `owner` still has it in hand."""
    await connection.execute(
        delete(tellings).where(tellings.c.seq.in_(list(seqs)), tellings.c.owner == owner)
    )


async def put_off(
    connection: Connection, owner: str, seq: int, *, due_at: datetime, status: str, tried: bool
) -> None:
    """Let go of a row until `due_at`, likewise."""
    more = {"attempts": tellings.c.attempts + 1} if tried else {}
    await _end(connection, owner, seq, {"due_at": due_at, "status": status, **more})


async def give_up(
    connection: Connection, owner: str, seq: int, *, at: datetime, status: str
) -> None:
    """Let go of a row for good, likewise."""
    await _end(connection, owner, seq, {"ended_at": at, "status": status})


async def _end(connection: Connection, owner: str, seq: int, values: Mapping[str, Any]) -> None:
    await connection.execute(
        tellings.update()
        .where(tellings.c.seq == seq, tellings.c.owner == owner)
        .values(owner=None, leased_until=None, **values)
    )


async def sweep(connection: Connection, before: datetime) -> None:
    """Delete what was given up before this."""
    await connection.execute(
        delete(tellings).where(tellings.c.ended_at.is_not(None), tellings.c.ended_at < before)
    )
