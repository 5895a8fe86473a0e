"""RapidPro: its words as tables, in the shapes of version 9 and of version 26."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smsgate.aggregators.base import (
    INCOMING,
    Accepted,
    Acknowledgement,
    Answer,
    Ask,
    BadCall,
    Call,
    Heard,
    Options,
    Outcome,
    Push,
    Refused,
    Report,
    Secret,
    Taken,
    Unclear,
    Unready,
)
from smsgate.aggregators.rapidpro import aggregator
from smsgate.message import State
from tests.make import NOON

TOKEN = Secret("a-token")
SMS = {"rapidpro": {"url": "https://rapidpro.example.org/"}}
UUID = "01960b54-1c3e-7f4a-9c6e-2f6a0a2f5a11"


def called(body: bytes, kind: str = "application/json") -> Call:
    return Call(INCOMING, "POST", "https://x/", {"content-type": kind}, [], body, NOON)


# -- incoming


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ({"id": "r", "from": "+2547", "content": "x"}, ("r", "+2547", "x")),
        ({"id": "r", "from": "tel:+2547", "content": "x"}, ("r", "+2547", "x")),
        ({"id": 5, "from": 254791541111, "content": 23}, ("5", "254791541111", "23")),
        ({"id": "r", "from": "+2547", "content": "x", "more": [1]}, ("r", "+2547", "x")),
        ({"id": "r", "from": "\ud800", "content": "\0"}, ("r", "\ud800", "\0")),
    ],
)
def test_texts(item: Any, found: tuple[str, str, str]) -> None:
    said = aggregator.read(called(json.dumps(item).encode()), Options())
    assert isinstance(said, Heard)
    (message,) = said.messages
    assert (message.gateway_ref, message.sender, message.text) == found
    assert (message.source, message.received_at) == ("rapidpro", NOON)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 5000, b"id=1&from=2"])
def test_what_is_no_object_is_a_bad_call(body: bytes) -> None:
    assert aggregator.read(called(body), Options()) == BadCall("Invalid JSON in request body")


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({}, "missing_id"),
        ({"id": None, "from": "1", "content": "x"}, "missing_id"),
        ({"id": "1", "from": [], "content": "x"}, "missing_from"),
        ({"id": "1", "from": "1", "content": True}, "missing_content"),
        ({"contact": {"urn": "tel:+2547"}, "flow": {}, "results": {}}, "missing_id"),
    ],
)
def test_what_lacks_something_is_kept(item: Any, reason: str) -> None:
    said = aggregator.read(called(json.dumps(item).encode()), Options())
    assert isinstance(said, Heard)
    (kept,) = said.unreadable
    assert (kept.reason, json.loads(kept.raw)) == (reason, item)


@pytest.mark.parametrize(
    ("taken", "strict", "answer"),
    [
        (Taken(messages=1), False, Acknowledgement(b'{"saved":1}')),
        (Taken(messages=1), True, Acknowledgement(b'{"saved":1}')),
        (Taken(messages=1, spooled=True), True, Acknowledgement(b'{"saved":1}')),
        (Taken(duplicates=1), False, Acknowledgement(b'{"saved":0}')),
        (Taken(duplicates=1), "true", Acknowledgement(b'{"saved":0}')),
        (Taken(duplicates=1), True, BadCall("Message was not saved")),
        (Taken(unreadable=1), False, BadCall("Message was not saved")),
    ],
)
def test_answers(taken: Taken, strict: Any, answer: Acknowledgement | BadCall) -> None:
    options = Options(own={"rapidpro": {"strict_duplicates": strict}})
    assert aggregator.acknowledge(called(b"{}"), taken, options) == answer


# -- sending


def asked(sms: Any = SMS, secret: Secret | None = TOKEN, **route: Any) -> Ask | Unready:
    push = Push("m1", "+254791541111", "Habari é")
    return aggregator.compose(push, secret, Options(sms=sms, route=route))


def test_a_broadcast() -> None:
    ask = asked()
    assert isinstance(ask, Ask)
    assert (ask.method, ask.url) == (
        "POST",
        "https://rapidpro.example.org/api/v2/broadcasts.json",
    )
    assert ask.headers == {
        "authorization": "Token a-token",
        "accept": "application/json",
        "content-type": "application/json",
    }
    assert json.loads(ask.body) == {"urns": ["tel:+254791541111"], "text": "Habari é"}


@pytest.mark.parametrize(
    ("sms", "secret", "word"),
    [
        ({}, TOKEN, "sms.rapidpro.url"),
        ({"rapidpro": {"url": "rapidpro.example.org"}}, TOKEN, "sms.rapidpro.url"),
        ({"rapidpro": {"url": "https://u:p@rapidpro.example.org"}}, TOKEN, "sms.rapidpro.url"),
        ({"rapidpro": {"url": 5}}, TOKEN, "sms.rapidpro.url"),
        (SMS, None, "rapidpro:outgoing"),
        (SMS, Secret("t\r\nx: y"), "line break"),
    ],
)
def test_what_keeps_it_from_sending(sms: Any, secret: Secret | None, word: str) -> None:
    unready = asked(sms, secret)
    assert isinstance(unready, Unready)
    assert word in unready.reason
    assert aggregator.inquire("1", secret, Options(sms=sms)) is None


def answer(status: int, body: Any = b"", **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, headers, raw)


NINE = {"id": 1234, "urns": ["tel:+254791541111"], "status": "queued", "text": {"eng": "x"}}
LATER = {"uuid": UUID, "status": "pending", "progress": {"total": -1, "started": 0}, "id": 1234}


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (answer(201, NINE), Accepted(State.RECEIVED_BY_GATEWAY, "queued", "1234")),
        (answer(201, LATER), Accepted(State.RECEIVED_BY_GATEWAY, "pending", "1234")),
        (
            answer(201, {"uuid": UUID, "status": "started"}),
            Accepted(State.RECEIVED_BY_GATEWAY, "started", UUID),
        ),
        # A broadcast that was sent or completed says nothing of the phone.
        (
            answer(201, {**NINE, "status": "sent"}),
            Accepted(State.RECEIVED_BY_GATEWAY, "sent", "1234"),
        ),
        (
            answer(201, {**LATER, "status": "completed"}),
            Accepted(State.RECEIVED_BY_GATEWAY, "completed", "1234"),
        ),
        # Older ones give a message's word.
        (
            answer(201, {**NINE, "status": "wired"}),
            Accepted(State.FORWARDED_BY_GATEWAY, "wired", "1234"),
        ),
        (
            answer(201, {**NINE, "status": "dreaming"}),
            Accepted(State.RECEIVED_BY_GATEWAY, "dreaming", "1234"),
        ),
        (answer(201, {"id": 1234}), Accepted(State.RECEIVED_BY_GATEWAY, "queued", "1234")),
        (answer(201, {**NINE, "status": "failed"}), Refused("failed", reference="1234")),
        (answer(201, {**LATER, "status": "interrupted"}), Refused("interrupted", reference="1234")),
        (answer(400, {"urns": ["Invalid"]}), Refused("HTTP 400")),
        (answer(403, {"detail": "Invalid token"}), Refused("HTTP 403", pause=True)),
        (answer(401, b""), Refused("HTTP 401", pause=True)),
        (answer(404, b"<html>"), Refused("HTTP 404", pause=True)),
        (answer(301, b""), Refused("HTTP 301", pause=True)),
        (
            answer(429, {"detail": "Request was throttled."}, **{"retry-after": "3532"}),
            Refused("HTTP 429", retry=True, after=3532.0),
        ),
        (answer(500, b"<html>Server Error</html>"), Refused("HTTP 500", retry=True)),
    ],
)
def test_outcomes(given: Answer, outcome: Outcome) -> None:
    assert aggregator.interpret(given) == outcome


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"id": null}', b'{"id": true}', b'{"uuid": ""}']
)
def test_an_answer_that_names_no_broadcast_is_unknown(body: bytes) -> None:
    assert isinstance(aggregator.interpret(answer(201, body)), Unclear)


# -- what became of it


def test_the_question() -> None:
    ask = aggregator.inquire("12 34", TOKEN, Options(sms=SMS))
    assert isinstance(ask, Ask)
    assert (ask.method, ask.url) == (
        "GET",
        "https://rapidpro.example.org/api/v2/messages.json?broadcast=12+34",
    )
    assert ask.headers["authorization"] == "Token a-token"


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("queued", "received-by-gateway"),
        ("errored", "received-by-gateway"),
        ("wired", "forwarded-by-gateway"),
        ("sent", "sent"),
        ("resent", "sent"),
        ("delivered", "delivered"),
        ("read", "delivered"),
        ("failed", "failed"),
        ("handled", None),
        ("dreaming", None),
    ],
)
def test_words(word: str, state: str | None) -> None:
    body = {"next": None, "results": [{"id": 1, "status": word}, {"id": 2, "status": "failed"}]}
    report = aggregator.reported("1234", answer(200, body))
    assert isinstance(report, Report)
    assert (report.reference, report.status, report.state) == ("1234", word, state)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (answer(200, {"results": []}), None),
        (answer(200, {"results": {}}), None),
        (answer(200, {"results": ["x"]}), None),
        (answer(200, {"results": [{"status": 5}]}), None),
        (answer(200, b"<html>"), None),
        (answer(400, {"detail": "one of the contact, folder, label, broadcast"}), None),
        (answer(404, b""), None),
        (answer(429, b"", **{"retry-after": "60"}), Refused("HTTP 429", retry=True, after=60.0)),
        (answer(502, b""), Refused("HTTP 502", retry=True)),
        (answer(403, b""), Refused("HTTP 403", pause=True)),
    ],
)
def test_answers_that_tell_nothing(given: Answer, said: Refused | None) -> None:
    assert aggregator.reported("1234", given) == said
