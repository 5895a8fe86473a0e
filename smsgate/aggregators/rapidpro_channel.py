"""smsgate as a channel of RapidPro (type "External API"): texts for our phones, and theirs back.

RapidPro's courier hands over what is to be sent (`outgoing-messages`), and is told what became of
it and what came in (`Notice`). Facts from `spec/aggregators.md` C3. Credentials: what courier's
"Authorization" holds is `rapidpro-channel:incoming`; the channel's UUID, which is all that courier
asks of us, is `rapidpro-channel:outgoing`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from smsgate.aggregators import reading
from smsgate.aggregators.base import (
    Acknowledgement,
    Aggregator,
    Answer,
    Ask,
    BadCall,
    Became,
    Call,
    CameIn,
    Denied,
    Heard,
    Notice,
    Options,
    Order,
    Refused,
    Secret,
    Stopped,
    Taken,
    Unready,
    any_matches,
)
from smsgate.clock import to_iso
from smsgate.message import State

ORDERS: Final = "outgoing-messages"
_FORM: Final = "application/x-www-form-urlencoded"
_SCHEME: Final = re.compile(r"(?:Token|Bearer|token|bearer) +")
# What courier is told; of other states it needs to know nothing: for it, 2xx was `wired`.
WORD_OF: Final[Mapping[State, str]] = {
    State.SENT: "sent",
    State.DELIVERED: "delivered",
    State.FAILED: "failed",
    State.DENIED: "failed",
    State.DUPLICATE: "failed",
    State.CLEARED: "failed",
    State.EXPIRED: "failed",
}


class RapidProChannel(Aggregator):
    """See the module."""

    name: str = "rapidpro-channel"
    credential_prefixes: tuple[str, ...] = ("rapidpro-channel",)
    endpoints: tuple[str, ...] = (ORDERS,)
    sends: bool = False
    listens: bool = True
    signs_body: bool = False

    def verify(self, call: Call, secrets: Sequence[Secret], options: Options) -> Denied | None:
        """By the fixed `Authorization` that the channel is given in RapidPro."""
        if not secrets:
            return Denied("No incoming key configured")
        given = call.headers.get("authorization", "")
        if not given:
            return Denied("Missing authorization token")
        said = _SCHEME.sub("", given, count=1) if _SCHEME.match(given) else given
        if any_matches(secrets, said) or any_matches(secrets, given):
            return None
        return Denied("Incorrect token")

    def read(self, call: Call, options: Options) -> Heard | BadCall:
        """One message to be sent. What cannot be read is an error: courier shows it as one."""
        if call.method == "GET":
            fields: Mapping[str, Any] = dict(call.query)
        elif call.content_type == "application/json":
            fields = reading.json_object(call.body) or {}
        else:
            fields = reading.form(call.body) or {}
        said = {name: reading.text(fields.get(name)) or "" for name in ("id", "uuid", "to", "text")}
        reference = said["id"] or said["uuid"]
        recipient = reading.number(said["to"]).removeprefix("tel:")
        missing = [
            name
            for name, value in (("id", reference), ("to", recipient), ("text", said["text"]))
            if not value.strip()
        ]
        if missing:
            return BadCall(f"Missing {', '.join(missing)}")
        return Heard(orders=[Order(reference, recipient, said["text"])])

    def acknowledge(self, call: Call, taken: Taken, options: Options) -> Acknowledgement:
        """Any 2xx is `wired` for courier; the words are what `mt_response_check` may look for."""
        return Acknowledgement.json({"message": "Message Accepted"})

    def tell(self, notice: Notice, secret: Secret | None, options: Options) -> Ask | Unready | None:
        """See `Aggregator.tell`."""
        own = options.own.get("rapidpro_channel")
        base = reading.address(own.get("url")) if isinstance(own, Mapping) else None
        if base is None:
            return Unready("set smsgate.rapidpro_channel.url, such as https://rapidpro.example.org")
        channel = _uuid(secret or "")
        if channel is None:
            return Unready("store the channel's UUID as the credential rapidpro-channel:outgoing")
        told = _words(notice)
        if told is None:
            return None
        word, form = told
        return Ask(
            "POST",
            f"{base}/c/ex/{channel}/{word}",
            {"content-type": _FORM, "accept": "application/json"},
            urlencode(form, errors="replace").encode(),
        )

    def told(self, answer: Answer) -> Refused | None:
        """See `Aggregator.told`."""
        status = answer.status
        if 200 <= status < 300:
            return None
        word = f"HTTP {status}"
        if status in (408, 425, 429) or status >= 500:
            return Refused(word, retry=True, after=answer.retry_after)
        if status == 400 and b"channel not found" not in answer.body.lower():
            return Refused(word)  # a message it does not know: no use in saying it again
        return Refused(word, pause=True)


def _words(notice: Notice) -> tuple[str, dict[str, str]] | None:
    match notice:
        case Became(reference, state):
            key = "uuid" if _uuid(reference) else "id"
            return (WORD_OF[state], {key: reference}) if state in WORD_OF else None
        case CameIn(sender, text, at):
            return "receive", {"from": sender, "text": text, "date": to_iso(at)}
        case Stopped(number):
            return "stopped", {"from": number}


def _uuid(text: str) -> str | None:
    try:
        return str(uuid.UUID(text.strip())) if len(text.strip()) == 36 else None
    except ValueError:
        return None


aggregator = RapidProChannel()
