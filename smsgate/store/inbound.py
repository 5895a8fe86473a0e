"""Messages that arrived, the records they became and the replies they caused: one write."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import bindparam, insert, select, update

from smsgate.store import consent, repeats, tellings
from smsgate.store.dialect import upsert
from smsgate.store.many import fetch, run_many
from smsgate.store.outbox import add_messages
from smsgate.store.repeats import Limits
from smsgate.store.tables import inbound, records
from smsgate.store.transact import Connection

Row = dict[str, Any]
Key = tuple[str, bytes, bytes]
Put = Callable[[Connection, Sequence[Row]], Awaitable[None]]


class Arrival(msgspec.Struct, frozen=True):
    """A message that arrived and all that follows from it, as rows that are written together."""

    inbound: Row
    record: Row | None = None
    outbound: Sequence[Row] = ()
    # What its sender asked for of all further messages (`smsgate.store.consent`).
    wish: Row | None = None
    # Whom to tell of it (`smsgate.store.tellings`).
    tellings: Sequence[Row] = ()

    @property
    def key(self) -> Key:
        """The identity that is unique for ever (decision 7)."""
        row = self.inbound
        return row["source"], row["ref_hash"], row["content_hash"]

    @property
    def rows(self) -> int:
        """How many rows it writes."""
        return 2 + 2 * len(self.outbound)


class Saved(msgspec.Struct, frozen=True):
    """What became of an arrival: `stored`, `conflict` (stored, and flagged), or `duplicate`."""

    outcome: Literal["stored", "conflict", "duplicate"]
    inbound_id: str


def ref_hash(gateway_ref: str) -> bytes:
    """The hash under which a carrier's id is unique. Lone surrogates hash as they are."""
    return hashlib.sha256(gateway_ref.encode("utf-8", "surrogatepass")).digest()


def content_hash(sender: str, text: str) -> bytes:
    """The hash of sender and text; a length in front keeps the two apart."""
    who, what = (s.encode("utf-8", "surrogatepass") for s in (sender, text))
    return hashlib.sha256(b"%d:%s%s" % (len(who), who, what)).digest()


async def save(
    connection: Connection,
    arrivals: Sequence[Arrival],
    *,
    limits: Limits | None = None,
    put: Put = add_messages,
) -> list[Saved]:
    """Write what is new among `arrivals`, count what is not; replies within `limits`.

    The unique key decides, also between processes; the look before the insert only spares work
    and tells a repeat from a second text under the same id.

    Args:
        connection: in a transaction.
        arrivals: what came.
        limits: how often replies may repeat themselves; None for no limit.
        put: what is done with the replies, once it is known which there are; by default they are
            inserted.

    Returns:
        One outcome for each arrival, in order; an arrival repeated within the list is a duplicate.
    """
    if not arrivals:
        return []
    known = await _known(connection, arrivals)
    refs = {(source, ref) for source, ref, _ in known}
    outcomes: list[Saved | None] = [None] * len(arrivals)
    fresh: dict[Key, tuple[int, Arrival]] = {}
    for place, arrival in enumerate(arrivals):
        source, ref, _ = key = arrival.key
        if key in known:
            outcomes[place] = Saved("duplicate", known[key])
            continue
        conflict = (source, ref) in refs
        arrival.inbound["id_conflict"] = conflict
        known[key] = arrival.inbound["id"]
        refs.add((source, ref))
        outcomes[place] = Saved("conflict" if conflict else "stored", arrival.inbound["id"])
        fresh[key] = (place, arrival)
    if fresh:
        written = await _insert(connection, [fresh[key][1].inbound for key in sorted(fresh)])
        for key in fresh.keys() - written:  # another process was faster
            place, arrival = fresh.pop(key)
            outcomes[place] = Saved("duplicate", await _id_of(connection, key))
        await _follow_up(connection, [arrival for _, arrival in fresh.values()], limits, put)
    done = [outcome for outcome in outcomes if outcome is not None]
    await _count_repeats(connection, done, arrivals)
    return done


# Statements are made once: building one costs more than running it.
_SAME_REF = select(
    inbound.c.source, inbound.c.ref_hash, inbound.c.content_hash, inbound.c.id
).where(
    inbound.c.source.in_(bindparam("sources", expanding=True)),
    inbound.c.ref_hash.in_(bindparam("refs", expanding=True)),
)


