"""The rows of a phone's database, and the batch that one poll makes of them.

Source: the Android client's behaviour (protocol specification §1.7).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

import msgspec

MESSAGES_PER_POLL = 10
UPDATES_PER_POLL = 20


class Status(StrEnum):
    """What the phone calls the stages of an outbound SMS; the words of the wire."""

    UNSENT = "UNSENT"
    PENDING = "PENDING"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class Sms(msgspec.Struct, kw_only=True, tag="sms"):
    """An SMS the phone received and has to carry to the server. Times are epoch milliseconds."""

    id: str
    sender: str
    text: str
    sms_sent: int
    sms_received: int
    forwarded: bool = False


class Report(msgspec.Struct, kw_only=True):
    """One status an outbound SMS took on; `told` once the server acknowledged it."""

    status: Status
    at: int
    reason: str | None = None
    told: bool = False


class Outgoing(msgspec.Struct, kw_only=True, tag="outgoing"):
    """An SMS the server asked the phone to send.

    `fate` is the reason with which this one will fail, None for one that will arrive. `offers`
    counts how often the server handed it over, `conflicts` how often with another text or
    recipient than at first, `late_offers` how often after its final status was acknowledged.
    """

    id: str
    to: str
    content: str
    fate: str | None = None
    offers: int = 1
    conflicts: int = 0
    late_offers: int = 0
    reports: list[Report]

    @property
    def status(self) -> Status:
        """The latest stage."""
        return self.reports[-1].status

    @property
    def final(self) -> bool:
        """Whether the radio is done with it."""
        return self.status in (Status.DELIVERED, Status.FAILED)


Row = Sms | Outgoing


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll says. `again` is true where the last poll said the same and was not heard."""

    messages: tuple[Sms, ...]
    updates: tuple[tuple[Outgoing, Report], ...]
    again: bool = False

    @property
    def full(self) -> bool:
        """Whether more may be waiting behind it, so that a heard poll is followed by another."""
        return len(self.messages) == MESSAGES_PER_POLL or len(self.updates) == UPDATES_PER_POLL

    def body(self) -> bytes:
        """The request body; both arrays are always there (protocol §1.7)."""
        updates = []
        for outgoing, report in self.updates:
            update = {"id": outgoing.id, "status": report.status.value}
            if report.status is Status.FAILED and report.reason is not None:
                update["reason"] = report.reason
            updates.append(update)
        messages = [
            {
                "sms_received": sms.sms_received,
                "sms_sent": sms.sms_sent,
                "content": sms.text,
                "from": sms.sender,
                "id": sms.id,
            }
            for sms in self.messages
        ]
        document = {"messages": messages, "updates": updates}
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
