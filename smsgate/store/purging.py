"""What has been kept long enough, as SQL: one query for each kind of row.

Inbound messages and records are walked in the order they came, which is that of their ids: their
tables need no index for it, so taking a message in costs nothing more. What changes later, or is
rare, has an index of what is still legible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Integer, Text, bindparam, or_, select, text

from smsgate.retention import Retention
from smsgate.store import blanking
from smsgate.store.tables import (
    ENDED,
    audit,
    idempotency_keys,
    inbound,
    orphan_reports,
    outbound,
    quarantine,
    records,
)
from smsgate.store.transact import Connection
from smsgate.store.types import UtcTime

Row = dict[str, Any]

# Until then a message that is `unknown` may be sent again, and one that is `muted` let go.
LOOK_BACK: Final = timedelta(days=7)

_BEFORE = bindparam("before", type_=UtcTime())
_LOOK_BACK = bindparam("look_back", type_=UtcTime())
_PLACE = bindparam("place", type_=Text())
_LIMIT = bindparam("limit", type_=Integer())

RAW = (
    select(inbound.c.id)
    .where(inbound.c.raw.is_not(None), inbound.c.received_at < _BEFORE)
    .order_by(inbound.c.received_at)
    .limit(_LIMIT)
)
ARRIVALS = (
    select(inbound.c.id, inbound.c.received_at.label("at"))
    .where(inbound.c.id > _PLACE)
    .order_by(inbound.c.id)
    .limit(_LIMIT)
)
DOCUMENTS = (
    select(records.c.id, records.c.created_at.label("at"), records.c.document)
    .where(records.c.id > _PLACE)
    .order_by(records.c.id)
    .limit(_LIMIT)
)
# What waits to be sent is left alone. The condition names the index.
MESSAGES = (
    select(outbound.c.id, outbound.c.recipient)
    .where(
        outbound.c.recipient.is_not(None),
        text(ENDED),
        outbound.c.changed_at < _BEFORE,
        or_(outbound.c.state != "muted", outbound.c.due_at < _LOOK_BACK),
        or_(outbound.c.state != "unknown", outbound.c.changed_at < _LOOK_BACK),
    )
    .order_by(outbound.c.changed_at)
    .limit(_LIMIT)
)
ANSWERS = (
    select(idempotency_keys)
    .where(text("NOT blanked"), idempotency_keys.c.created_at < _BEFORE)
    .order_by(idempotency_keys.c.created_at)
    .limit(_LIMIT)
)
SET_ASIDE = (
    select(quarantine.c.id)
    .where(
        quarantine.c.resolved_at.is_not(None),
        text("length(raw) > 0"),
        quarantine.c.resolved_at < _BEFORE,
    )
    .order_by(quarantine.c.resolved_at)
    .limit(_LIMIT)
)
ORPHANS = (
    select(orphan_reports.c.seq, orphan_reports.c.received_at.label("at"))
    .order_by(orphan_reports.c.seq)
    .limit(_LIMIT)
)
ACTS = select(audit.c.seq, audit.c.at).order_by(audit.c.seq).limit(_LIMIT)


@dataclass(slots=True)
class Old:
    """Rows that have been kept long enough; `places` is how far the walks have come with them."""

    raw: list[str] = field(default_factory=list)
    arrivals: list[str] = field(default_factory=list)
    documents: list[Row] = field(default_factory=list)
    messages: dict[str, str] = field(default_factory=dict)
    answers: list[Row] = field(default_factory=list)
    orphans: list[int] = field(default_factory=list)
    set_aside: list[str] = field(default_factory=list)
    acts: list[int] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind there are any of."""
        found = {
            "raw": len(self.raw),
            "inbound": len(self.arrivals),
            "records": len(self.documents),
            "outbound": len(self.messages),
            "answers": len(self.answers),
            "orphan_reports": len(self.orphans),
            "quarantine": len(self.set_aside),
            "audit": len(self.acts),
        }
        return {kind: number for kind, number in found.items() if number}


async def find(
    connection: Connection,
    rules: Retention,
    *,
    now: datetime,
    places: Mapping[str, str],
    limit: int,
) -> Old:
    """What is old enough, at most `limit` rows in all; reads only."""
    old = Old(places=dict(places))
    left = _Left(limit)
    before = rules.before(rules.raw_days, now)
    if before is not None:
        old.raw = left.of([row["id"] for row in await _rows(connection, RAW, left, before=before)])
    before = rules.before(rules.content_days, now)
    if before is not None:
        await _content(connection, old, left, before, now)
    before = rules.before(rules.quarantine_days, now)
    if before is not None:
        found = await _rows(connection, SET_ASIDE, left, before=before)
        old.set_aside = left.of([row["id"] for row in found])
    before = rules.before(rules.audit_days, now)
    if before is not None:
        found = await _rows(connection, ACTS, left)
        old.acts = left.of([row["seq"] for row in _until(found, before)])
    return old


async def _content(
    connection: Connection, old: Old, left: _Left, before: datetime, now: datetime
) -> None:
    for kind, query in (("inbound", ARRIVALS), ("records", DOCUMENTS)):
        found = await _rows(connection, query, left, place=old.places.get(kind, ""))
        rows = left.of(_until(found, before))
        if rows:
            old.places[kind] = rows[-1]["id"]
        if kind == "inbound":
            old.arrivals = [row["id"] for row in rows]
        else:
            old.documents = rows
    look_back = now - LOOK_BACK
    found = await _rows(connection, MESSAGES, left, before=before, look_back=look_back)
    old.messages = {row["id"]: row["recipient"] for row in left.of(found)}
    old.answers = left.of(await _rows(connection, ANSWERS, left, before=before))
    found = await _rows(connection, ORPHANS, left)
    old.orphans = left.of([row["seq"] for row in _until(found, before)])


class _Left:
    """How many more rows may be taken."""

    def __init__(self, number: int) -> None:
        self.number = number

    def of(self, rows: list[Any]) -> list[Any]:
        """These, counted."""
        self.number -= len(rows)
        return rows


def _until(rows: list[Row], before: datetime) -> list[Row]:
    """The rows at the front that are old enough: the walk goes no further than the first other."""
    taken: list[Row] = []
    for row in rows:
        at = row["at"]
        if at >= before:
            break
        taken.append(row)
    return taken


async def _rows(connection: Connection, query: Any, left: _Left, **values: Any) -> list[Row]:
    if left.number <= 0:
        return []
    found = await connection.execute(query, {**values, "limit": left.number})
    return [dict(row) for row in found.mappings()]


async def blank(connection: Connection, old: Old) -> None:
    """Blank or delete what `find` found."""
    if old.raw:
        await blanking.raw(connection, old.raw)
    if old.arrivals:
        await blanking.arrivals(connection, old.arrivals)
    await blanking.documents(connection, old.documents)
    if old.messages:
        await blanking.messages(connection, old.messages)
    await blanking.answers(connection, old.answers)
    if old.orphans:
        await blanking.orphans(connection, old.orphans)
    if old.set_aside:
        await blanking.set_aside(connection, old.set_aside)
    if old.acts:
        await blanking.acts(connection, old.acts)
