"""A stand-in for Africa's Talking: its SMS service and its callbacks.

Facts: the company's pages on sending bulk SMS and on SMS notifications, and what its client
libraries' threads tell. Where those are silent (a missing field, an unknown path) the answer is
this file's own: plain text with a 4xx.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from smsgate.fakes.callbacks import Post
from smsgate.fakes.faults import Answer
from smsgate.fakes.service import Request, Service

MESSAGING: Final = "/version1/messaging"
BULK: Final = "/version1/messaging/bulk"
SANDBOX_NETWORK: Final = "99999"
# Every code the company documents for a recipient.
STATUS_OF: Final[Mapping[int, str]] = {
    100: "Processed",
    101: "Sent",
    102: "Queued",
    401: "RiskHold",
    402: "InvalidSenderId",
    403: "InvalidPhoneNumber",
    404: "UnsupportedNumberType",
    405: "InsufficientBalance",
    406: "UserInBlacklist",
    407: "CouldNotRoute",
    409: "DoNotDisturbRejection",
    500: "InternalServerError",
    501: "GatewayError",
    502: "RejectedByGateway",
}
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_REASONED: Final = {"Rejected", "Failed"}
_ENDING: Final = 6


def code_of_number(number: str) -> int | None:
    """The code that a number ending in `000` and a code asks for, as `+254700000405` does 405."""
    ending = number[-_ENDING:]
    code = int(ending) if ending.isascii() and ending.isdigit() else 0
    return code if code in STATUS_OF else None


@dataclass(frozen=True, slots=True)
class Texted:
    """One recipient of one request that was taken."""

    reference: str
    number: str = field(repr=False)
    text: str = field(repr=False)
    code: int = 101


class AfricasTalking(Service):
    """The service. Set `callbacks` and `reports_url` to have delivery reports posted by itself.

    Attributes:
        key: The API key it wants.
        username: The account it wants; "" takes any.
        code: The status code of a recipient that nothing else is said of.
        codes: Status codes by number, before `code`.
        by_number: Whether numbers ending in `000` and a code decide (`code_of_number`).
        sender_ids: Sender ids it knows; None takes any.
        walk: The statuses reported of each message, in this order.
        fail_rate: Share of messages whose last report is `Failed`.
        texted: What was taken, by reference.
        inbox: Incoming messages, for `GET /version1/messaging`.
    """

    def __init__(
        self,
        *,
        key: str = "fake-key",
        username: str = "",
        by_number: bool = False,
        sender_ids: Iterable[str] | None = None,
        walk: Sequence[str] = ("Submitted", "Success"),
        fail_rate: float = 0.0,
        rng: random.Random | None = None,
        latency: float = 0.0,
        keep: int | None = None,
    ) -> None:
        super().__init__(latency=latency, keep=keep)
        self.key = key
        self.username = username
        self.code = 101
        self.codes: dict[str, int] = {}
        self.by_number = by_number
        self.sender_ids = None if sender_ids is None else frozenset(sender_ids)
        self.walk = tuple(walk)
        self.fail_rate = fail_rate
        self.texted: dict[str, Texted] = {}
        self.inbox: list[dict[str, str | int]] = []
        self.reports_url = ""
        self._rng = rng or random.Random()  # noqa: S311 - which message fails is no secret

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        """See `Service.sends`."""
        order = _order(request)
        return [] if order is None else [(number, order.text) for number in order.numbers]

    def answer(self, request: Request) -> Answer:
        """See `Service.answer`."""
        if request.path not in (MESSAGING, BULK):
            return Answer.text("Not found", 404)
        order = _order(request)
        known = request.headers.get("apikey") == self.key
        if order is not None and order.username and self.username:
            known = known and order.username == self.username
        if not known:
            return Answer.text("The supplied authentication is invalid", 401)
        if request.method == "GET" and request.path == MESSAGING:
            return self._fetched(request)
        return Answer.text("Method not allowed", 405) if order is None else self._take(order)

    def _take(self, order: _Order) -> Answer:
        if missing := order.missing():
            return Answer.text(f"Request is missing required form field '{missing}'", 400)
        if self.sender_ids is not None and order.sender and order.sender not in self.sender_ids:
            return _reply("InvalidSenderId", [])
        parts = _parts(order.text)
        entries: list[dict[str, object]] = []
        for number in order.numbers:
            code = self._code(number)
            entry: dict[str, object] = {"statusCode": code, "number": number}
            entry |= {"status": STATUS_OF.get(code, "Unknown"), "cost": "0", "messageId": "None"}
            if code in (100, 101, 102):
                reference = f"ATXid_{uuid.uuid4().hex}"
                entry |= {"cost": f"KES {0.8 * parts:.4f}", "messageId": reference}
                entry["messageParts"] = parts
                self.taken[(number, order.text)] += 1
                self._on_its_way(Texted(reference, number, order.text, code))
            entries.append(entry)
        sent = sum(entry["messageId"] != "None" for entry in entries)
        cost = 0.8 * parts * sent
        return _reply(f"Sent to {sent}/{len(entries)} Total Cost: KES {cost:.4f}", entries)

    def _code(self, number: str) -> int:
        if number in self.codes:
            return self.codes[number]
        if self.by_number and (asked := code_of_number(number)):
            return asked
        plain = number.removeprefix("+")
        return self.code if plain.isascii() and plain.isdigit() and len(plain) >= 7 else 403

    def _on_its_way(self, texted: Texted) -> None:
        self.texted[texted.reference] = texted
        if self.callbacks is None or not self.reports_url:
            return
        walk = self.walk
        if walk and self._rng.random() < self.fail_rate:
            walk = (*walk[:-1], "Failed")
        for status in walk:
            self.callbacks.later(self.report(texted.reference, status, url=self.reports_url))

    def _fetched(self, request: Request) -> Answer:
        last = request.parameter("lastReceivedId") or "0"
        after = int(last) if last.isascii() and last.isdigit() else 0
        messages = [message for message in self.inbox if int(message["id"]) > after]
        return Answer.json({"SMSMessageData": {"Messages": messages}})

    def report(
        self,
        reference: str,
        status: str,
        *,
        url: str,
        reason: str | None = None,
        number: str | None = None,
    ) -> Post:
        """A delivery report.

        Args:
            reference: their id of the message; one it never gave out will do.
            status: one of the company's words, or any other.
            url: the callback, with its key.
            reason: `failureReason`; `DeliveryFailure` where a rejected or failed one names none.
            number: the recipient; that of the message by default.
        """
        known = self.texted.get(reference)
        form = {"id": reference, "status": status, "networkCode": SANDBOX_NETWORK}
        form["phoneNumber"] = number or (known.number if known else "+254700000000")
        if status in _REASONED or reason:
            form["failureReason"] = reason or "DeliveryFailure"
        return Post(f"delivery report {status}", url, urlencode(form).encode(), _FORM)


def incoming(
    sender: str,
    text: str,
    *,
    url: str,
    reference: str | None = None,
    to: str = "21512",
    link: str | None = None,
) -> Post:
    """An incoming message; `link` is the `linkId` of a premium one."""
    form = {} if link is None else {"linkId": link}
    form |= {
        "text": text,
        "to": to,
        "id": reference or str(uuid.uuid4()),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "from": sender,
        "cost": "KES 1.00",
        "networkCode": SANDBOX_NETWORK,
    }
    return Post("incoming message", url, urlencode(form).encode(), _FORM)


def opt_out(number: str, *, url: str, sender_id: str = "PROGRAMME") -> Post:
    """A bulk SMS opt-out."""
    form = {"senderId": sender_id, "phoneNumber": number}
    return Post("opt-out", url, urlencode(form).encode(), _FORM)


@dataclass(frozen=True, slots=True)
class _Order:
    """What a call asks to send, from either of the two services."""

    username: str
    numbers: list[str]
    text: str
    sender: str
    names: tuple[str, str, str]

    def missing(self) -> str | None:
        for name, given in zip(self.names, (self.username, self.numbers, self.text), strict=True):
            if not given:
                return name
        return None


def _order(request: Request) -> _Order | None:
    if request.method != "POST":
        return None
    if request.path == MESSAGING:
        form = request.form
        numbers = [number.strip() for number in form.get("to", "").split(",") if number.strip()]
        return _Order(
            form.get("username", ""),
            numbers,
            form.get("message", ""),
            form.get("from", ""),
            ("username", "to", "message"),
        )
    asked = request.json
    if request.path != BULK or not isinstance(asked, dict):
        return None
    listed = asked.get("phoneNumbers")
    return _Order(
        str(asked.get("username") or ""),
        [str(number) for number in listed] if isinstance(listed, list) else [],
        str(asked.get("message") or ""),
        str(asked.get("senderId") or ""),
        ("username", "phoneNumbers", "message"),
    )


def _reply(message: str, recipients: list[dict[str, object]]) -> Answer:
    return Answer.json({"SMSMessageData": {"Message": message, "Recipients": recipients}}, 201)


def _parts(text: str) -> int:
    """How many parts they charge for: near enough, since only texts in ASCII count as GSM-7."""
    whole, part = (160, 153) if text.isascii() else (70, 67)
    return 1 if len(text) <= whole else -(-len(text) // part)
