"""The use case of an integrator: messages to be sent, all of a request or none of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from smsgate import outbox, segments
from smsgate.admission import denial_of, recipient_of
from smsgate.clock import from_iso, to_iso
from smsgate.ids import new_id
from smsgate.jsontext import storable
from smsgate.message import OutboundMessage, State
from smsgate.programme import Programme
from smsgate.store import audit, idempotency
from smsgate.store import outbox as store
from smsgate.store.idempotency import Claim
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

LONGEST_TEXT = 1600
MOST_AT_ONCE = 1000
_KNOWN = frozenset({"to", "content", "due", "expires", "priority", "gateway"})
_PRIORITIES = range(-9, 10)
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with a request, a line each, naming item and key."""

    lines: Sequence[str]


def read_request(
    body: Any, *, programme: Programme, by: str, at: datetime
) -> list[OutboundMessage] | Faults:
    """The messages that a request body asks for: one object, or a list of them.

    Args:
        body: the JSON value that came.
        programme: the settings in force: number format, deny rules, expiry.
        by: the account that asks.
        at: now.
    """
    items = body if isinstance(body, list) else [body]
    if not items:
        return Faults(["the list is empty"])
    if len(items) > MOST_AT_ONCE:
        return Faults([f"at most {MOST_AT_ONCE} messages in one request"])
    messages: list[OutboundMessage] = []
    faults: list[str] = []
    for place, item in enumerate(items):
        made = _read_item(item, programme=programme, by=by, at=at)
        if isinstance(made, Faults):
            where = f"item {place}: " if isinstance(body, list) else ""
            faults += [where + line for line in made.lines]
        else:
            messages.append(made)
    return Faults(faults) if faults else messages


def _read_item(
    item: Any, *, programme: Programme, by: str, at: datetime
) -> OutboundMessage | Faults:
    if not isinstance(item, dict):
        return Faults(["a message must be an object"])
    faults = [f"unknown key {storable(key)!r}" for key in item if key not in _KNOWN]
    recipient = _recipient(item.get("to"), programme, faults)
    content = item.get("content")
    if not isinstance(content, str) or not content.strip():
        faults.append("content must be a text that is not empty")
    elif len(content) > LONGEST_TEXT:
        faults.append(f"content must not be longer than {LONGEST_TEXT} characters")
    due = _time(item, "due", at, faults)
    expires = _time(item, "expires", _later(max(due, at), programme.expires_after), faults)
    if not faults and expires <= max(due, at):
        faults.append("expires must be after due, and not in the past")
    priority = item.get("priority", 0)
    if isinstance(priority, bool) or not isinstance(priority, int) or priority not in _PRIORITIES:
        faults.append("priority must be a whole number from -9 to 9; 9 goes first")
    gateway = item.get("gateway")
    if gateway is not None and (not isinstance(gateway, str) or not gateway):
        faults.append("gateway must be the name of a phone's account")
    if faults:
        return Faults(faults)
    denial = denial_of(recipient, programme)
    state = State.SCHEDULED if due > at else State.PENDING
    return OutboundMessage(
        id=new_id(),
        recipient=recipient,
        text=str(content),
        created_at=at,
        due_at=due,
        expires_at=expires,
        expires_fixed=item.get("expires") is not None,
        state=State.DENIED if denial else state,
        details={"reason": denial} if denial else {},
        priority=priority,
        gateway=None if gateway is None else storable(gateway),
        created_by=by,
    )


def _recipient(value: Any, programme: Programme, faults: list[str]) -> str:
    if not isinstance(value, str) or not value.strip():
        faults.append("to must be a phone number")
        return ""
    number = recipient_of(value, programme)
    if number is None:
        faults.append("to is not a valid phone number here: give it as +<country code><number>")
        return ""
    return number


def _time(item: Mapping[str, Any], key: str, default: datetime, faults: list[str]) -> datetime:
    value = item.get(key)
    if value is None:
        return default
    moment = from_iso(value) if isinstance(value, str) else None
    if moment is None:
        faults.append(f"{key} must be an ISO 8601 time such as {to_iso(default)}")
        return default
    return moment


