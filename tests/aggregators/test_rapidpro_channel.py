"""RapidPro's external channel: what courier orders, and what it is told."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from smsgate.aggregators.base import (
    Acknowledgement,
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
)
from smsgate.aggregators.rapidpro_channel import aggregator
from smsgate.message import State
from tests.make import NOON

KEY = Secret("a-key")
CHANNEL = Secret("8eb23e93-5ecb-45ba-b726-3b064e0c56ab")
OPTIONS = Options(own={"rapidpro_channel": {"url": "https://rapidpro.example/"}})
FORM = "application/x-www-form-urlencoded"
# As courier's default body has it.
ORDER = {
    "id": "10",
    "text": "Hi & bye ✓",
    "to": "+254712345678",
    "to_no_plus": "254712345678",
    "from": "2020",
    "from_no_plus": "2020",
    "channel": str(CHANNEL),
}


def _call(
    body: bytes = b"",
    *,
    method: str = "POST",
    media: str = FORM,
    query: Any = (),
    headers: dict[str, str] | None = None,
) -> Call:
    named = {"content-type": media, **(headers or {})}
    return Call("outgoing-messages", method, "https://h/x", named, query, body, NOON)


@pytest.mark.parametrize(
    ("headers", "denied"),
    [
        ({"authorization": "Token a-key"}, None),
        ({"authorization": "Bearer a-key"}, None),
        ({"authorization": "a-key"}, None),
        ({"authorization": "Token  other"}, "Incorrect token"),
        ({"authorization": "Token"}, "Incorrect token"),
        ({}, "Missing authorization token"),
    ],
)
def test_who_is_let_in(headers: dict[str, str], denied: str | None) -> None:
    found = aggregator.verify(_call(headers=headers), [Secret("old"), KEY], OPTIONS)
    assert found == (Denied(denied) if denied else None)
    assert aggregator.verify(_call(headers=headers), [], OPTIONS) == Denied(
        "No incoming key configured"
    )


@pytest.mark.parametrize(
    "call",
    [
        _call(urlencode(ORDER).encode()),
        _call(json.dumps(ORDER).encode(), media="application/json"),
        _call(method="GET", query=list(ORDER.items())),
        _call(urlencode({**ORDER, "to": "tel:+254712345678"}).encode(), method="PUT"),
        _call(urlencode(ORDER).replace("%2B254", "+254").encode()),
    ],
)
def test_an_order(call: Call) -> None:
    assert aggregator.read(call, OPTIONS) == Heard(
        orders=[Order("10", "+254712345678", "Hi & bye ✓")]
    )


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, "id, to, text"),
        ({**ORDER, "text": " "}, "text"),
        ({**ORDER, "to": ""}, "to"),
        ({**ORDER, "id": ""}, "id"),
    ],
)
def test_what_is_no_order(fields: dict[str, str], missing: str) -> None:
    call = _call(urlencode(fields).encode())
    assert aggregator.read(call, OPTIONS) == BadCall(f"Missing {missing}")


def test_an_order_by_uuid() -> None:
    fields = {key: value for key, value in ORDER.items() if key != "id"}
    call = _call(urlencode({**fields, "uuid": str(CHANNEL)}).encode())
    found = aggregator.read(call, OPTIONS)
    assert isinstance(found, Heard)
    assert found.orders[0].reference == str(CHANNEL)


@pytest.mark.parametrize("body", [b"\xff", b"[1]", b"{", b"id=1&id=2", b'{"id":{}}'])
@pytest.mark.parametrize("media", [FORM, "application/json", "text/xml", ""])
def test_hostile_bodies(body: bytes, media: str) -> None:
    assert isinstance(aggregator.read(_call(body, media=media), OPTIONS), BadCall)


@pytest.mark.parametrize(
    ("notice", "word", "form"),
    [
        (Became("10", State.SENT), "sent", {"id": "10"}),
        (Became("10", State.DELIVERED), "delivered", {"id": "10"}),
        (Became(str(CHANNEL), State.FAILED), "failed", {"uuid": str(CHANNEL)}),
        (Became("10", State.EXPIRED), "failed", {"id": "10"}),
        (
            CameIn("+254712345678", "1!ANC!Sam ✓", NOON),
            "receive",
            {"from": "+254712345678", "text": "1!ANC!Sam ✓", "date": "2026-03-09T12:00:00.000Z"},
        ),
        (Stopped("+254712345678"), "stopped", {"from": "+254712345678"}),
    ],
)
def test_what_courier_is_told(notice: Notice, word: str, form: dict[str, str]) -> None:
    ask = aggregator.tell(notice, CHANNEL, OPTIONS)
    assert isinstance(ask, Ask)
    assert ask.url == f"https://rapidpro.example/c/ex/{CHANNEL}/{word}"
    assert dict(parse_qsl(ask.body.decode())) == form
    assert "254712345678" not in repr((ask, notice))
    assert str(CHANNEL) not in repr(ask)


@pytest.mark.parametrize(
    "state", [State.PENDING, State.RECEIVED_BY_GATEWAY, State.FORWARDED_BY_GATEWAY, State.UNKNOWN]
)
def test_what_it_need_not_know(state: State) -> None:
    assert aggregator.tell(Became("10", state), CHANNEL, OPTIONS) is None


@pytest.mark.parametrize(
    ("options", "secret", "reason"),
    [
        (Options(), CHANNEL, "smsgate.rapidpro_channel.url"),
        (OPTIONS, None, "rapidpro-channel:outgoing"),
        (OPTIONS, Secret("../x"), "rapidpro-channel:outgoing"),
    ],
)
def test_what_is_missing(options: Options, secret: Secret | None, reason: str) -> None:
    found = aggregator.tell(Stopped("+254712345678"), secret, options)
    assert isinstance(found, Unready)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("status", "body", "refused"),
    [
        (200, b'{"message":"Message Accepted"}', None),
        (400, b'{"data":[{"error":"message not found"}]}', Refused("HTTP 400")),
        (400, b'{"data":[{"error":"Channel not found"}]}', Refused("HTTP 400", pause=True)),
        (404, b"", Refused("HTTP 404", pause=True)),
        (429, b"", Refused("HTTP 429", retry=True, after=3.0)),
        (502, b"", Refused("HTTP 502", retry=True, after=3.0)),
    ],
)
def test_what_it_answers(status: int, body: bytes, refused: Refused | None) -> None:
    assert aggregator.told(Answer(status, {"retry-after": "3"}, body)) == refused


def test_it_is_no_way_out() -> None:
    assert not aggregator.sends
    assert aggregator.meaning("sent") is None
    answer = aggregator.acknowledge(_call(), Taken(), OPTIONS)
    assert isinstance(answer, Acknowledgement)
    assert answer.status == 200
