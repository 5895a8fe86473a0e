"""Where everything about one phone number is, as SQL.

An erasure is rare, so nothing is indexed for it: tables are read through, on a connection that
holds up nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Select, delete, func, or_, select, update

from smsgate.optout import Wish, number_hash
from smsgate.spelling import Spelling
from smsgate.store.tables import (
    consent,
    idempotency_keys,
    inbound,
    orphan_reports,
    outbound,
    quarantine,
    records,
)
from smsgate.store.transact import Connection

Row = dict[str, Any]

_AT_ONCE = 500


@dataclass(slots=True)
class Traces:
    """What there is about a number, by the keys of the rows.

    `mentions` counts texts and records of others in which it stands: they are told of and left.
    """

    inbound: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    outbound: list[str] = field(default_factory=list)
    quarantine: list[str] = field(default_factory=list)
    answers: list[tuple[str, bytes]] = field(default_factory=list)
    orphans: list[int] = field(default_factory=list)
    consent: list[bytes] = field(default_factory=list)
    waiting: int = 0
    mentions: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many rows there are to erase, by kind."""
        return {
            "inbound": len(self.inbound),
            "records": len(self.records),
            "outbound": len(self.outbound),
            "quarantine": len(self.quarantine),
            "answers": len(self.answers),
            "orphan_reports": len(self.orphans),
            "consent": len(self.consent),
        }


async def find(connection: Connection, number: Spelling) -> Traces:
    """All traces of a number; reads only."""
    traces = Traces()
    senders = await _meant(connection, inbound.c.sender, number)
    await _arrivals(connection, traces, number, senders)
    filed = await _meant(connection, records.c.sender, number)
    traces.records = sorted(
        {
            *await _among(connection, select(records.c.id), records.c.sender, filed),
            *await _among(connection, _LEGIBLE_RECORD, records.c.inbound_id, traces.inbound),
        }
    )
    recipients = await _meant(connection, outbound.c.recipient, number)
    found = await _among(connection, select(outbound.c.id), outbound.c.recipient, recipients)
    traces.outbound = sorted(found)
    states = await _among(
        connection,
        select(outbound.c.id).where(outbound.c.state.in_(_UNSENT)),
        outbound.c.recipient,
        recipients,
    )
    traces.waiting = len(states)
    await _aside(connection, traces, number)
    await _mentions(connection, traces, number, senders, recipients)
    return traces


_UNSENT = ("scheduled", "pending", "muted", "forwarded-to-gateway")
# Whether a record is blank already shows in nothing but its text.
_LEGIBLE_RECORD = select(records.c.id).where(~records.c.document.contains('"blanked":true'))


async def _arrivals(
    connection: Connection, traces: Traces, number: Spelling, senders: Sequence[str]
) -> None:
    query = select(inbound.c.id, inbound.c.gateway_ref).where(inbound.c.sender.in_(senders))
    for row in await connection.execute(query):
        traces.inbound.append(row.id)
        if number.stands_in(row.gateway_ref):
            traces.references.append(row.id)


async def _meant(connection: Connection, column: Column[Any], number: Spelling) -> list[str]:
    """Every spelling of the number that stands in a column."""
    found = await connection.execute(select(column).distinct().where(column.is_not(None)))
    return [value for value in found.scalars() if number.means(value)]


async def _among(
    connection: Connection, query: Select[Any], column: Column[Any], values: Sequence[str]
) -> list[str]:
    """The ids of rows whose `column` is one of `values`."""
    ids: list[str] = []
    for start in range(0, len(values), _AT_ONCE):
        some = query.where(column.in_(values[start : start + _AT_ONCE]))
        ids += (await connection.execute(some)).scalars()
    return ids


async def _aside(connection: Connection, traces: Traces, number: Spelling) -> None:
    items = await connection.execute(
        select(quarantine.c.id, quarantine.c.raw).where(func.length(quarantine.c.raw) > 0)
    )
    traces.quarantine = [row.id for row in items if number.stands_in_raw(row.raw)]
    keys = idempotency_keys
    answers = await connection.execute(
        select(keys.c.account, keys.c.key_hash).where(
            keys.c.status == 201, keys.c.answer.contains(number.digits, autoescape=True)
        )
    )
    traces.answers = [(row.account, row.key_hash) for row in answers]
    reports = orphan_reports
    found = await connection.execute(select(reports.c.seq, reports.c.reference, reports.c.reason))
    traces.orphans = [
        row.seq for row in found if number.stands_in(row.reference) or number.stands_in(row.reason)
    ]
    listed = await connection.execute(
        select(consent.c.recipient_hash, consent.c.number).where(consent.c.number != "")
    )
    traces.consent = [row.recipient_hash for row in listed if number.means(row.number)]


async def _mentions(
    connection: Connection,
    traces: Traces,
    number: Spelling,
    senders: Sequence[str],
    recipients: Sequence[str],
) -> None:
    """Counted by its digits in one piece: enough to tell somebody to look."""
    mine = set(traces.records)
    for column, owner, own in (
        (inbound.c.text, inbound.c.sender, senders),
        (outbound.c.text, outbound.c.recipient, recipients),
    ):
        query = select(func.count()).where(
            column.contains(number.digits, autoescape=True),
            or_(owner.is_(None), owner.not_in(own)),
        )
        traces.mentions += (await connection.execute(query)).scalar_one()
    query = select(records.c.id).where(records.c.document.contains(number.digits, autoescape=True))
    found = (await connection.execute(query)).scalars()
    traces.mentions += sum(id_ not in mine for id_ in found)


async def documents(connection: Connection, ids: Sequence[str]) -> list[Row]:
    """Records with their documents."""
    query = select(records.c.id, records.c.document).where(records.c.id.in_(ids))
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def answers(connection: Connection, keys: Sequence[tuple[str, bytes]]) -> list[Row]:
    """Kept answers under their keys."""
    rows: list[Row] = []
    for account, key_hash in keys:
        query = select(idempotency_keys).where(
            idempotency_keys.c.account == account, idempotency_keys.c.key_hash == key_hash
        )
        rows += [dict(row) for row in (await connection.execute(query)).mappings()]
    return rows


async def end_patience(connection: Connection, ids: Sequence[str], now: datetime) -> None:
    """Let messages expire now, so that no rule sends one again."""
    await connection.execute(
        update(outbound)
        .where(outbound.c.id.in_(ids), outbound.c.expires_at > now)
        .values(expires_at=now)
    )


async def close_aside(connection: Connection, ids: Sequence[str], *, by: str, at: datetime) -> None:
    """Discard items of the quarantine that wait for a decision."""
    await connection.execute(
        update(quarantine)
        .where(quarantine.c.id.in_(ids), quarantine.c.status == "waiting")
        .values(status="discarded", resolved_by=by, resolved_at=at, resolution="erased")
    )


async def forget_consent(connection: Connection, hashes: Sequence[bytes]) -> None:
    """Forget numbers of the consent list. Of those that opted out the hash stays, and is obeyed."""
    await connection.execute(
        update(consent).where(consent.c.recipient_hash.in_(hashes)).values(number="")
    )
    await connection.execute(
        delete(consent).where(
            consent.c.recipient_hash.in_(hashes), consent.c.state != Wish.STOP.value
        )
    )


def hash_of(number: Spelling) -> str:
    """What the audit calls a number: the hash by which the consent list knows it too."""
    return number_hash(number.name).hex()
