"""The use case of an integrator that posts to `/api/v1|v2/records`: a record, and its replies.

A urlencoded body is a text with its sender: it is kept as an inbound message of source `records`,
so that its story can be seen. With a `gateway_ref` it has an identity (decision 7): the same
reference, sender and text again is the same record; without one every request makes a new one. A
JSON body is values: a record and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from smsgate.clock import from_ms, to_ms
from smsgate.dates import read_timestamp
from smsgate.ids import new_id
from smsgate.intake import arrival_of, record_row, reply_rows
from smsgate.jsontext import storable_tree, write
from smsgate.message import InboundMessage
from smsgate.programme import Programme
from smsgate.record import RecordRefused, draft_from_form, draft_from_json
from smsgate.store import audit, idempotency, inbound, outbox, records
from smsgate.store.idempotency import Claim
from smsgate.store.inbound import Arrival
from smsgate.store.repeats import Limits
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

SOURCE = "records"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Submission:
    """What a request asks to be stored. `arrival` is None where no text came with the record."""

    record: Row
    replies: Sequence[Row] = field(default_factory=tuple)
    arrival: Arrival | None = None
    limits: Limits | None = None

    @property
    def rows(self) -> int:
        """How many rows it writes."""
        return 3 + 2 * len(self.replies)


@dataclass(frozen=True, slots=True)
class Stored:
    """The record's id; `misused` for an idempotency key that came with another body before.

    `fresh` False says that it was stored before.
    """

    record_id: str
    misused: bool = False
    fresh: bool = True


def from_form(
    body: Mapping[str, str | list[str]],
    *,
    query: Mapping[str, str],
    programme: Programme,
    by: str,
    at: datetime,
    raw: bytes,
) -> Submission | RecordRefused:
    """Read a decoded urlencoded body (`spec/sms-protocol.md` §4.1, §4.2).

    Args:
        body: a key's text, or the list of its texts where it is repeated.
        query: `locale` where v1 was asked with one.
        programme: the settings in force.
        by: the account that asks.
        at: now.
        raw: the body as it came, kept where the database cannot hold its text as it is.
    """
    draft = draft_from_form(body, query=query, rules=programme.reading, received_ms=to_ms(at))
    if isinstance(draft, RecordRefused):
        return draft
    gateway_ref = _as_text(body.get("gateway_ref", ""))
    message = InboundMessage(
        source=SOURCE,
        # Without a reference nothing may look like a repeat: a new id stands in for it.
        gateway_ref=gateway_ref or new_id(),
        sender=_as_text(body["from"]),
        text=_as_text(body["message"]),
        received_at=at,
        gateway=by,
        sent_at=_sent_at(body.get("sent_timestamp"), programme),
        raw=raw,
    )
    arrival = arrival_of(message, draft, programme, altered=storable_tree(body) != body)
    if not gateway_ref:
        arrival.inbound["gateway_ref"] = None
    return Submission(arrival.record or {}, arrival.outbound, arrival, programme.limits)


def from_json(body: Any, *, programme: Programme, at: datetime) -> Submission | RecordRefused:
    """Read a JSON body (`spec/sms-protocol.md` §4.1, §4.3).

    Args:
        body: the JSON value.
        programme: the settings in force.
        at: now.
    """
    draft = draft_from_json(body, rules=programme.reading, received_ms=to_ms(at))
    if isinstance(draft, RecordRefused):
        return draft
    record = record_row(draft, inbound_id=None, created_at=at)
    replies = reply_rows(draft, programme, record_id=record["id"], inbound_id=None, at=at)
    return Submission(record, replies)


@dataclass(frozen=True, slots=True)
class Submit(Job[Stored]):
    """Store a submission, once for an idempotency key and once for an identity."""

    submission: Submission
    by: str
    at: datetime
    claim: Claim | None = None

    @property
    def weight(self) -> int:
        """Roughly how many rows it writes."""
        return self.submission.rows + 1

    @classmethod
    async def run_many(cls, connection: Connection, jobs: Sequence[Self]) -> list[Stored]:
        """Texts without a key share their statements; the others are done one by one."""
        together = [job for job in jobs if job.claim is None and job.submission.arrival is not None]
        shared = iter(await _save_texts(connection, together))
        return [
            next(shared)
            if job.claim is None and job.submission.arrival is not None
            else await job.run(connection)
            for job in jobs
        ]

    async def run(self, connection: Connection) -> Stored:
        """See `Job.run`."""
        if self.claim is None:
            return await self._save(connection)
        kept = await idempotency.claim(connection, self.claim, at=self.at)
        if kept is not None:
            return Stored(kept.answer, misused=not kept.same_body, fresh=False)
        stored = await self._save(connection)
        await idempotency.keep(connection, self.claim, status=200, answer=stored.record_id)
        return stored

    async def _save(self, connection: Connection) -> Stored:
        submission = self.submission
        if submission.arrival is not None:
            return (await _save_texts(connection, [self]))[0]
        await records.add(connection, submission.record)
        await outbox.add_messages(connection, submission.replies)
        return await _noted(connection, self)


async def _save_texts(connection: Connection, jobs: Sequence[Submit]) -> list[Stored]:
    arrivals = [job.submission.arrival for job in jobs if job.submission.arrival is not None]
    stored: list[Stored] = []
    limits = jobs[-1].submission.limits if jobs else None
    saved = await inbound.save(connection, arrivals, limits=limits)
    for job, outcome in zip(jobs, saved, strict=True):
        if outcome.outcome != "duplicate":
            stored.append(await _noted(connection, job))
            continue
        # Kept with the text, so that it is known also after the record was purged.
        known = await inbound.get(connection, outcome.inbound_id) or {}
        stored.append(Stored(known["record_id"], fresh=False))
    return stored


async def _noted(connection: Connection, job: Submit) -> Stored:
    record_id: str = job.submission.record["id"]
    await audit.note(connection, at=job.at, actor=job.by, action="record.create", target=record_id)
    return Stored(record_id)


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else write(value)


def _sent_at(value: object, programme: Programme) -> datetime | None:
    read = read_timestamp(value, 0, programme.reading.timezone)
    return from_ms(read) if read else None
