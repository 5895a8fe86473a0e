"""The consent list as SQL: who asked for no more messages, and who took that back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select

from smsgate.optout import OptedOut, Wish, number_hash
from smsgate.store import revisions
from smsgate.store.dialect import upsert
from smsgate.store.tables import consent
from smsgate.store.tables import revisions as counters
from smsgate.store.transact import Connection

Row = dict[str, Any]


def wish_row(number: str, wish: Wish, *, source: str, at: datetime) -> Row:
    """A row to `record`: what was asked for `number`, and through whom."""
    return {
        "recipient_hash": number_hash(number),
        "number": number,
        "state": wish.value,
        "since": at,
        "source": source,
    }


async def record(connection: Connection, rows: Sequence[Row]) -> set[bytes]:
    """Keep what was asked for; the last of several for a number counts.

    Returns:
        The hashes of the numbers for which it changes anything: who never opted out and asks to
        be allowed, or opts out twice, is known already.
    """
    if not rows:
        return set()
    # First, because its lock makes processes that change the list wait for each other.
    await revisions.bump(connection, revisions.CONSENT)
    version = select(counters.c.value).where(counters.c.name == revisions.CONSENT)
    number = (await connection.execute(version)).scalar_one()
    wanted = {row["recipient_hash"]: row for row in rows}
    known = await connection.execute(
        select(consent.c.recipient_hash, consent.c.state).where(
            consent.c.recipient_hash.in_(list(wanted))
        )
    )
    before = {row.recipient_hash: row.state for row in known}
    changed = {
        key: row for key, row in wanted.items() if before.get(key, Wish.START.value) != row["state"]
    }
    statement = upsert(connection, consent)
    names = ("number", "state", "since", "source", "version")
    statement = statement.on_conflict_do_update(
        index_elements=[consent.c.recipient_hash],
        set_={name: statement.excluded[name] for name in names},
    )
    if changed:
        await connection.execute(
            statement, [{**changed[key], "version": number} for key in sorted(changed)]
        )
    return set(changed)


async def since(connection: Connection, known: OptedOut) -> OptedOut:
    """The list as it is now, where `known` is what it was."""
    found = await connection.execute(
        select(consent.c.recipient_hash, consent.c.state, consent.c.version).where(
            consent.c.version > known.version
        )
    )
    hashes, version = set(known.hashes), known.version
    for row in found:
        version = max(version, row.version)
        if row.state == Wish.STOP.value:
            hashes.add(row.recipient_hash)
        else:
            hashes.discard(row.recipient_hash)
    return OptedOut(frozenset(hashes), version)


async def get(connection: Connection, number: str) -> Row | None:
    """What is known of `number`, or None."""
    statement = select(consent).where(consent.c.recipient_hash == number_hash(number))
    row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row else None


async def page(
    connection: Connection, *, states: Iterable[str], before: str | None, limit: int
) -> list[Row]:
    """The list by number, of those beyond the number `before`."""
    statement = (
        select(consent)
        .where(consent.c.state.in_(sorted(states)))
        .order_by(consent.c.number, consent.c.recipient_hash)
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(consent.c.number > before)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]
