"""Quarantine, the use case: a person looks at what could not be taken in, and decides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from smsgate import intake, jsontext, wire
from smsgate.clock import to_iso
from smsgate.message import InboundMessage
from smsgate.programme import Programme
from smsgate.store import audit, inbound, quarantine
from smsgate.store.inbound import Arrival
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

# Words for operators; the reason itself is the short one before the colon.
REASONS = {
    "not_an_object": "The item was no JSON object.",
    "missing_id": "The phone gave the message no id.",
    "missing_from": "The phone gave the message no sender.",
    "missing_content": "The message had no text at all.",
    "missing_number": "An opt-out named no phone number.",
    "unreadable_update": "A status report named no message.",
    "unreadable_form": "The call was no form, or gave one of its fields twice.",
    "unreadable_call": "The call was kept while the database was away, and could not be read.",
    "reading_failed": "Reading the call failed in a way nobody foresaw.",
    "intake_failed": "Reading the message failed in a way nobody foresaw.",
    "storing_failed": "Storing the message failed in a way nobody foresaw.",
    "report_failed": "Applying a status report failed in a way nobody foresaw.",
}


class Refused(StrEnum):
    """Why an item was left as it is."""

    UNKNOWN = "unknown"
    RESOLVED = "resolved"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The item stays; `reason` says why in a line."""

    kind: Refused
    reason: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The item is closed; `inbound_id` is the message it became, None where discarded."""

    item: Mapping[str, Any]
    inbound_id: str | None
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Replay(Job["Resolution | Refusal"]):
    """Take an item in again, as it came or with keys mended by a person (`changes`)."""

    item_id: str
    changes: Mapping[str, Any]
    programme: Programme
    by: str
    at: datetime

    async def run(self, connection: Connection) -> Resolution | Refusal:
        """See `Job.run`."""
        row = await _taken_up(connection, self.item_id)
        if isinstance(row, Refusal):
            return row
        message = _mended(row, self.changes)
        if isinstance(message, Refusal):
            return message
        taken = intake.take_in(message, self.programme)
        if not isinstance(taken, Arrival):
            return Refusal(Refused.UNREADABLE, taken["reason"])
        saved = (await inbound.save(connection, [taken], limits=self.programme.limits))[0]
        duplicate = saved.outcome == "duplicate"
        await _close(
            connection,
            self.item_id,
            status=quarantine.REPLAYED,
            by=self.by,
            at=self.at,
            resolution="was stored already" if duplicate else None,
            inbound_id=saved.inbound_id,
        )
        closed = await quarantine.get(connection, self.item_id)
        return Resolution(closed or row, saved.inbound_id, duplicate)

    async def rescue(self, connection: Connection, error: Exception) -> Resolution | Refusal:  # noqa: ARG002 - nothing is written
        """The database would not have it again: the item stays."""
        return Refusal(Refused.UNREADABLE, f"storing_failed: {type(error).__name__}")


@dataclass(frozen=True, slots=True)
class Discard(Job["Resolution | Refusal"]):
    """Close an item without taking it in; the reason is kept with it."""

    item_id: str
    reason: str
    by: str
    at: datetime

    async def run(self, connection: Connection) -> Resolution | Refusal:
        """See `Job.run`."""
        row = await _taken_up(connection, self.item_id)
        if isinstance(row, Refusal):
            return row
        await _close(
            connection,
            self.item_id,
            status=quarantine.DISCARDED,
            by=self.by,
            at=self.at,
            resolution=jsontext.storable(self.reason),
            inbound_id=None,
        )
        return Resolution(await quarantine.get(connection, self.item_id) or row, None)


async def _taken_up(connection: Connection, item_id: str) -> Mapping[str, Any] | Refusal:
    """An item that waits, locked."""
    row = await quarantine.get(connection, item_id, lock=True)
    if row is None:
        return Refusal(Refused.UNKNOWN, "no such item")
    if row["status"] != quarantine.WAITING:
        return Refusal(Refused.RESOLVED, f"it was {row['status']} already")
    return row


def _mended(row: Mapping[str, Any], changes: Mapping[str, Any]) -> InboundMessage | Refusal:
    item = jsontext.read(row["raw"])
    if isinstance(item, dict):
        item = {**item, **changes}
    elif changes:
        item = dict(changes)
    message = wire.read_message(item, gateway=row["gateway"], at=row["received_at"])
    if isinstance(message, wire.Unreadable):
        return Refusal(Refused.UNREADABLE, REASONS[message.reason])
    # An aggregator's message stays the aggregator's: its id is unique among its own.
    return msgspec.structs.replace(message, source=row["source"])


async def _close(connection: Connection, item_id: str, **resolution: Any) -> None:
    await quarantine.resolve(connection, item_id, **resolution)
    await audit.note(
        connection,
        at=resolution["at"],
        actor=resolution["by"],
        action=f"quarantine.{resolution['status']}",
        target=item_id,
    )


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """An item as smsgate's API shows it; `raw` is the JSON that came, parsed where it parses."""
    reason = row["reason"].partition(":")[0]
    try:
        raw: Any = json.loads(row["raw"])
    except ValueError:
        raw = row["raw"].decode("utf-8", "replace")
    item = {
        "id": row["id"],
        "source": row["source"],
        "gateway": row["gateway"],
        "reason": row["reason"],
        "explanation": REASONS.get(reason, ""),
        "raw": jsontext.storable_tree(raw),
        "received": to_iso(row["received_at"]),
        "times_seen": row["seen_count"],
        "status": row["status"],
    }
    if row["resolved_at"] is not None:
        item["resolved"] = to_iso(row["resolved_at"])
        item["resolved_by"] = row["resolved_by"]
        item["resolution"] = row["resolution"]
        item["message"] = row["inbound_id"]
    return item
