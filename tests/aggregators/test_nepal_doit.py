"""Nepal DoIT: how it is asked, and what its answers mean (protocol section 3.4, decision 16)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smsgate.aggregators.base import (
    Accepted,
    Answer,
    Ask,
    BadCall,
    Call,
    Denied,
    Options,
    Push,
    Refused,
    Secret,
    Unclear,
    Unready,
)
from smsgate.aggregators.nepal_doit import aggregator
from smsgate.message import State
from tests.make import NOON

URL = "https://sms.doit.example/api/sms"
OPTIONS = Options(sms={"nepal_doit_sms": {"url": URL}})
KEY = Secret("a-key")


@pytest.mark.parametrize(
    ("recipient", "mobile"),
    [
        ("+9779841234567", "9841234567"),
        ("9841234567", "9841234567"),
        ("+919841234567", "+919841234567"),
        ("98+977", "98+977"),
    ],
)
def test_a_message(recipient: str, mobile: str) -> None:
    ask = aggregator.compose(Push("id", recipient, "नमस्ते \ud800"), KEY, OPTIONS)
    assert isinstance(ask, Ask)
    assert (ask.method, ask.url) == ("POST", URL)
    assert ask.headers["authorization"] == "Bearer a-key"
    assert json.loads(ask.body) == {"mobile": mobile, "message": "नमस्ते \ufffd"}


def test_the_route_may_have_another_address() -> None:
    options = Options(sms=OPTIONS.sms, route={"url": "http://127.0.0.1:9/x/"})
    ask = aggregator.compose(Push("id", "+9779841234567", "x"), KEY, options)
    assert isinstance(ask, Ask)
    assert ask.url == "http://127.0.0.1:9/x"


@pytest.mark.parametrize(
    ("sms", "secret", "reason"),
    [
        ({}, KEY, "set sms.nepal_doit_sms.url"),
        ({"nepal_doit_sms": "x"}, KEY, "set sms.nepal_doit_sms.url"),
        ({"nepal_doit_sms": {"url": "ftp://x"}}, KEY, "set sms.nepal_doit_sms.url"),
        (OPTIONS.sms, None, "nepal_doit_sms:outgoing"),
        (OPTIONS.sms, Secret("a\n"), "line break"),
    ],
)
def test_what_is_missing(sms: Any, secret: Secret | None, reason: str) -> None:
    found = aggregator.compose(Push("id", "+9779841234567", "x"), secret, Options(sms=sms))
    assert isinstance(found, Unready)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {"status": 1}, Accepted(State.SENT, "Processed")),
        (200, {"status": "1"}, Accepted(State.SENT, "Processed")),
        (200, {"status": 401}, Refused("InvalidCredentials", pause=True)),
        (200, {"status": 422}, Refused("UnprocessableContent")),
        (200, {"status": 500}, Refused("status 500", retry=True)),
        (200, {"status": 0}, Refused("status 0", retry=True)),
        (200, {"status": None}, Refused("status ?", retry=True)),
        (200, {}, Unclear("HTTP 200 without a status")),
        (200, "<html>", Unclear("HTTP 200 without a status")),
        (401, {"status": 1}, Refused("InvalidCredentials", pause=True)),
        (403, {}, Refused("HTTP 403", pause=True)),
        (404, {}, Refused("HTTP 404", pause=True)),
        (302, {}, Refused("HTTP 302", pause=True)),
        (422, {}, Refused("UnprocessableContent")),
        (429, {}, Refused("HTTP 429", retry=True, after=9.0)),
        (500, {}, Refused("HTTP 500", retry=True, after=9.0)),
        (400, {}, Refused("HTTP 400", retry=True, after=9.0)),
    ],
)
def test_answers(status: int, body: Any, outcome: object) -> None:
    headers = {} if status == 200 else {"retry-after": "9"}
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert aggregator.interpret(Answer(status, headers, raw)) == outcome


def test_nobody_calls() -> None:
    call = Call("incoming-messages", "POST", "https://h/", {}, (), b"{}", NOON)
    assert isinstance(aggregator.verify(call, (KEY,), OPTIONS), Denied)
    assert isinstance(aggregator.read(call, OPTIONS), BadCall)
    assert aggregator.endpoints == ()


def test_its_words() -> None:
    assert aggregator.meaning("1") is State.SENT
    assert aggregator.meaning("2") is None
