"""Plain builders of what tests put in."""

from __future__ import annotations

import base64
import itertools
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from smsgate.ids import new_id
from smsgate.message import OutboundMessage, State, StatusReport
from smsgate.outbox import row_of
from smsgate.simulate.rows import Sms
from smsgate.store.inbound import Arrival, content_hash, ref_hash
from smsgate.wire import STATE_OF

NOON = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
LEASE = timedelta(minutes=10)
SENDER = "+254712345678"

_numbers = itertools.count()


class Clock:
    """A clock that stands at noon until it is moved."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        """Let time pass: `clock.move(minutes=11)`."""
        self.at += timedelta(**by)


def sms(text: str = "1!ANC!Sam#23#2015", **changes: Any) -> dict[str, Any]:
    """An item of `messages` as a phone sends it, with an id and a sender of its own."""
    item = {
        "id": str(uuid.uuid4()),
        "from": f"+2547{next(_numbers) % 100_000_000:08d}",
        "content": text,
        "sms_sent": 1773057600000,
        "sms_received": 1773057601000,
    }
    return {key: value for key, value in {**item, **changes}.items() if value is not ...}


def sms_of(number: int, sender: str = "", text: str = "hi") -> Sms:
    """The text message of that number that a simulated phone carries; its sender's only one."""
    sender = sender or f"+2547000000{number:02d}"
    return Sms(id=f"in-{number}", sender=sender, text=text, sms_sent=1, sms_received=2)


def arrival(ref: str | None = None, text: str = "hello", **changes: Any) -> Arrival:
    """A message that arrived, as rows, with one reply."""
    ref = ref or str(uuid.uuid4())
    inbound_id, record_id = new_id(), new_id()
    sender = changes.pop("sender", SENDER)
    inbound = {
        "id": inbound_id,
        "source": "cht-gateway",
        "ref_hash": ref_hash(ref),
        "content_hash": content_hash(sender, text),
        "gateway_ref": ref,
        "gateway": "gateway",
        "sender": sender,
        "text": text,
        "raw": None,
        "record_id": record_id,
        "form": None,
        "sender_unknown": None,
        "id_conflict": False,
        "received_at": NOON,
        "sent_at": None,
        "gateway_received_at": None,
        "last_seen_at": NOON,
        **changes,
    }
    record = {
        "id": record_id,
        "inbound_id": inbound_id,
        "form": None,
        "sender": sender,
        "document": "{}",
        "reported_at": NOON,
        "created_at": NOON,
    }
    reply = row_of(outbound(record_id=record_id, inbound_id=inbound_id, kind="form_reply"))
    return Arrival(inbound, record, [reply])


def outbound(**changes: Any) -> OutboundMessage:
    """A message to be sent, pending since noon."""
    values: dict[str, Any] = {
        "id": new_id(),
        "recipient": SENDER,
        "text": "Thank you.",
        "created_at": NOON,
        "due_at": NOON,
        "expires_at": NOON + timedelta(hours=72),
        "state": State.PENDING,
    }
    return OutboundMessage(**{**values, **changes})


def report(message_id: str, status: str = "SENT", **changes: Any) -> StatusReport:
    """A phone's report on a message."""
    values: dict[str, Any] = {
        "message_id": message_id,
        "status": status,
        "state": STATE_OF.get(status),
        "gateway": "gateway",
        "at": NOON,
    }
    return StatusReport(**{**values, **changes})


def basic(name: str, password: str, charset: str = "utf-8") -> str:
    """An `Authorization` header."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode(charset)).decode()
