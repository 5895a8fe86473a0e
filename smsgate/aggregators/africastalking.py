"""Africa's Talking: bulk SMS with callbacks (protocol section 2, aggregators C2).

Callbacks are forms, unsigned; the secret is `?key=` in their address, or a header, so that a proxy
can keep it out of addresses. Sending takes no id of ours: a request whose answer got lost may have
sent the text, and repeating it may send it twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from smsgate.aggregators import reading
from smsgate.aggregators.base import (
    INCOMING,
    OPT_OUTS,
    REPORTS,
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
    Wish,
    any_matches,
)
from smsgate.message import InboundMessage, State

LIVE: Final = "https://api.africastalking.com"
SANDBOX: Final = "https://api.sandbox.africastalking.com"
KEY_HEADER: Final = "x-api-key"
_FORM = "application/x-www-form-urlencoded"
_DO_NOT_DISTURB_SECONDS = 3600.0  # Nigeria's networks refuse from 20:00 to 08:00: ask every hour
_LONGEST_STATUS = 80

# What delivery reports say. `AbsentSubscriber` and `Expired` are final (decision 15).
STATE_OF: Final[Mapping[str, State]] = {
    "Sent": State.FORWARDED_BY_GATEWAY,
    "Submitted": State.SENT,
    "Buffered": State.SENT,
    "Rejected": State.FAILED,
    "Failed": State.FAILED,
    "AbsentSubscriber": State.FAILED,
    "Expired": State.FAILED,
    "Success": State.DELIVERED,
}

# What the answer to a request says of its one recipient (decision 16).
ACCEPTED: Final[Mapping[int, tuple[str, State]]] = {
    100: ("Processed", State.FORWARDED_BY_GATEWAY),
    101: ("Sent", State.SENT),
    102: ("Queued", State.RECEIVED_BY_GATEWAY),
}
REFUSED: Final[Mapping[int, Refused]] = {
    401: Refused("RiskHold", pause=True),
    402: Refused("InvalidSenderId", pause=True),
    403: Refused("InvalidPhoneNumber"),
    404: Refused("UnsupportedNumberType"),
    405: Refused("InsufficientBalance", pause=True),
    406: Refused("UserInBlacklist", state=State.DENIED),
    407: Refused("CouldNotRoute", retry=True),
    409: Refused("DoNotDisturbRejection", retry=True, after=_DO_NOT_DISTURB_SECONDS),
    500: Refused("InternalServerError", retry=True),
    501: Refused("GatewayError", retry=True),
    502: Refused("RejectedByGateway", retry=True),
}
_BY_NAME = {refused.status: refused for refused in REFUSED.values()}
_SENT_TO = re.compile(r"Sent to (?P<some>[0-9]{1,9})/")
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9 _.:-]*\Z")


class AfricasTalking(Aggregator):
    """See the module."""

    name: str = "africastalking"
    aliases: tuple[str, ...] = ("africas-talking",)
    credential_prefixes: tuple[str, ...] = ("africastalking.com", "africastalking")
    endpoints: tuple[str, ...] = (INCOMING, REPORTS, OPT_OUTS)
    signs_body: bool = False

    def verify(self, call: Call, secrets: Sequence[Secret], options: Options) -> Denied | None:
        """See `Aggregator.verify`; a key given twice is wrong, as at the CHT."""
        if not secrets:
            return Denied("No incoming key configured")
        keys = [value for name, value in call.query if name == "key"]
        if not keys:
            keys = [call.headers[KEY_HEADER]] if KEY_HEADER in call.headers else []
        if len(keys) == 1 and any_matches(secrets, keys[0]):
            return None
        return Denied("Incorrect token")

    def read(self, call: Call, options: Options) -> Heard | BadCall:
        """See `Aggregator.read`. What is no form says nothing, as at the CHT, but is kept."""
        if not call.body.strip():
            return Heard(ignored=1)
        fields = reading.form(call.body) if call.content_type == _FORM else None
        if fields is None:
            return Heard(unreadable=[Unreadable("unreadable_form", call.body)])
        if call.endpoint == INCOMING:
            return _incoming(fields, call)
        if call.endpoint == REPORTS:
            return self._report(fields)
        return _opt_out(fields)

    def meaning(self, status: str) -> State | None:
        """See `Aggregator.meaning`; capitals count."""
        return STATE_OF.get(status)

    def acknowledge(self, call: Call, taken: Taken, options: Options) -> Acknowledgement | BadCall:
        """The CHT's answer: 200 with a count, so that nothing known is sent again."""
        if taken.unknown is not None and options.own.get("strict_statuses") is True:
            fields = reading.form(call.body) or {}
            status, reference = (fields.get(name, "undefined") for name in ("status", "id"))
            return BadCall(
                f'Unknown status code: "{status}", gateway message reference: "{reference}"'
            )
        return Acknowledgement.json({"saved": taken.saved})

    def _report(self, fields: Mapping[str, str]) -> Heard:
        reference, status = fields.get("id", ""), fields.get("status", "")
        if not reference:
            return Heard(unreadable=[Unreadable("unreadable_update", reading.raw_json(fields))])
        reason = fields.get("failureReason") or None
        return Heard(reports=[Report(reference, status, self.meaning(status), reason)])

    def compose(self, push: Push, secret: Secret | None, options: Options) -> Ask | Unready:
        """See `Aggregator.compose`. Without a sender id there is no `from` (decision 16)."""
        account = options.sms.get("africas_talking")
        username = account.get("username") if isinstance(account, Mapping) else None
        if not isinstance(username, str) or not username:
            return Unready("set sms.africas_talking.username in the settings")
        if secret is None:
            return Unready("store the credential africastalking.com:outgoing")
        if not reading.fits_a_header(secret):
            return Unready("store africastalking.com:outgoing again, without a line break in it")
        base = SANDBOX if username == "sandbox" else LIVE
        if "url" in options.route:
            given = reading.address(options.route["url"])
            if given is None:
                return Unready("the route's url is no address such as https://host")
            base = given
        fields = {"username": username, "to": push.recipient, "message": push.text}
        sender = reading.text(options.sms.get("reply_to"))
        if sender:
            fields["from"] = sender
        return Ask(
            "POST",
            f"{base}/version1/messaging",
            {"apikey": str(secret), "accept": "application/json", "content-type": _FORM},
            urlencode(fields, errors="replace").encode(),
        )

    def interpret(self, answer: Answer) -> Outcome:
        """See `Aggregator.interpret`."""
        if not 200 <= answer.status < 300:
            return _of_http(answer)
        value = reading.json_object(answer.body)
        data = value.get("SMSMessageData") if value is not None else None
        recipients = data.get("Recipients") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(recipients, list):
            return Unclear(f"HTTP {answer.status} with an answer that is none of theirs")
        if not recipients:
            return _of_message(data.get("Message"))
        first = recipients[0]
        return _of_recipient(first if isinstance(first, dict) else {})


