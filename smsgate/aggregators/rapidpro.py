"""RapidPro and TextIt: texts come from a flow, and go out as broadcasts (protocol section 3).

A flow's *Call Webhook* brings a text, with a token in a header. The documented recipe gives the
run's id to each text of the run, so the same id may come with another text. Sending makes one
broadcast a message; what became of it is asked for, as nothing is reported. A broadcast's own
status says how far RapidPro is with it, never what a phone did.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from smsgate.aggregators import reading
from smsgate.aggregators.base import (
    INCOMING,
    Accepted,
    Acknowledgement,
    Aggregator,
    Answer,
    Ask,
    BadCall,
    Call,
    Denied,
    Heard,
    Options,
    Outcome,
    Push,
    Refused,
    Report,
    Secret,
    Taken,
    Unclear,
    Unreadable,
    Unready,
    any_matches,
)
from smsgate.message import InboundMessage, State

_TOKEN = re.compile(r"Token +(?P<token>\S.*)\Z", re.DOTALL)
_NOT_SAVED = "Message was not saved"

# What RapidPro says of one message (version 9 and after; `read` is a newer word for `delivered`).
STATE_OF: Final[Mapping[str, State]] = {
    "queued": State.RECEIVED_BY_GATEWAY,
    "initializing": State.RECEIVED_BY_GATEWAY,
    "pending": State.RECEIVED_BY_GATEWAY,
    "errored": State.RECEIVED_BY_GATEWAY,  # RapidPro will try again
    "wired": State.FORWARDED_BY_GATEWAY,
    "sent": State.SENT,
    "resent": State.SENT,
    "delivered": State.DELIVERED,
    "read": State.DELIVERED,
    "failed": State.FAILED,
}
# What it says of a broadcast, and of no message.
BROADCAST: Final = frozenset({"pending", "queued", "started", "completed", "sent"})
BROADCAST_ENDED: Final = frozenset({"failed", "interrupted"})


class RapidPro(Aggregator):
    """See the module."""

    name: str = "rapidpro"
    aliases: tuple[str, ...] = ("radpidpro",)  # as an address of the CHT's is spelled
    credential_prefixes: tuple[str, ...] = ("rapidpro",)
    endpoints: tuple[str, ...] = (INCOMING,)
    content_identity: bool = True
    signs_body: bool = False

    def verify(self, call: Call, secrets: Sequence[Secret], options: Options) -> Denied | None:
        """See `Aggregator.verify`; in the CHT's order."""
        shown = _TOKEN.match(call.headers.get("authorization", ""))
        if shown is None:
            return Denied("Missing authorization token")
        if not secrets:
            return Denied("No incoming key configured")
        return None if any_matches(secrets, shown["token"]) else Denied("Incorrect token")

    def read(self, call: Call, options: Options) -> Heard | BadCall:
        """See `Aggregator.read`."""
        item = reading.json_object(call.body)
        if item is None:
            return BadCall("Invalid JSON in request body")
        found: dict[str, str] = {}
        for name in ("id", "from", "content"):
            value = reading.text(item.get(name))
            if not value:
                return Heard(unreadable=[Unreadable(f"missing_{name}", reading.raw_json(item))])
            found[name] = value
        message = InboundMessage(
            source=self.name,
            gateway=self.name,
            gateway_ref=found["id"],
            sender=found["from"].removeprefix("tel:"),  # a recipe that forgets to cut it off
            text=found["content"],
            received_at=call.at,
        )
        return Heard(messages=[message])

    def meaning(self, status: str) -> State | None:
        """See `Aggregator.meaning`."""
        return STATE_OF.get(status)

    def acknowledge(self, call: Call, taken: Taken, options: Options) -> Acknowledgement | BadCall:
        """200 for a repeat, as a flow must not take it for a failure (decision 9)."""
        own = options.own.get("rapidpro")
        strict = isinstance(own, Mapping) and own.get("strict_duplicates") is True
        if not taken.saved and (strict or not taken.duplicates):
            return BadCall(_NOT_SAVED)
        return Acknowledgement.json({"saved": taken.saved})

    def compose(self, push: Push, secret: Secret | None, options: Options) -> Ask | Unready:
        """See `Aggregator.compose`."""
        ready = _ready(secret, options)
        if isinstance(ready, Unready):
            return ready
        url, headers = ready
        return Ask(
            "POST",
            f"{url}/api/v2/broadcasts.json",
            {**headers, "content-type": "application/json"},
            reading.raw_json({"urns": [f"tel:{push.recipient}"], "text": push.text}),
        )

    def interpret(self, answer: Answer) -> Outcome:
        """See `Aggregator.interpret`; 400 is the message's fault, 401 and 403 are ours."""
        if not 200 <= answer.status < 300:
            return _of_http(answer)
        value = reading.json_object(answer.body) or {}
        # Version 26 calls the number deprecated and keeps it; messages are found by either.
        reference = reading.text(value.get("id")) or reading.text(value.get("uuid"))
        if not reference:
            return Unclear(f"HTTP {answer.status} with an answer that is none of theirs")
        said = value.get("status")
        status = said if isinstance(said, str) and said else "queued"
        if status in BROADCAST_ENDED:
            return Refused(status, reference=reference)
        state = None if status in BROADCAST else self.meaning(status)
        return Accepted(state or State.RECEIVED_BY_GATEWAY, status, reference)

    def inquire(self, reference: str, secret: Secret | None, options: Options) -> Ask | None:
        """See `Aggregator.inquire`: the messages of a broadcast, of which there is one."""
        ready = _ready(secret, options)
        if isinstance(ready, Unready):
            return None
        url, headers = ready
        query = urlencode({"broadcast": reference}, errors="replace")
        return Ask("GET", f"{url}/api/v2/messages.json?{query}", headers)

    def reported(self, reference: str, answer: Answer) -> Report | Refused | None:
        """See `Aggregator.reported`. A broadcast they do not know any more says nothing."""
        if answer.status in (400, 404):
            return None
        if not 200 <= answer.status < 300:
            outcome = _of_http(answer)
            return outcome if isinstance(outcome, Refused) else None
        results = (reading.json_object(answer.body) or {}).get("results")
        first: Any = results[0] if isinstance(results, list) and results else None
        status = first.get("status") if isinstance(first, dict) else None
        if not isinstance(status, str) or not status:
            return None
        return Report(reference, status, self.meaning(status))


def _ready(secret: Secret | None, options: Options) -> tuple[str, dict[str, str]] | Unready:
    settings = options.sms.get("rapidpro")
    given = options.route.get("url") or (
        settings.get("url") if isinstance(settings, Mapping) else None
    )
    url = reading.address(given)
    if url is None:
        return Unready("set sms.rapidpro.url to an address such as https://rapidpro.example.org")
    if secret is None:
        return Unready("store the credential rapidpro:outgoing")
    if not reading.fits_a_header(secret):
        return Unready("store rapidpro:outgoing again, without a line break in it")
    return url, {"authorization": f"Token {secret}", "accept": "application/json"}


def _of_http(answer: Answer) -> Refused | Unclear:
    status = f"HTTP {answer.status}"
    if answer.status in (408, 425, 429) or answer.status >= 500:
        return Refused(status, retry=True, after=answer.retry_after)
    if answer.status in (400, 413, 422):
        return Refused(status)
    if answer.status >= 300:  # a wrong token (403), a wrong address: no message goes
        return Refused(status, pause=True)
    return Unclear(status)


aggregator = RapidPro()
