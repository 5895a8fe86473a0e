"""The cht-gateway app's words, read and written (protocol section 1): pure, no I/O.

One poll is `{"messages": [...], "updates": [...]}`. Each item stands alone: what cannot be read is
set aside with the reason and its raw JSON, and its neighbours go through (decision 4).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from smsgate import jsontext
from smsgate.clock import from_ms, to_ms
from smsgate.message import InboundMessage, State, StatusReport

SOURCE: Final = "cht-gateway"

STATE_OF: Final = {
    "UNSENT": State.RECEIVED_BY_GATEWAY,
    "PENDING": State.FORWARDED_BY_GATEWAY,
    "SENT": State.SENT,
    "DELIVERED": State.DELIVERED,
    "FAILED": State.FAILED,
}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that is no message; `reason` is a word of the quarantine, `raw` its JSON."""

    reason: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Poll:
    """What a phone said: texts it carries, reports on ours, and items that are neither."""

    messages: Sequence[InboundMessage] = field(default_factory=tuple)
    reports: Sequence[StatusReport] = field(default_factory=tuple)
    unreadable: Sequence[Unreadable] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class BadBody:
    """The body as a whole is not a poll: 400, nothing is written."""

    message: str


def read_poll(body: bytes, *, gateway: str, at: datetime) -> Poll | BadBody:
    """Read a poll's body.

    Args:
        body: the inflated request body; empty and `[]` are an empty poll.
        gateway: the account that polls.
        at: when it arrived.
    """
    if not body.strip():
        return Poll()
    value = jsontext.read(body)
    if isinstance(value, jsontext.BadJson):
        return BadBody("Invalid JSON in request body")
    if value == []:
        return Poll()
    if not isinstance(value, dict):
        return BadBody("The request body must be a JSON object")
    items, updates = value.get("messages"), value.get("updates")
    for name, part in (("messages", items), ("updates", updates)):
        if part is not None and not isinstance(part, list):
            return BadBody(f'"{name}" must be an array')
    return _read_items(items or (), updates or (), gateway=gateway, at=at)


def _read_items(
    items: Sequence[Any], updates: Sequence[Any], *, gateway: str, at: datetime
) -> Poll:
    messages: list[InboundMessage] = []
    reports: list[StatusReport] = []
    unreadable: list[Unreadable] = []
    for item in items:
        message = read_message(item, gateway=gateway, at=at)
        if isinstance(message, InboundMessage):
            messages.append(message)
        else:
            unreadable.append(message)
    for item in updates:
        report = read_report(item, gateway=gateway, at=at)
        if report is not None:
            reports.append(report)
        else:
            unreadable.append(Unreadable("unreadable_update", raw_json(item)))
    return Poll(messages, reports, unreadable)


def read_message(item: Any, *, gateway: str, at: datetime) -> InboundMessage | Unreadable:
    """Read one item of `messages`. Numbers are taken as their text; an empty text is a text."""
    if not isinstance(item, dict):
        return Unreadable("not_an_object", raw_json(item))
    found: dict[str, str] = {}
    for name in ("id", "content", "from"):
        text = _text(item.get(name))
        if text is None or (not text and name != "content"):
            return Unreadable(f"missing_{name}", raw_json(item))
        found[name] = text
    return InboundMessage(
        source=SOURCE,
        gateway_ref=found["id"],
        sender=found["from"],
        text=found["content"],
        received_at=at,
        gateway=gateway,
        sent_at=_claimed(item.get("sms_sent")),
        gateway_received_at=_claimed(item.get("sms_received")),
        raw=b"",
    )


def read_report(item: Any, *, gateway: str, at: datetime) -> StatusReport | None:
    """Read one item of `updates`, None where it names no message."""
    if not isinstance(item, dict):
        return None
    message_id = _text(item.get("id"))
    if not message_id:
        return None
    status = _text(item.get("status")) or ""
    state = STATE_OF.get(status)
    reason = _text(item.get("reason")) or None
    return StatusReport(
        message_id=jsontext.storable(message_id),
        status=jsontext.storable(status),
        state=state,
        reason=jsontext.storable(reason) if reason and state is not None else None,
        gateway=gateway,
        at=at,
    )


def write_message(message: InboundMessage) -> bytes:
    """A message as the item it came as, for keeping where it could not be stored as it was."""
    item: dict[str, Any] = {
        "id": message.gateway_ref,
        "from": message.sender,
        "content": message.text,
        "sms_sent": to_ms(message.sent_at) if message.sent_at else None,
        "sms_received": (
            to_ms(message.gateway_received_at) if message.gateway_received_at else None
        ),
    }
    return raw_json({key: value for key, value in item.items() if value is not None})


def write_answer(offers: Sequence[tuple[str, str, str]]) -> bytes:
    """The answer to a poll; `offers` are (id, recipient, text). Always an object, never empty."""
    messages = [{"id": id_, "to": to, "content": text} for id_, to, text in offers]
    return jsontext.write({"messages": messages}).encode()


def raw_json(item: Any) -> bytes:
    """An item as JSON again, escaped so that any text survives."""
    return json.dumps(item, ensure_ascii=True, separators=(",", ":")).encode()


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value)


def _claimed(value: Any) -> datetime | None:
    # 0 is how the app says "unknown" for a text of several parts (section 1.7).
    return from_ms(value) if value != 0 else None
