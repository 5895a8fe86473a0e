"""Twilio: texts and reports in (signed), texts out.

Credentials `twilio:incoming` and `twilio:outgoing` both hold the account's auth token: with it
Twilio signs what it calls, and by it we are known to Twilio. Facts from `spec/aggregators.md` C4;
the signature as Twilio's own validator reckons it (`tests/vectors/twilio-signatures.json`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from smsgate.aggregators import reading
from smsgate.aggregators.base import (
    INCOMING,
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

STATE_OF: Final[Mapping[str, State]] = {
    "accepted": State.RECEIVED_BY_GATEWAY,
    "scheduled": State.RECEIVED_BY_GATEWAY,
    "queued": State.RECEIVED_BY_GATEWAY,
    "sending": State.FORWARDED_BY_GATEWAY,
    "sent": State.SENT,
    "delivered": State.DELIVERED,
    "read": State.DELIVERED,
    "undelivered": State.FAILED,
    "failed": State.FAILED,
    "canceled": State.FAILED,
}
_UNSUBSCRIBED: Final = "21610"
# Of Twilio's error dictionary, those that are not what their HTTP status makes of them. A number
# that cannot be reached, a country that is not enabled (21408), a recipient that a trial account
# may not text (21608): these concern one message, which fails.
_PAUSES: Final = frozenset(
    {
        *("20003", "20005", "20006", "20008"),  # the account: key, suspended, no access, test key
        *("21212", "21603", "21606", "21659", "21660"),  # the sender: none, or none of ours
        *("21701", "21703", "21705"),  # the messaging service: missing, or without a number
        "21609",  # the address for status callbacks is none they can call
        "30002",  # account suspended
    }
)
_RETRIES: Final = frozenset({"20429", "14107", "21611", "30001", "63038"})  # rates, full queues
_ONE_MESSAGE_HTTP: Final = frozenset({400, 413, 422})  # another: the account (404: no such one)
_RETRYING_HTTP: Final = frozenset({408, 425, 429})
_HOST: Final = "https://api.twilio.com"
_LONGEST_VALIDITY: Final = 14_400  # seconds; what every account may ask for
_SID: Final = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_EMPTY: Final = Acknowledgement(
    b'<?xml version="1.0" encoding="UTF-8"?><Response/>', content_type="text/xml; charset=utf-8"
)


class Twilio(Aggregator):
    """See the module."""

    name: str = "twilio"
    credential_prefixes: tuple[str, ...] = ("twilio",)
    endpoints: tuple[str, ...] = (INCOMING, REPORTS)
    signs_body: bool = True

    def verify(self, call: Call, secrets: Sequence[Secret], options: Options) -> Denied | None:
        """By `X-Twilio-Signature`, over the address as Twilio called it and the parameters."""
        if not secrets:
            return Denied("No incoming key configured")
        given = call.headers.get("x-twilio-signature", "").strip()
        if not given:
            return Denied("Missing signature")
        if not _body_is_covered(call):
            return Denied("Incorrect signature")
        algorithm = "sha256" if _says_sha256(call) else "sha1"
        tail = "".join(name + value for name, value in sorted(set(_signed(call))))
        right = [
            Secret(_signature(secret, address + tail, algorithm))
            for secret in secrets
            for address in _addresses(call, options)
        ]
        return None if any_matches(right, given) else Denied("Incorrect signature")

    def read(self, call: Call, options: Options) -> Heard | BadCall:
        """A text or a report: told apart by what it holds, as both can be given one address."""
        fields = _fields(call)
        if not fields:
            return BadCall("No parameters")
        status = fields.get("MessageStatus") or fields.get("SmsStatus", "")
        sid = fields.get("MessageSid") or fields.get("SmsSid") or fields.get("SmsMessageSid", "")
        if "Body" in fields and status.lower() in ("", "received", "receiving"):
            return _message(self.name, sid, fields, call)
        if "From" in fields and "NumMedia" in fields and not fields.get("MessageStatus"):
            return _message(self.name, sid, fields, call)
        if not sid or not status:
            return Heard(unreadable=(Unreadable("unreadable_update", reading.raw_json(fields)),))
        return Heard(reports=(self._report(sid, status, fields.get("ErrorCode", "")),))

    def meaning(self, status: str) -> State | None:
        """See `Aggregator.meaning`."""
        return STATE_OF.get(status.lower())

    def acknowledge(self, call: Call, taken: Taken, options: Options) -> Acknowledgement:
        """Empty TwiML: no reply by this answer; replies go through the queue."""
        return _EMPTY

    def compose(self, push: Push, secret: Secret | None, options: Options) -> Ask | Unready:
        """See `Aggregator.compose`."""
        account = _account(options)
        if isinstance(account, Unready):
            return account
        if secret is None:
            return Unready("store the auth token as the credential twilio:outgoing")
        sender = _sender(options)
        if sender is None:
            return Unready("set smsgate.twilio.from or smsgate.twilio.messaging_service_sid")
        form = {"To": push.recipient, **sender, "Body": push.text}
        if options.callback_url:
            form["StatusCallback"] = f"{options.callback_url}/api/v1/sms/{self.name}/{REPORTS}"
        if push.seconds_left is not None:
            form["ValidityPeriod"] = str(min(max(push.seconds_left, 1), _LONGEST_VALIDITY))
        return Ask(
            "POST",
            f"{_base(options, account)}/Messages.json",
            {
                **_authorization(account, secret),
                "content-type": "application/x-www-form-urlencoded",
            },
            urlencode(form, errors="replace").encode(),
        )

    def interpret(self, answer: Answer) -> Outcome:
        """See `Aggregator.interpret`."""
        said = _object(answer.body)
        code = _text(said.get("code") or said.get("error_code"))
        if 200 <= answer.status < 300:
            sid, status = _text(said.get("sid")), _text(said.get("status"))
            if not sid:
                return Unclear(f"HTTP {answer.status} without a sid")
            state = self.meaning(status) or State.RECEIVED_BY_GATEWAY
            if state is State.FAILED:
                return _refusal(code, answer, status, reference=sid)
            price = " ".join(filter(None, (_text(said.get(k)) for k in ("price_unit", "price"))))
            return Accepted(
                state,
                status,
                reference=sid,
                cost=price if said.get("price") else None,
                parts=reading.whole(said.get("num_segments")),
            )
        return _refusal(code, answer, f"HTTP {answer.status}")

    def inquire(self, reference: str, secret: Secret | None, options: Options) -> Ask | None:
        """Asked for only where Twilio has no address to report to."""
        account = _account(options)
        if options.callback_url or secret is None or isinstance(account, Unready):
            return None
        if not _SID.fullmatch(reference):
            return None
        url = f"{_base(options, account)}/Messages/{reference}.json"
        return Ask("GET", url, _authorization(account, secret))

    def reported(self, reference: str, answer: Answer) -> Report | Refused | None:
        """See `Aggregator.reported`."""
        said = _object(answer.body)
        if 200 <= answer.status < 300 and _text(said.get("status")):
            return self._report(reference, _text(said["status"]), _text(said.get("error_code")))
        refusal = _refusal(_text(said.get("code")), answer, f"HTTP {answer.status}")
        return refusal if refusal.pause or refusal.after is not None else None

    def _report(self, sid: str, status: str, error: str) -> Report:
        state = self.meaning(status)
        if state is State.FAILED and error == _UNSUBSCRIBED:
            state = State.DENIED
        return Report(sid, status, state, reason=error or None)


def _message(source: str, sid: str, fields: Mapping[str, str], call: Call) -> Heard:
    sender = fields.get("From", "")
    if not sid or not sender:
        reason = "missing_from" if sid else "missing_id"
        item = {**fields, "id": sid, "from": sender, "content": fields.get("Body", "")}
        return Heard(unreadable=(Unreadable(reason, reading.raw_json(item)),))
    message = InboundMessage(
        source=source,
        gateway=source,
        gateway_ref=sid,
        sender=sender,
        text=fields.get("Body", ""),  # empty where there was a picture alone; it is kept
        received_at=call.at,
    )
    # Set where Twilio itself keeps the list ("Advanced Opt-Out"). The text is kept like any other.
    wish = {"STOP": True, "START": False}.get(fields.get("OptOutType", "").upper())
    return Heard((message,), wishes=() if wish is None else (Wish(sender, stop=wish),))


def _refusal(code: str, answer: Answer, otherwise: str, reference: str | None = None) -> Refused:
    http = answer.status
    retry = code in _RETRIES or (code not in _PAUSES and (http in _RETRYING_HTTP or http >= 500))
    pause = code in _PAUSES or (not retry and http >= 300 and http not in _ONE_MESSAGE_HTTP)
    return Refused(
        code or otherwise,
        retry=retry,
        pause=pause,
        state=State.DENIED if code == _UNSUBSCRIBED else State.FAILED,
        after=answer.retry_after if retry else None,
        reference=reference,
    )


def _says_sha256(call: Call) -> bool:
    """Whether it is signed with a shared key rather than the auth token: another hash."""
    settings = call.headers.get("x-twilio-webhooks-signature-settings", "")
    return "algorithm=hmac_sha256" in settings.replace(" ", "").lower()


def _signature(secret: Secret, text: str, algorithm: str) -> str:
    digest = hmac.digest(
        secret.encode("utf-8", "surrogatepass"), text.encode("utf-8", "surrogatepass"), algorithm
    )
    return base64.b64encode(digest).decode()


def _is_form(call: Call) -> bool:
    return call.content_type in ("application/x-www-form-urlencoded", "")


def _signed(call: Call) -> list[tuple[str, str]]:
    """The pairs that are part of what is signed: those of a form in the body."""
    return reading.pairs(call.body) if call.method == "POST" and _is_form(call) else []


def _body_is_covered(call: Call) -> bool:
    """Whether a body that is no form is the one whose hash the signed address carries."""
    if not call.body or (call.method == "POST" and _is_form(call)):
        return True
    stated = parse_qs(urlsplit(call.url).query).get("bodySHA256", [""])[0]
    return Secret(hashlib.sha256(call.body).hexdigest()).matches(stated.lower())


def _addresses(call: Call, options: Options) -> Iterator[str]:
    """The addresses Twilio may have signed: as it came, and as it is from outside a proxy.

    Each with and without the port, as Twilio does either.
    """
    called = urlsplit(call.url)
    bases = [(called.scheme, called.netloc, "")]
    if options.callback_url:
        outside = urlsplit(options.callback_url)
        bases += [(outside.scheme, outside.netloc, path) for path in {"", outside.path}]
    for scheme, netloc, prefix in bases:
        path = prefix + called.path
        for place in (_without_port(netloc), _with_port(netloc, scheme)):
            yield urlunsplit((scheme, place, path, called.query, ""))


def _without_port(netloc: str) -> str:
    return re.sub(r":[0-9]*\Z", "", netloc)


def _with_port(netloc: str, scheme: str) -> str:
    if re.search(r":[0-9]+\Z", netloc):
        return netloc
    return f"{_without_port(netloc)}:{443 if scheme == 'https' else 80}"


def _fields(call: Call) -> dict[str, str]:
    if call.method == "GET":
        return dict(call.query)
    if _is_form(call):
        return dict(reading.pairs(call.body))
    return {name: _text(value) for name, value in _object(call.body).items()}


def _object(body: bytes) -> dict[str, Any]:
    return reading.json_object(body) or {}


def _text(value: object) -> str:
    return reading.text(value) or ""


def _setting(options: Options, key: str) -> str:
    """A setting of the route, else of `smsgate.twilio`."""
    shared = options.own.get("twilio")
    places = (options.route, shared if isinstance(shared, Mapping) else {})
    return next((_text(place[key]).strip() for place in places if _text(place.get(key))), "")


def _account(options: Options) -> str | Unready:
    account = _setting(options, "account_sid")
    if not account:
        return Unready("set smsgate.twilio.account_sid")
    if not _SID.fullmatch(account):
        return Unready("smsgate.twilio.account_sid must be AC and 32 hexadecimal digits")
    return account


def _sender(options: Options) -> dict[str, str] | None:
    if service := _setting(options, "messaging_service_sid"):
        return {"MessagingServiceSid": service}
    number = _setting(options, "from")
    return {"From": number} if number else None


def _base(options: Options, account: str) -> str:
    return f"{reading.address(_setting(options, 'url')) or _HOST}/2010-04-01/Accounts/{account}"


def _authorization(account: str, secret: Secret) -> dict[str, str]:
    pair = f"{account}:{secret}".encode("utf-8", "surrogatepass")
    return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}


aggregator = Twilio()