def _incoming(fields: Mapping[str, str], call: Call) -> Heard:
    for theirs, name in (("id", "id"), ("from", "from"), ("text", "content")):
        if not fields.get(theirs):
            item = {"content" if key == "text" else key: value for key, value in fields.items()}
            return Heard(unreadable=[Unreadable(f"missing_{name}", reading.raw_json(item))])
    message = InboundMessage(
        source=AfricasTalking.name,
        gateway=AfricasTalking.name,
        gateway_ref=fields["id"],
        sender=reading.number(fields["from"]),
        text=fields["text"],
        received_at=call.at,
        sent_at=reading.time(fields.get("date")),
    )
    return Heard(messages=[message])


def _opt_out(fields: Mapping[str, str]) -> Heard:
    if "updateType" in fields:  # a premium subscription: paid for, and none of our messages
        return Heard(ignored=1)
    number = reading.number(fields.get("phoneNumber", ""))
    if not number.strip():
        return Heard(unreadable=[Unreadable("missing_number", reading.raw_json(fields))])
    return Heard(wishes=[Wish(number)])


def _of_http(answer: Answer) -> Outcome:
    status = f"HTTP {answer.status}"
    if answer.status in (408, 425, 429) or answer.status >= 500:
        return Refused(status, retry=True, after=answer.retry_after)
    if answer.status in (400, 413, 422):
        return Refused(status)
    if answer.status >= 300:  # a wrong key (401, in plain text), a wrong address: no message goes
        return Refused(status, pause=True)
    return Unclear(status)


def _of_message(said: Any) -> Outcome:
    # Without recipients the message says why: `InvalidSenderId`, or `Sent to 0/1 …`.
    words = said.strip() if isinstance(said, str) else ""
    if words in _BY_NAME:
        return _BY_NAME[words]
    sent = _SENT_TO.match(words)
    if sent is not None:
        return Unclear("Sent") if int(sent["some"]) else Refused("Sent to nobody", retry=True)
    known = _WORD.match(words) and len(words) <= _LONGEST_STATUS
    return Refused(words if known else "no recipients", retry=True)


def _of_recipient(recipient: Mapping[str, Any]) -> Outcome:
    code = reading.whole(recipient.get("statusCode"))
    reference = reading.text(recipient.get("messageId"))
    reference = None if reference in (None, "", "None") else reference
    if code is not None and code in ACCEPTED:
        status, state = ACCEPTED[code]
        return Accepted(
            state,
            status,
            reference,
            cost=reading.text(recipient.get("cost")),
            parts=reading.whole(recipient.get("messageParts")),
        )
    refused = REFUSED.get(code) if code is not None else None
    if refused is None:
        return Unclear(f"statusCode {code}" if code is not None else "no statusCode")
    return Refused(
        refused.status,
        retry=refused.retry,
        pause=refused.pause,
        state=refused.state,
        after=refused.after,
        reference=reference,
    )


aggregator = AfricasTalking()