async def _known(connection: Connection, arrivals: Sequence[Arrival]) -> dict[Key, str]:
    values = {
        "sources": list({arrival.inbound["source"] for arrival in arrivals}),
        "refs": list({arrival.inbound["ref_hash"] for arrival in arrivals}),
    }
    rows = await fetch(connection, _SAME_REF, values)
    return {(row["source"], row["ref_hash"], row["content_hash"]): row["id"] for row in rows}


_INSERT = insert(inbound)
_INSERT_RECORD = insert(records)


async def _insert(connection: Connection, rows: list[Row]) -> set[Key]:
    if connection.dialect.name == "sqlite":
        # The only writer holds the lock since before it looked: nobody can have been faster.
        await run_many(connection, _INSERT, rows)
        return {(row["source"], row["ref_hash"], row["content_hash"]) for row in rows}
    # Sorted by key: two processes that insert the same ids wait for each other, never in a circle.
    statement = (
        upsert(connection, inbound)
        .on_conflict_do_nothing(
            index_elements=[inbound.c.source, inbound.c.ref_hash, inbound.c.content_hash]
        )
        .returning(inbound.c.source, inbound.c.ref_hash, inbound.c.content_hash)
    )
    written = await connection.execute(statement, rows)
    return {(row.source, row.ref_hash, row.content_hash) for row in written}


async def _id_of(connection: Connection, key: Key) -> str:
    source, ref, content = key
    statement = select(inbound.c.id).where(
        inbound.c.source == source,
        inbound.c.ref_hash == ref,
        inbound.c.content_hash == content,
    )
    found: str = (await connection.execute(statement)).scalar_one()
    return found


async def _follow_up(
    connection: Connection, arrivals: Sequence[Arrival], limits: Limits | None, put: Put
) -> None:
    documents = [arrival.record for arrival in arrivals if arrival.record is not None]
    await run_many(connection, _INSERT_RECORD, documents)
    unheard = await _unheard(connection, arrivals)
    replies = [
        row for arrival in arrivals if arrival.key not in unheard for row in arrival.outbound
    ]
    await put(connection, await repeats.hold_back(connection, replies, limits))
    await tellings.add(connection, [row for arrival in arrivals for row in arrival.tellings])


async def _unheard(connection: Connection, arrivals: Sequence[Arrival]) -> set[Key]:
    """Those whose wish is granted already: they are not told a second time."""
    wishes = {arrival.key: arrival.wish for arrival in arrivals if arrival.wish is not None}
    changed = await consent.record(connection, list(wishes.values()))
    told: set[bytes] = set()
    unheard: set[Key] = set()
    for key, wish in wishes.items():
        number = wish["recipient_hash"]
        if number not in changed or number in told:
            unheard.add(key)
        told.add(number)
    return unheard


async def _count_repeats(
    connection: Connection, outcomes: Sequence[Saved], arrivals: Sequence[Arrival]
) -> None:
    repeats = [
        {"b_id": outcome.inbound_id, "b_at": arrival.inbound["received_at"]}
        for outcome, arrival in zip(outcomes, arrivals, strict=True)
        if outcome.outcome == "duplicate"
    ]
    if repeats:
        repeats.sort(key=lambda row: row["b_id"])  # the same order in every process
        await connection.execute(
            update(inbound)
            .where(inbound.c.id == bindparam("b_id"))
            .values(seen_count=inbound.c.seen_count + 1, last_seen_at=bindparam("b_at")),
            repeats,
        )


async def get(connection: Connection, message_id: str) -> Row | None:
    """An inbound message as a row, or None."""
    statement = select(inbound).where(inbound.c.id == message_id)
    row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row else None


async def page(
    connection: Connection,
    *,
    before: str | None,
    since: datetime | None,
    limit: int,
) -> list[Row]:
    """Inbound messages, newest first, older than the id `before`, not older than `since`."""
    statement = select(inbound).order_by(inbound.c.id.desc()).limit(limit)
    if before is not None:
        statement = statement.where(inbound.c.id < before)
    if since is not None:
        statement = statement.where(inbound.c.received_at >= since)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]