def _later(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:  # the calendar ends in the year 9999
        return _LAST


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a request: `status` and JSON text; `misused` for a key with another body."""

    status: int
    answer: str
    misused: bool = False


@dataclass(frozen=True, slots=True)
class Enqueue(Job[Outcome]):
    """Put messages in the queue, once for an idempotency key."""

    messages: Sequence[OutboundMessage]
    answer: str
    by: str
    at: datetime
    claim: Claim | None = None
    most_parts: int = segments.MOST_PARTS

    @property
    def weight(self) -> int:
        """Roughly how many rows it writes."""
        return 2 * len(self.messages) + 2

    async def run(self, connection: Connection) -> Outcome:
        """See `Job.run`."""
        if self.claim is not None:
            kept = await idempotency.claim(connection, self.claim, at=self.at)
            if kept is not None:
                return Outcome(kept.status, kept.answer, misused=not kept.same_body)
            await idempotency.keep(connection, self.claim, status=201, answer=self.answer)
        rows = [outbox.row_of(message, most_parts=self.most_parts) for message in self.messages]
        await store.add_messages(connection, rows)
        await audit.note(
            connection,
            at=self.at,
            actor=self.by,
            action="message.send",
            details={"count": len(self.messages)},
        )
        return Outcome(201, self.answer)


_UNTOUCHED = {"attempts": 0, "taken_over": 0, "retries": 0}


def preview(message: OutboundMessage, *, most_parts: int) -> dict[str, Any]:
    """A message as `story` will show it, before it is stored: the answer to the request."""
    row = outbox.row_of(message, most_parts=most_parts)
    first = {
        "state": row["state"],
        "details": row["details"],
        "at": row["created_at"],
        "gateway": None,
        "status": None,
        "applied": True,
    }
    return story(
        {**row, "gateway_ref": None, "lease_owner": None, "route": None, **_UNTOUCHED}, [first], []
    )


def story(
    row: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    attempts: Sequence[Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """An outbound message as smsgate's API shows it (CONTRACT: `/api/v1/messages/{id}`).

    `attempts` to hand it to an aggregator are shown where they are given.
    """
    pushed = {} if attempts is None else {"handed_over": [_attempt(one) for one in attempts]}
    # In the hands of a worker it is with nobody yet.
    holder = None if row["state"] == State.PENDING else row["lease_owner"]
    return {
        "id": row["id"],
        "direction": "outbound",
        "to": row["recipient"],
        "content": row["text"],
        "original_content": row["original_text"],
        "kind": row["kind"],
        "state": row["state"],
        "state_details": json.loads(row["details"]) if row["details"] else None,
        "state_history": [_history_entry(entry) for entry in history],
        "gateway_ref": row["gateway_ref"],
        "gateway": holder or row["gateway"],
        "route": row["route"],
        "created": to_iso(row["created_at"]),
        "due": to_iso(row["due_at"]),
        "expires": to_iso(row["expires_at"]),
        "priority": -row["rank"],
        "attempts": row["attempts"],
        "taken_over": row["taken_over"],
        "retries": row["retries"],
        "segments": row["segments"],
        "record": row["record_id"],
        "in_reply_to": row["inbound_id"],
        **pushed,
    }


def _attempt(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "attempt": row["number"],
        "route": row["route"],
        "started": to_iso(row["started_at"]),
        "ended": to_iso(row["ended_at"]) if row["ended_at"] else None,
        "outcome": row["outcome"],
        "status": row["status"],
        "gateway_ref": row["gateway_ref"],
        "cost": row["cost"],
        "parts": row["parts"],
    }


def _history_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    shown = {
        "state": entry["state"],
        "details": json.loads(entry["details"]) if entry["details"] else None,
        "timestamp": to_iso(entry["at"]),
    }
    if entry["gateway"]:
        shown["gateway"] = entry["gateway"]
    if entry["status"]:
        shown["status"] = entry["status"]
    if not entry["applied"]:
        shown["applied"] = False
    return shown


def arrival_story(row: Mapping[str, Any]) -> dict[str, Any]:
    """An inbound message as smsgate's API shows it."""
    return {
        "id": row["id"],
        "direction": "inbound",
        "from": row["sender"],
        "content": row["text"],
        "segments": segments.count(row["text"] or "").segments,
        "state": "received",
        "state_history": [
            {"state": "received", "details": None, "timestamp": to_iso(row["received_at"])}
        ],
        "source": row["source"],
        "gateway_ref": row["gateway_ref"],
        "gateway": row["gateway"],
        "received": to_iso(row["received_at"]),
        "sent": to_iso(row["sent_at"]) if row["sent_at"] else None,
        "gateway_received": (
            to_iso(row["gateway_received_at"]) if row["gateway_received_at"] else None
        ),
        "form": row["form"],
        "record": row["record_id"],
        "times_seen": row["seen_count"],
        "id_conflict": row["id_conflict"],
    }
