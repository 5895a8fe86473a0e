"""A stand-in for Twilio: messages, status callbacks and texts that come in, signed.

Facts: `spec/aggregators.md` C4. `AUTH_TOKEN`s are this file's `key`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from smsgate.fakes.callbacks import Post
from smsgate.fakes.faults import Answer
from smsgate.fakes.reporting import Reporting
from smsgate.fakes.service import Request

ACCOUNT: Final = "AC" + "1b" * 16
_FORM: Final = "application/x-www-form-urlencoded"
_CODES: Final = {"20003": 401, "20429": 429, "21211": 400, "21606": 400, "21610": 400}


class Twilio(Reporting):
    """The service.

    A number that ends in one of the error codes 20003, 20429, 21211, 21606, 21610 gets that.

    Attributes:
        account: The account it knows.
        messages: What was taken: by `sid` its last status.
    """

    fail_word = "undelivered"

    def __init__(
        self,
        *,
        account: str = ACCOUNT,
        walk: Sequence[str] = ("sent", "delivered"),
        **options: Any,
    ) -> None:
        super().__init__(walk=walk, **options)
        self.account = account
        self.messages: dict[str, str] = {}

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        """See `Service.sends`."""
        form = request.form
        if request.method != "POST" or not form.get("To"):
            return []
        return [(form["To"], form.get("Body", ""))]

    def answer(self, request: Request) -> Answer:
        """See `Service.answer`."""
        pair = base64.b64encode(f"{self.account}:{self.key}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            return _error(20003, "Authenticate", 401)
        folder = f"/2010-04-01/Accounts/{self.account}/Messages"
        if request.method == "GET":
            return self._fetched(request.path.removeprefix(f"{folder}/").removesuffix(".json"))
        if request.path != f"{folder}.json":
            return _error(20404, "The requested resource was not found", 404)
        return self._take(request.form)

    def _take(self, form: Mapping[str, str]) -> Answer:
        number = form.get("To", "")
        for code, status in _CODES.items():
            if number.endswith(code):
                return _error(int(code), "as the number asks for", status)
        if not (form.get("From") or form.get("MessagingServiceSid")):
            return _error(21603, "A 'From' phone number is required", 400)
        self.taken[(number, form.get("Body", ""))] += 1
        sid = f"SM{uuid.uuid4().hex}"
        self.messages[sid] = "queued"
        self.on_its_way(sid, form.get("StatusCallback", ""))
        return Answer.json({"sid": sid, "status": "queued", "num_segments": "1"}, 201)

    def _fetched(self, sid: str) -> Answer:
        if sid not in self.messages:
            return _error(20404, "The requested resource was not found", 404)
        said = {"sid": sid, "status": self.messages[sid]}
        walk = ("queued", *self.walk)  # it goes one further each time it was looked at
        place = walk.index(self.messages[sid]) + 1 if self.messages[sid] in walk else len(walk)
        self.messages[sid] = walk[min(place, len(walk) - 1)]
        return Answer.json(said)

    def report(self, reference: str, word: str) -> Post:
        """See `Reporting.report`."""
        fields = {"MessageSid": reference, "MessageStatus": word, "AccountSid": self.account}
        return signed(f"status callback {word}", self._urls[reference], fields, token=self.key)


def incoming(
    sender: str,
    text: str,
    *,
    url: str,
    token: str,
    reference: str | None = None,
    opt_out: str | None = None,
) -> Post:
    """A text that came in; `opt_out` is `OptOutType`: STOP, START or HELP."""
    fields = {
        "MessageSid": reference or f"SM{uuid.uuid4().hex}",
        "AccountSid": ACCOUNT,
        "From": sender,
        "To": "+14155550100",
        "Body": text,
        "NumMedia": "0",
        "NumSegments": "1",
        "SmsStatus": "received",
        "FromCity": "",
        "ApiVersion": "2010-04-01",
    }
    if opt_out is not None:
        fields["OptOutType"] = opt_out
    return signed("incoming message", url, fields, token=token)


def signed(what: str, url: str, fields: Mapping[str, str], *, token: str) -> Post:
    """A call as Twilio signs it: over the address and each name with its value, sorted."""
    told = url + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.digest(token.encode(), told.encode(), hashlib.sha1)
    signature = base64.b64encode(digest).decode()
    headers = {"Content-Type": _FORM, "X-Twilio-Signature": signature}
    return Post(what, url, urlencode(fields).encode(), headers)


def _error(code: int, message: str, status: int) -> Answer:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return Answer.json(
        {"code": code, "message": message, "more_info": more, "status": status}, status
    )
