"""Africa's Talking: its words as tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest

from smsgate.aggregators.africastalking import ACCEPTED, REFUSED, STATE_OF, aggregator
from smsgate.aggregators.base import (
    INCOMING,
    OPT_OUTS,
    REPORTS,
    Accepted,
    Acknowledgement,
    Answer,
    Ask,
    BadCall,
    Call,
    Heard,
    Options,
    Push,
    Refused,
    Secret,
    Taken,
    Unclear,
    Unready,
    Wish,
)
from smsgate.message import State
from tests.make import NOON

FORM = "application/x-www-form-urlencoded"
KEY = Secret("an-api-key")
SMS = {"africas_talking": {"username": "clinic"}, "reply_to": "20880"}


def called(endpoint: str, fields: dict[str, str] | bytes, kind: str = FORM) -> Call:
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    return Call(endpoint, "POST", "https://x/", {"content-type": kind}, [], body, NOON)


def heard(endpoint: str, fields: dict[str, str] | bytes, kind: str = FORM) -> Heard:
    said = aggregator.read(called(endpoint, fields, kind), Options())
    assert isinstance(said, Heard)
    return said


# -- incoming


@pytest.mark.parametrize(
    ("date", "sent"),
    [
        ("2017-05-03T06:04:45Z", datetime(2017, 5, 3, 6, 4, 45, tzinfo=UTC)),
        ("2017-05-03 06:04:45", datetime(2017, 5, 3, 6, 4, 45, tzinfo=UTC)),
        ("2017-05-03T09:04:45+03:00", datetime(2017, 5, 3, 6, 4, 45, tzinfo=UTC)),
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
    ],
)
def test_both_ways_to_write_a_date(date: str, sent: datetime | None) -> None:
    fields = {"id": "1", "from": "+254791541111", "text": "Msg", "date": date}
    (message,) = heard(INCOMING, fields).messages
    assert message.sent_at == sent
    assert message.received_at == NOON


@pytest.mark.parametrize(
    ("body", "sender"),
    [
        (b"id=1&text=x&from=%2B254791541111", "+254791541111"),
        (b"id=1&text=x&from=+254791541111", "+254791541111"),  # forgot to encode it
        (b"id=1&text=x&from=HEALTH", "HEALTH"),
        (b"id=1&id=1&text=x&from=21512", "21512"),
        ("id=1&text=x&from=é".encode(), "é"),
    ],
)
def test_senders(body: bytes, sender: str) -> None:
    (message,) = heard(INCOMING, body).messages
    assert message.sender == sender


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"id=1&id=2&text=x&from=21512", FORM, "unreadable_form"),
        (b'{"id": "1"}', "application/json", "unreadable_form"),
        (b"\xff\xfe\0", FORM, "missing_id"),
        (b"id=1&from=2", FORM, "missing_content"),
    ],
)
def test_what_cannot_be_read_is_kept(body: bytes, kind: str, reason: str) -> None:
    said = heard(INCOMING, body, kind)
    assert [item.reason for item in said.unreadable] == [reason]
    assert said.messages == ()


def test_nothing_said_is_nothing_kept() -> None:
    assert heard(INCOMING, b"") == Heard(ignored=1)


# -- delivery reports


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Sent", "forwarded-by-gateway"),
        ("Submitted", "sent"),
        ("Buffered", "sent"),
        ("Success", "delivered"),
        *((word, "failed") for word in ("Rejected", "Failed", "AbsentSubscriber", "Expired")),
        ("success", None),
        ("Teleported", None),
        ("", None),
    ],
)
def test_the_words_of_reports(word: str, state: str | None) -> None:
    fields = {"id": "ATXid_1", "status": word, "phoneNumber": "+254791541111"}
    (report,) = heard(REPORTS, fields).reports
    assert (report.reference, report.status, report.state) == ("ATXid_1", word, state)
    assert report.reason is None


def test_every_word_is_in_the_table_above() -> None:
    assert len(STATE_OF) == 8


def test_a_report_says_why() -> None:
    fields = {"id": "ATXid_1", "status": "Failed", "failureReason": "UserIsInactive"}
    (report,) = heard(REPORTS, fields).reports
    assert (report.state, report.reason) == (State.FAILED, "UserIsInactive")


def test_a_report_on_nothing_is_kept() -> None:
    (item,) = heard(REPORTS, {"status": "Success"}).unreadable
    assert (item.reason, json.loads(item.raw)) == ("unreadable_update", {"status": "Success"})


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"id": "7", "status": "New"}, 'status code: "New", gateway message reference: "7"'),
        ({"id": "7"}, 'status code: "undefined", gateway message reference: "7"'),
    ],
)
def test_a_strict_programme_gets_the_chts_answer(fields: dict[str, str], text: str) -> None:
    call = called(REPORTS, fields)
    (report,) = heard(REPORTS, fields).reports
    taken = Taken(reports=1, unknown=report)
    loose = aggregator.acknowledge(call, taken, Options())
    assert loose == Acknowledgement(b'{"saved":1}')
    for value in ("true", 1, False, None):
        assert aggregator.acknowledge(call, taken, Options(own={"strict_statuses": value})) == loose
    strict = aggregator.acknowledge(call, taken, Options(own={"strict_statuses": True}))
    assert strict == BadCall(f"Unknown {text}")


# -- opt-outs


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"senderId": "20880", "phoneNumber": "+254791541111"},
            Heard(wishes=[Wish("+254791541111")]),
        ),
        (
            {"phoneNumber": "+254791541111", "shortCode": "1", "updateType": "deletion"},
            Heard(ignored=1),
        ),
    ],
)
def test_opt_outs(fields: dict[str, str], said: Heard) -> None:
    assert heard(OPT_OUTS, fields) == said


def test_an_opt_out_of_nobody_is_kept() -> None:
    (item,) = heard(OPT_OUTS, {"senderId": "20880"}).unreadable
    assert item.reason == "missing_number"


# -- sending


def asked(sms: Any = SMS, secret: Secret | None = KEY, **route: Any) -> Ask | Unready:
    push = Push("m1", "+254791541111", "Habari & karibu é")
    return aggregator.compose(push, secret, Options(sms=sms, route=route))


def test_a_request() -> None:
    ask = asked()
    assert isinstance(ask, Ask)
    assert (ask.method, ask.url) == (
        "POST",
        "https://api.africastalking.com/version1/messaging",
    )
    assert ask.headers == {
        "apikey": "an-api-key",
        "accept": "application/json",
        "content-type": FORM,
    }
    assert parse_qs(ask.body.decode()) == {
        "username": ["clinic"],
        "to": ["+254791541111"],
        "message": ["Habari & karibu é"],
        "from": ["20880"],
    }


@pytest.mark.parametrize("sender", [None, "", ...])
def test_without_a_sender_id_there_is_no_from(sender: Any) -> None:
    sms = {**SMS, "reply_to": sender} if sender is not ... else {**SMS, "reply_to": []}
    ask = asked(sms)
    assert isinstance(ask, Ask)
    assert b"from=" not in ask.body


@pytest.mark.parametrize(
    ("username", "route", "url"),
    [
        ("sandbox", {}, "https://api.sandbox.africastalking.com/version1/messaging"),
        ("Sandbox", {}, "https://api.africastalking.com/version1/messaging"),
        ("sandbox", {"url": "http://10.0.0.5:7000/"}, "http://10.0.0.5:7000/version1/messaging"),
    ],
)
def test_where_it_goes(username: str, route: dict[str, Any], url: str) -> None:
    ask = asked({"africas_talking": {"username": username}}, **route)
    assert isinstance(ask, Ask)
    assert ask.url == url


@pytest.mark.parametrize(
    ("sms", "secret", "route", "word"),
    [
        ({}, KEY, {}, "username"),
        ({"africas_talking": []}, KEY, {}, "username"),
        ({"africas_talking": {"username": ""}}, KEY, {}, "username"),
        (SMS, None, {}, "africastalking.com:outgoing"),
        (SMS, Secret("key\n"), {}, "line break"),
        (SMS, Secret(""), {}, "line break"),
        (SMS, KEY, {"url": "ftp://x"}, "url"),
        (SMS, KEY, {"url": None}, "url"),
    ],
)
def test_what_keeps_it_from_sending(
    sms: Any, secret: Secret | None, route: dict[str, Any], word: str
) -> None:
    unready = asked(sms, secret, **route)
    assert isinstance(unready, Unready)
    assert word in unready.reason


def answer(status: int = 201, body: Any = "", **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, headers, raw)


def recipients(*items: Any, message: str = "Sent to 1/1 Total Cost: KES 0.8000") -> Any:
    return {"SMSMessageData": {"Message": message, "Recipients": list(items)}}


def recipient(code: Any, **changes: Any) -> dict[str, Any]:
    return {
        "statusCode": code,
        "number": "+254791541111",
        "status": "Success",
        "cost": "KES 0.8000",
        "messageId": "ATXid_1",
        "messageParts": 1,
        **changes,
    }


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    ("code", "word", "state"),
    [
        (100, "Processed", "forwarded-by-gateway"),
        (101, "Sent", "sent"),
        ("101", "Sent", "sent"),
        (102, "Queued", "received-by-gateway"),
    ],
)
def test_codes_of_what_was_taken(status: int, code: Any, word: str, state: State) -> None:
    outcome = aggregator.interpret(answer(status, recipients(recipient(code))))
    assert outcome == Accepted(state, word, "ATXid_1", cost="KES 0.8000", parts=1)


@pytest.mark.parametrize(
    ("code", "word", "retry", "pause", "state"),
    [
        (401, "RiskHold", False, True, "failed"),
        (402, "InvalidSenderId", False, True, "failed"),
        (403, "InvalidPhoneNumber", False, False, "failed"),
        (404, "UnsupportedNumberType", False, False, "failed"),
        (405, "InsufficientBalance", False, True, "failed"),
        (406, "UserInBlacklist", False, False, "denied"),
        (407, "CouldNotRoute", True, False, "failed"),
        (409, "DoNotDisturbRejection", True, False, "failed"),
        (500, "InternalServerError", True, False, "failed"),
        (501, "GatewayError", True, False, "failed"),
        (502, "RejectedByGateway", True, False, "failed"),
    ],
)
def test_codes_of_what_was_refused(
    code: int, word: str, retry: bool, pause: bool, state: str
) -> None:
    refused = recipient(code, messageId="None", cost="0", status=word)
    outcome = aggregator.interpret(answer(201, recipients(refused)))
    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.retry, outcome.pause, outcome.state) == (
        word,
        retry,
        pause,
        state,
    )
    assert outcome.reference is None
    assert (outcome.after is not None) == (code == 409)


def test_every_code_is_in_the_tables_above() -> None:
    assert (len(ACCEPTED), len(REFUSED)) == (3, 11)


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (
            answer(201, recipients(message="InvalidSenderId")),
            Refused("InvalidSenderId", pause=True),
        ),
        (
            answer(201, recipients(message="InsufficientBalance")),
            Refused("InsufficientBalance", pause=True),
        ),
        (
            answer(201, recipients(message="Sent to 0/1 Total Cost: 0")),
            Refused("Sent to nobody", retry=True),
        ),
        (answer(201, recipients(message="Try again")), Refused("Try again", retry=True)),
        (answer(201, recipients(message="+254791541111")), Refused("no recipients", retry=True)),
        (answer(401, b"The supplied authentication is invalid"), Refused("HTTP 401", pause=True)),
        (answer(403, b""), Refused("HTTP 403", pause=True)),
        (answer(404, b"<html>"), Refused("HTTP 404", pause=True)),
        (answer(302, b""), Refused("HTTP 302", pause=True)),
        (answer(400, b"Request is missing required form field 'to'"), Refused("HTTP 400")),
        (answer(429, b""), Refused("HTTP 429", retry=True)),
        (answer(429, b"", **{"retry-after": "30"}), Refused("HTTP 429", retry=True, after=30.0)),
        (answer(500, b"<html>"), Refused("HTTP 500", retry=True)),
        (answer(503, recipients(recipient(101))), Refused("HTTP 503", retry=True)),
    ],
)
def test_answers_as_a_whole(given: Answer, outcome: Refused) -> None:
    assert aggregator.interpret(given) == outcome


@pytest.mark.parametrize(
    "given",
    [
        answer(200, b"<html>Welcome to the captive portal</html>"),
        answer(200, b""),
        answer(200, []),
        answer(200, {"SMSMessageData": []}),
        answer(200, {"SMSMessageData": {"Recipients": {}}}),
        answer(200, recipients("x")),
        answer(200, recipients({})),
        answer(200, recipients(recipient(None))),
        answer(200, recipients(recipient(True))),
        answer(200, recipients(recipient(101.5))),
        answer(200, recipients(recipient(999))),
        answer(200, recipients(message="Sent to 1/1 Total Cost: KES 0.8")),
        answer(101, b""),
    ],
)
def test_what_does_not_tell_is_unknown(given: Answer) -> None:
    assert isinstance(aggregator.interpret(given), Unclear)
