"""Twilio: its signature against its own validator's answers, and its words as tables."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from smsgate.aggregators.base import (
    Accepted,
    Acknowledgement,
    Answer,
    Ask,
    BadCall,
    Call,
    Denied,
    Heard,
    Options,
    Push,
    Refused,
    Report,
    Secret,
    Taken,
    Unclear,
    Unready,
    Wish,
)
from smsgate.aggregators.twilio import aggregator
from smsgate.message import State
from tests.make import NOON

FORM = "application/x-www-form-urlencoded"
SID = "SM" + "0a" * 16
ACCOUNT = "AC" + "1b" * 16
TOKEN = Secret("a-token")
OWN = {"twilio": {"account_sid": ACCOUNT, "from": "+14155550100"}}
OPTIONS = Options(own=OWN)
TEXT = {
    "MessageSid": SID,
    "SmsStatus": "received",
    "From": "+254712345678",
    "To": "+14155550100",
    "Body": "1!ANC!Sam#23",
    "NumMedia": "0",
}

ORACLE = json.loads(
    (Path(__file__).parents[1] / "vectors" / "twilio-signatures.json").read_text(encoding="utf-8")
)


def _call(
    body: bytes | dict[str, str],
    *,
    url: str = "https://sms.example.org/api/v1/sms/twilio/incoming-messages",
    method: str = "POST",
    content_type: str = FORM,
    **headers: str,
) -> Call:
    raw = urlencode(body).encode() if isinstance(body, dict) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call(
        endpoint=url.partition("?")[0].rpartition("/")[2],
        method=method,
        url=url,
        headers={"content-type": content_type, **named},
        query=parse_qsl(url.partition("?")[2], keep_blank_values=True),
        body=raw,
        at=NOON,
    )


def _signed(vector: dict[str, Any], **changes: Any) -> Call:
    settings = (
        {"x_twilio_webhooks_signature_settings": "key=webhooks_1,algorithm=HMAC_SHA256"}
        if vector["algorithm"] == "HMAC_SHA256"
        else {}
    )
    told = {**vector, **changes}
    return _call(
        told["body"].encode(),
        url=told["url"],
        content_type=told["content_type"],
        x_twilio_signature=told["signature"],
        **settings,
    )


@pytest.mark.parametrize("vector", ORACLE["vectors"], ids=lambda vector: vector["case"])
class TestSignatures:
    def _refused(self, vector: dict[str, Any], options: Options = OPTIONS, **changes: Any) -> bool:
        secrets = (Secret(ORACLE["token"]),)
        return aggregator.verify(_signed(vector, **changes), secrets, options) is not None

    def test_as_twilios_own_validator(self, vector: dict[str, Any]) -> None:
        assert self._refused(vector) is not vector["valid"]

    def test_whatever_is_changed_is_noticed(self, vector: dict[str, Any]) -> None:
        assert self._refused(vector, url=vector["url"] + "x")
        assert self._refused(vector, signature=vector["signature"][:-4] + "AAA=")
        assert self._refused(vector, body=vector["body"] + "&Body=other")
        if vector["body"] and vector["content_type"] == FORM:  # then nothing would cover it
            assert self._refused(vector, content_type="application/octet-stream")

    def test_behind_a_proxy_by_the_public_address(self, vector: dict[str, Any]) -> None:
        path = vector["url"].partition("/api/")[2]
        inside = f"http://127.0.0.1:5988/api/{path}"
        public = vector["url"].partition("/api/")[0]
        assert self._refused(vector, url=inside)
        assert (
            self._refused(vector, Options(callback_url=public), url=inside) is not vector["valid"]
        )

    def test_during_a_rotation_both_tokens_count(self, vector: dict[str, Any]) -> None:
        secrets = (Secret("the new one"), Secret(ORACLE["token"]))
        assert (aggregator.verify(_signed(vector), secrets, OPTIONS) is None) is vector["valid"]


@pytest.mark.parametrize(
    ("secrets", "headers", "message"),
    [
        ((), {"x_twilio_signature": "a"}, "No incoming key configured"),
        ((TOKEN,), {}, "Missing signature"),
        ((TOKEN,), {"x_twilio_signature": "é"}, "Incorrect signature"),
        ((TOKEN,), {"x_twilio_signature": "x" * 100_000}, "Incorrect signature"),
    ],
)
def test_who_is_turned_away(
    secrets: tuple[Secret, ...], headers: dict[str, str], message: str
) -> None:
    denied = aggregator.verify(_call(TEXT, **headers), secrets, OPTIONS)
    assert denied == Denied(message)


def _heard(fields: dict[str, str], **changes: Any) -> Heard:
    heard = aggregator.read(_call(fields, **changes), OPTIONS)
    assert isinstance(heard, Heard)
    return heard


REPORTS_URL = "https://sms.example.org/api/v1/sms/twilio/delivery-reports"


class TestReading:
    @pytest.mark.parametrize("url", ["https://h/a/incoming-messages", REPORTS_URL])
    def test_a_text_wherever_it_is_posted(self, url: str) -> None:
        (message,) = _heard(TEXT, url=url).messages
        assert (message.source, message.gateway_ref) == ("twilio", SID)
        assert (message.sender, message.text) == ("+254712345678", "1!ANC!Sam#23")
        assert message.received_at == NOON

    def test_by_get_and_as_json(self) -> None:
        url = f"https://h/a/incoming-messages?{urlencode(TEXT)}"
        assert _heard({}, url=url, method="GET").messages == _heard(TEXT).messages
        call = _call(json.dumps(TEXT).encode(), content_type="application/json")
        assert aggregator.read(call, OPTIONS) == _heard(TEXT)

    def test_a_pictures_words_are_kept_and_the_picture_is_not(self) -> None:
        picture = {**TEXT, "NumMedia": "1", "MediaUrl0": "https://api.twilio.com/x"}
        assert _heard(picture).messages[0].text == TEXT["Body"]
        del picture["Body"]
        assert _heard(picture).messages[0].text == ""

    @pytest.mark.parametrize(
        ("word", "wishes"),
        [("STOP", [Wish(TEXT["From"])]), ("START", [Wish(TEXT["From"], stop=False)])]
        + [(word, []) for word in ("HELP", "", "what")],
    )
    def test_opt_outs(self, word: str, wishes: list[Wish]) -> None:
        heard = _heard({**TEXT, "OptOutType": word})
        assert (list(heard.wishes), len(heard.messages)) == (wishes, 1)

    @pytest.mark.parametrize(
        ("status", "error", "state", "reason"),
        [
            ("queued", "", State.RECEIVED_BY_GATEWAY, None),
            ("sending", "", State.FORWARDED_BY_GATEWAY, None),
            ("sent", "", State.SENT, None),
            ("delivered", "", State.DELIVERED, None),
            ("read", "", State.DELIVERED, None),
            ("undelivered", "30003", State.FAILED, "30003"),
            ("failed", "30008", State.FAILED, "30008"),
            ("failed", "21610", State.DENIED, "21610"),
            ("canceled", "", State.FAILED, None),
            ("teleported", "", None, None),
        ],
    )
    def test_reports(
        self, status: str, error: str, state: State | None, reason: str | None
    ) -> None:
        fields = {"MessageSid": SID, "MessageStatus": status, "To": "+254712345678"}
        heard = _heard({**fields, **({"ErrorCode": error} if error else {})}, url=REPORTS_URL)
        assert list(heard.reports) == [Report(SID, status, state, reason)]

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({**TEXT, "From": ""}, "missing_from"),
            ({key: TEXT[key] for key in TEXT if key != "MessageSid"}, "missing_id"),
            ({"MessageSid": SID}, "unreadable_update"),
            ({"MessageStatus": "sent"}, "unreadable_update"),
        ],
    )
    def test_what_is_set_aside(self, fields: dict[str, str], reason: str) -> None:
        (item,) = _heard(fields).unreadable
        assert item.reason == reason
        assert isinstance(json.loads(item.raw), dict)

    @pytest.mark.parametrize("body", [b"", b"[]", b"\xff\x00", b'{"a":1}', b"null"])
    @pytest.mark.parametrize("content_type", [FORM, "application/json", "text/xml"])
    def test_hostile_bodies(self, body: bytes, content_type: str) -> None:
        assert isinstance(
            aggregator.read(_call(body, content_type=content_type), OPTIONS), Heard | BadCall
        )

    def test_the_answer_is_empty_twiml(self) -> None:
        answer = aggregator.acknowledge(_call(TEXT), Taken(messages=1), OPTIONS)
        assert isinstance(answer, Acknowledgement)
        assert answer.body == b'<?xml version="1.0" encoding="UTF-8"?><Response/>'
        assert (answer.status, answer.content_type) == (200, "text/xml; charset=utf-8")


PUSH = Push("id", "+254712345678", "नमस्ते & +", at=NOON, expires_at=NOON + timedelta(hours=1))


def _asked(push: Push = PUSH, options: Options = OPTIONS) -> tuple[Ask, dict[str, str]]:
    ask = aggregator.compose(push, TOKEN, options)
    assert isinstance(ask, Ask)
    return ask, dict(parse_qsl(ask.body.decode()))


class TestComposing:
    def test_a_message(self) -> None:
        ask, form = _asked()
        assert ask.url == f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
        assert base64.b64decode(ask.headers["authorization"][6:]).decode() == f"{ACCOUNT}:a-token"
        assert form == {
            "To": PUSH.recipient,
            "From": "+14155550100",
            "Body": PUSH.text,
            "ValidityPeriod": "3600",
        }

    @pytest.mark.parametrize(
        ("left", "period"), [(-5, "1"), (30, "30"), (14_400, "14400"), (259_200, "14400")]
    )
    def test_the_validity_period(self, left: int, period: str) -> None:
        push = Push("id", "+254712345678", "x", at=NOON, expires_at=NOON + timedelta(seconds=left))
        assert _asked(push)[1]["ValidityPeriod"] == period

    def test_no_period_where_no_time_is_known(self) -> None:
        assert "ValidityPeriod" not in _asked(Push("id", "+254712345678", "x"))[1]

    def test_where_to_report(self) -> None:
        _, form = _asked(options=Options(own=OWN, callback_url="https://sms.example.org"))
        assert form["StatusCallback"] == REPORTS_URL

    def test_the_route_says_it_first(self) -> None:
        route = {"messaging_service_sid": "MG1", "url": "http://127.0.0.1:1/", "account_sid": SID}
        ask, form = _asked(options=Options(own=OWN, route=route))
        assert (form["MessagingServiceSid"], "From" in form) == ("MG1", False)
        assert ask.url.startswith(f"http://127.0.0.1:1/2010-04-01/Accounts/{SID}/")

    @pytest.mark.parametrize(
        ("own", "secret", "reason"),
        [
            ({}, TOKEN, "set smsgate.twilio.account_sid"),
            ({"twilio": []}, TOKEN, "set smsgate.twilio.account_sid"),
            ({"twilio": {"account_sid": "AC1/../x"}}, TOKEN, "must be AC"),
            ({"twilio": {"account_sid": ACCOUNT}}, TOKEN, "set smsgate.twilio.from or"),
            (OWN, None, "twilio:outgoing"),
        ],
    )
    def test_what_is_missing(self, own: Any, secret: Secret | None, reason: str) -> None:
        found = aggregator.compose(PUSH, secret, Options(own=own))
        assert isinstance(found, Unready)
        assert reason in found.reason


def _said(status: int, value: Any, **headers: str) -> Any:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return aggregator.interpret(Answer(status, named, body))


class TestInterpreting:
    @pytest.mark.parametrize(
        ("status", "value", "outcome"),
        [
            (
                201,
                {"sid": SID, "status": "queued", "num_segments": "2", "price": None},
                Accepted(State.RECEIVED_BY_GATEWAY, "queued", SID, parts=2),
            ),
            (
                201,
                {"sid": SID, "status": "sent", "price": "-0.05", "price_unit": "USD"},
                Accepted(State.SENT, "sent", SID, cost="USD -0.05"),
            ),
            (200, {"sid": SID, "status": "new"}, Accepted(State.RECEIVED_BY_GATEWAY, "new", SID)),
            (
                201,
                {"sid": SID, "status": "failed", "error_code": 30007},
                Refused("30007", reference=SID),
            ),
            (201, {}, Unclear("HTTP 201 without a sid")),
            (200, b"<html>", Unclear("HTTP 200 without a sid")),
            (400, {"code": 21610}, Refused("21610", state=State.DENIED)),
            (400, {"code": 21211}, Refused("21211")),
            (400, {"code": 21408}, Refused("21408")),
            (400, {"code": 99999}, Refused("99999")),
            (400, b"", Refused("HTTP 400")),
            (400, {"code": 21606}, Refused("21606", pause=True)),
            (401, {"code": 20003}, Refused("20003", pause=True)),
            (401, b"", Refused("HTTP 401", pause=True)),
            (403, {"code": 20006}, Refused("20006", pause=True)),
            (404, {"code": 20404}, Refused("20404", pause=True)),
            (302, b"", Refused("HTTP 302", pause=True)),
            (429, {"code": 20429}, Refused("20429", retry=True)),
            (429, b"", Refused("HTTP 429", retry=True)),
            (400, {"code": 21611}, Refused("21611", retry=True)),
            (500, b"<html>", Refused("HTTP 500", retry=True)),
            (503, {"code": 20503}, Refused("20503", retry=True)),
        ],
    )
    def test_answers(self, status: int, value: Any, outcome: object) -> None:
        assert _said(status, value) == outcome

    def test_how_long_to_wait(self) -> None:
        assert _said(429, b"", retry_after="7").after == 7
        assert _said(429, b"", retry_after="soon").after is None


class TestAsking:
    def test_only_where_nobody_calls_back(self) -> None:
        ask = aggregator.inquire(SID, TOKEN, OPTIONS)
        assert isinstance(ask, Ask)
        assert ask.url.endswith(f"/Messages/{SID}.json")
        public = Options(own=OWN, callback_url="https://sms.example.org")
        assert aggregator.inquire(SID, TOKEN, public) is None
        assert aggregator.inquire("../x", TOKEN, OPTIONS) is None

    @pytest.mark.parametrize(
        ("status", "value", "found"),
        [
            (200, {"status": "delivered"}, Report(SID, "delivered", State.DELIVERED)),
            (
                200,
                {"status": "undelivered", "error_code": 30005},
                Report(SID, "undelivered", State.FAILED, "30005"),
            ),
            (200, {}, None),
            (500, {}, None),
            (401, {"code": 20003}, Refused("20003", pause=True)),
        ],
    )
    def test_what_became_of_it(self, status: int, value: Any, found: object) -> None:
        answer = Answer(status, body=json.dumps(value).encode())
        assert aggregator.reported(SID, answer) == found


def test_no_repr_shows_a_secret_or_a_text() -> None:
    ask, _ = _asked()
    for value in (ask, PUSH, _call(TEXT), Options(own=OWN, incoming=TOKEN)):
        assert "a-token" not in repr(value)
        assert "254712345678" not in repr(value)
