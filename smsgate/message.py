"""The values that travel through smsgate: a message in, a message out, a report on one.

They are frozen, know nothing of HTTP or SQL, and every room may import them.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class State(StrEnum):
    """Where an outbound message is. Ours; what a phone or an aggregator says is a *status*.

    Names are the CHT's (`docs/states.md`); `expired` and `unknown` are smsgate's own.
    """

    SCHEDULED = "scheduled"
    PENDING = "pending"
    FORWARDED_TO_GATEWAY = "forwarded-to-gateway"
    RECEIVED_BY_GATEWAY = "received-by-gateway"
    FORWARDED_BY_GATEWAY = "forwarded-by-gateway"
    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"
    DENIED = "denied"
    DUPLICATE = "duplicate"
    MUTED = "muted"
    CLEARED = "cleared"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class InboundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One text that arrived, as its carrier gave it.

    `source` is `cht-gateway` for phones or the aggregator's plugin name; `gateway_ref` is the
    carrier's id for the message; `gateway` is the account that brought it. `sent_at` and
    `gateway_received_at` are what the carrier claims, None where it claims nothing readable.
    `raw` is what arrived, byte for byte, for quarantine and audit.
    """

    source: str
    gateway_ref: str
    sender: str
    text: str
    received_at: datetime
    gateway: str = ""
    sent_at: datetime | None = None
    gateway_received_at: datetime | None = None
    raw: bytes = b""


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a phone or an aggregator says became of an outbound message.

    `message_id` is our id. `state` is what their `status` means, None where the word is not known
    (it is kept in the history and changes nothing). `former` says that it is about an attempt
    before the present one, whatever `message_id` says of that.
    """

    message_id: str
    status: str
    state: State | None
    reason: str | None = None
    gateway: str = ""
    at: datetime
    former: bool = False


class OutboundMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One text to be sent. `details` says why where it starts in another state than `pending`."""

    id: str
    recipient: str
    text: str
    created_at: datetime
    due_at: datetime
    expires_at: datetime
    expires_fixed: bool = False
    state: State = State.PENDING
    details: dict[str, Any] = msgspec.field(default_factory=dict)
    priority: int = 0
    kind: str = "message"
    record_id: str | None = None
    inbound_id: str | None = None
    gateway: str | None = None
    created_by: str = ""
