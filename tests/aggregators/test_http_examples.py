"""The described services of `docs/generic/`: what they are asked, answer and call us with."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from smsgate.aggregators.base import (
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
    Push,
    Refused,
    Report,
    Secret,
    Taken,
    Unclear,
    Unready,
)
from smsgate.aggregators.http import family
from smsgate.message import State
from tests.make import NOON

EXAMPLES = Path(__file__).parents[2] / "docs" / "generic"
PUBLIC = "https://sms.example.org"
KEY, IN = Secret("out key"), Secret("in&key")
PUSH = Push("0190-1.2", "+254712345678", "Hi & bye", 1, NOON + timedelta(hours=2), NOON)
NEPALI = Push("0190-1.2", "+254712345678", "नमस्ते", 1)


def _example(name: str) -> Aggregator:
    own = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))["smsgate"]
    assert list(family.faults(own)) == []
    (service,) = family.members(own)
    return service


KANNEL, JASMIN, VENDOR = (_example(name) for name in ("kannel", "jasmin", "json-vendor"))


def _ask(service: Aggregator, push: Push = PUSH, public: str = PUBLIC) -> Ask:
    found = service.compose(push, KEY, Options(callback_url=public, incoming=IN))
    assert isinstance(found, Ask)
    return found


def _call(endpoint: str, body: Any = b"", method: str = "POST", **given: Any) -> Call:
    media = given.pop("media", "application/json")
    if isinstance(body, dict) and "form" in media:
        raw = urlencode(body).encode()
    else:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": media, **given.pop("headers", {})}
    return Call(endpoint, method, f"{PUBLIC}/x", headers, given.pop("query", []), raw, NOON)


def _heard(service: Aggregator, call: Call) -> Heard:
    found = service.read(call, Options())
    assert isinstance(found, Heard)
    return found


FORM = "application/x-www-form-urlencoded"


class TestKannel:
    def test_a_message(self) -> None:
        ask = _ask(KANNEL)
        assert (ask.method, ask.body, dict(ask.headers)) == ("GET", b"", {})
        url = urlsplit(ask.url)
        assert url._replace(query="").geturl() == "http://10.0.0.5:13013/cgi-bin/sendsms"
        query = dict(parse_qsl(url.query, strict_parsing=True))
        assert query == {
            "username": "smsgate",
            "password": "out key",
            "from": "21512",
            "to": "+254712345678",
            "text": "Hi & bye",
            "charset": "UTF-8",
            "coding": "0",
            "validity": "120",
            "dlr-mask": "31",
            "dlr-url": f"{PUBLIC}/api/v1/sms/kannel/delivery-reports?key=in%26key"
            "&id=0190-1.2&status=%d",
        }
        assert dict(parse_qsl(urlsplit(_ask(KANNEL, NEPALI).url).query))["coding"] == "2"

    def test_without_a_public_address_no_report_is_asked_for(self) -> None:
        assert "dlr-url" not in _ask(KANNEL, public="").url
        assert "validity" not in _ask(KANNEL, NEPALI).url

    @pytest.mark.parametrize(
        ("status", "body", "outcome"),
        [
            (202, b"0: Accepted for delivery", Accepted(State.RECEIVED_BY_GATEWAY, "0")),
            (202, b"3: Queued for later delivery", Accepted(State.RECEIVED_BY_GATEWAY, "3")),
            (202, b"7: +254712345678", Unclear("7")),
            (202, b"<html>", Unclear("HTTP 202 without a word")),
            (400, b"0: Accepted for delivery", Unclear("HTTP 400 with a word for success")),
            (403, b"Authorization failed", Refused("HTTP 403", pause=True)),
            (404, b"", Refused("HTTP 404", pause=True)),
            (400, b"Missing", Refused("HTTP 400")),
            (503, b"Temporal failure", Refused("HTTP 503", retry=True)),
            (302, b"", Refused("HTTP 302", pause=True)),
            (100, b"", Unclear("HTTP 100 without a word")),
        ],
    )
    def test_answers(self, status: int, body: bytes, outcome: object) -> None:
        assert KANNEL.interpret(Answer(status, {}, body)) == outcome

    def test_a_text_by_get(self) -> None:
        query = [("id", "a-1"), ("from", " 254712345678"), ("text", "1!ANC!Sam#23"), ("key", "k")]
        (message,) = _heard(KANNEL, _call("incoming-messages", method="GET", query=query)).messages
        assert (message.source, message.gateway_ref) == ("kannel", "a-1")
        assert (message.sender, message.text) == ("+254712345678", "1!ANC!Sam#23")

    @pytest.mark.parametrize(
        ("status", "state"),
        [
            ("1", State.DELIVERED),
            ("2", State.FAILED),
            ("4", State.RECEIVED_BY_GATEWAY),
            ("8", State.SENT),
            ("16", State.FAILED),
            ("32", None),
        ],
    )
    def test_reports(self, status: str, state: State | None) -> None:
        query = [("id", "0190-1.2"), ("status", status)]
        heard = _heard(KANNEL, _call("delivery-reports", method="GET", query=query))
        assert list(heard.reports) == [Report("", status, state, message_id="0190-1.2")]
        assert KANNEL.meaning(status) is state


class TestJasmin:
    def test_a_message(self) -> None:
        ask = _ask(JASMIN)
        form = dict(parse_qsl(ask.body.decode(), strict_parsing=True))
        assert (ask.method, ask.url) == ("POST", "http://10.0.0.5:1401/send")
        assert ask.headers == {"content-type": FORM}
        assert (form["to"], form["content"], form["coding"]) == ("254712345678", "Hi & bye", "0")
        assert form["dlr-url"] == f"{PUBLIC}/api/v1/sms/jasmin/delivery-reports?key=in%26key"
        assert dict(parse_qsl(_ask(JASMIN, NEPALI).body.decode()))["coding"] == "8"

    @pytest.mark.parametrize(
        ("status", "body", "outcome"),
        [
            (200, b'Success "07-5c"', Accepted(State.RECEIVED_BY_GATEWAY, "HTTP 200", "07-5c")),
            (200, b"Success", Unclear("HTTP 200 without an id")),
            (403, b'Error "Authentication failure"', Refused("Authentication failure", pause=True)),
            (412, b'Error "No route found"', Refused("No route found")),
            (500, b'Error "Cannot send"', Refused("Cannot send", retry=True)),
            (400, b'Error "Bad +254712345678"', Refused("an unknown word")),
        ],
    )
    def test_answers(self, status: int, body: bytes, outcome: object) -> None:
        assert JASMIN.interpret(Answer(status, {}, body)) == outcome

    @pytest.mark.parametrize(
        ("fields", "text"),
        [
            ({"content": "hello", "coding": "0", "binary": "68"}, "hello"),
            ({"content": "?", "coding": "8", "binary": "नम".encode("utf-16-be").hex()}, "नम"),
            ({"content": "kept", "coding": "8", "binary": "zz"}, "kept"),
            ({"content": "kept", "coding": "8"}, "kept"),
            ({"content": "", "coding": "0"}, ""),
        ],
    )
    def test_texts(self, fields: dict[str, str], text: str) -> None:
        call = _call("incoming-messages", {"id": "1", "from": "254712", **fields}, media=FORM)
        assert [each.text for each in _heard(JASMIN, call).messages] == [text]

    def test_it_is_answered_as_it_expects(self) -> None:
        for endpoint in JASMIN.endpoints:
            answer = JASMIN.acknowledge(_call(endpoint), Taken(), Options())
            assert isinstance(answer, Acknowledgement)
            assert (answer.body, answer.status) == (b"ACK/Jasmin", 200)

    def test_reports(self) -> None:
        fields = {"id": "07-5c", "message_status": "UNDELIV", "err": "001"}
        heard = _heard(JASMIN, _call("delivery-reports", fields, media=FORM))
        assert list(heard.reports) == [Report("07-5c", "UNDELIV", State.FAILED, "001")]


class TestJsonVendor:
    def test_a_message(self) -> None:
        push = Push("id", "+254712345678", 'a "{to}" \\ \ud800 {secret}')
        ask = _ask(VENDOR, push)
        assert ask.headers["authorization"] == "Bearer out key"
        assert json.loads(ask.body) == {
            "sender": "HEALTH",
            "messages": [
                {"to": push.recipient, "text": 'a "{to}" \\ \ufffd {secret}', "reference": "id"}
            ],
            "callback_url": f"{PUBLIC}/api/v1/sms/national-sms/delivery-reports?key=in%26key",
            "flash": False,
        }

    @pytest.mark.parametrize(
        ("status", "item", "outcome"),
        [
            (
                200,
                {"id": 7, "status": {"code": "SENT"}, "price": "0.8", "parts": 2},
                Accepted(State.SENT, "SENT", "7", "0.8", 2),
            ),
            (201, {"id": 7, "status": {"code": "NEW"}}, Unclear("NEW")),
            (201, {"status": {"code": "QUEUED"}}, Unclear("QUEUED without an id")),
            (200, {"status": {"code": "OPTED_OUT"}}, Refused("OPTED_OUT", state=State.DENIED)),
            (200, {"status": {"code": "BUSY"}}, Refused("BUSY", retry=True, after=7.0)),
            (402, {"status": {"code": "NO_CREDIT"}}, Refused("NO_CREDIT", pause=True)),
            (400, {"status": {"code": "INVALID_NUMBER"}}, Refused("INVALID_NUMBER")),
            (200, {}, Unclear("HTTP 200 without a word")),
            (500, {}, Refused("HTTP 500", retry=True, after=7.0)),
        ],
    )
    def test_answers(self, status: int, item: Any, outcome: object) -> None:
        body = json.dumps({"messages": [item]}).encode()
        assert VENDOR.interpret(Answer(status, {"retry-after": "7"}, body)) == outcome

    def test_several_texts_in_one_call(self) -> None:
        items = [
            {
                "id": "1",
                "sender": {"number": "+254712345678"},
                "text": "a",
                "sent_at": "2026-03-09",
            },
            {"id": "2", "sender": {}, "text": "b"},
            {"id": "", "sender": {"number": "+2"}, "text": "c"},
            {"id": "4", "sender": {"number": "+254712345678"}},
            "junk",
        ]
        heard = _heard(VENDOR, _call("incoming-messages", {"messages": items}))
        assert [each.gateway_ref for each in heard.messages] == ["1"]
        assert heard.messages[0].sent_at is not None
        reasons = [each.reason for each in heard.unreadable]
        assert reasons == ["missing_from", "missing_id", "missing_content", "missing_id"]

    def test_reports(self) -> None:
        item = {"id": 9, "reference": "0190-1.2", "status": {"code": "FAILED", "text": "absent"}}
        heard = _heard(VENDOR, _call("delivery-reports", {"reports": [item]}))
        assert list(heard.reports) == [Report("9", "FAILED", State.FAILED, "absent", "0190-1.2")]


@pytest.mark.parametrize("service", [KANNEL, JASMIN, VENDOR], ids=lambda each: each.name)
class TestEach:
    def test_what_is_missing(self, service: Aggregator) -> None:
        options = Options(callback_url=PUBLIC)
        assert service.compose(PUSH, None, options) == Unready(
            f"store the credential {service.name}:outgoing"
        )
        unready = service.compose(PUSH, KEY, options)
        assert isinstance(unready, Unready)
        assert unready.reason.startswith(f"store the credential {service.name}:incoming")
        assert isinstance(service.compose(PUSH, Secret("a\n"), options), Unready)

    def test_who_is_let_in(self, service: Aggregator) -> None:
        place: dict[str, Any] = {
            "headers": {"authorization": f"Bearer {IN}"},
            "query": [("key", str(IN))],
        }
        for endpoint in service.endpoints:
            assert service.verify(_call(endpoint, **place), [KEY, IN], Options()) is None
            assert service.verify(_call(endpoint, **place), [KEY], Options()) == Denied(
                "Incorrect token"
            )
            assert service.verify(_call(endpoint), [IN], Options()) == Denied("Incorrect token")
            assert service.verify(_call(endpoint, **place), [], Options()) == Denied(
                "No incoming key configured"
            )
            twice: dict[str, Any] = {"query": [("key", str(IN))] * 2}
            assert service.verify(_call(endpoint, **twice), [IN], Options()) is not None

    @pytest.mark.parametrize(
        "body",
        [
            *(b"", b"[]", b"[1]", b"{}", b"null", b"\xff", b"{", b"[" * 5000),
            *(b"a=%ff&b", b'{"id":[]}', b'{"messages":[' + b"1," * 1500 + b"1]}"),
        ],
    )
    @pytest.mark.parametrize("media", [FORM, "application/json", "text/xml", ""])
    def test_hostile_bodies(self, service: Aggregator, body: bytes, media: str) -> None:
        for endpoint in service.endpoints:
            for method in ("GET", "POST"):
                found = service.read(_call(endpoint, body, method, media=media), Options())
                assert isinstance(found, Heard | BadCall)
                if isinstance(found, Heard):
                    assert not found.messages
                    assert not found.reports

    def test_no_repr_shows_a_secret(self, service: Aggregator) -> None:
        ask = _ask(service)
        assert "out key" not in repr(ask)
        assert "in&key" not in repr(Options(incoming=IN))


def _service(**parts: Any) -> Aggregator:
    own = {"http": {"svc": parts}}
    assert list(family.faults(own)) == []
    (service,) = family.members(own)
    return service


class TestOtherWays:
    def test_basic_and_the_path(self) -> None:
        service = _service(
            values={"user": "me", "project": "a b"},
            send={
                "method": "PUT",
                "url": "https://h.example/{project}/{to}/",
                "basic": "{user}",
                "form": {"m": "{text}", "n": "{segments}", "s": "{seconds}", "p": 3},
            },
        )
        ask = _ask(service)
        assert ask.url == "https://h.example/a%20b/%2B254712345678/"
        assert base64.b64decode(ask.headers["authorization"][6:]) == b"me:out key"
        assert ask.body == b"m=Hi+%26+bye&n=1&s=7200&p=3"
        assert service.interpret(Answer(200)) == Accepted(State.RECEIVED_BY_GATEWAY, "HTTP 200")

    @pytest.mark.parametrize(
        ("secret", "given"),
        [
            ({"header": "X-Key"}, {"headers": {"x-key": str(IN)}}),
            (
                {"basic": "me"},
                {
                    "headers": {
                        "authorization": "Basic " + base64.b64encode(f"me:{IN}".encode()).decode()
                    }
                },
            ),
            ({"field": "pw"}, {"body": {"pw": str(IN)}}),
            ({}, {"query": [("key", str(IN))]}),
        ],
    )
    def test_where_a_secret_may_be(self, secret: Any, given: dict[str, Any]) -> None:
        fields = {"id": ["ref", "at"], "from": "from", "text": "text"}
        service = _service(incoming={"fields": fields, "secret": secret})
        assert service.signs_body is ("field" in secret)
        assert service.verify(_call("incoming-messages", **given), [IN], Options()) is None
        assert service.verify(_call("incoming-messages", **given), [KEY], Options()) is not None
        assert service.verify(_call("incoming-messages"), [IN], Options()) is not None
        bad = _call("incoming-messages", headers={"authorization": "Basic !", "x-key": ""})
        assert service.verify(bad, [IN], Options()) is not None

    def test_an_id_of_several_values(self) -> None:
        fields = {"id": ["from", "at"], "from": "from", "text": "text"}
        service = _service(incoming={"fields": fields})
        items = [{"from": "+254712345678", "at": at, "text": "x"} for at in ("1", "1", "2", None)]
        heard = _heard(service, _call("incoming-messages", items))
        first, again, other = (each.gateway_ref for each in heard.messages)
        assert first == again != other
        assert "254" not in first
        assert [each.reason for each in heard.unreadable] == ["missing_id"]

    def test_the_route_may_have_another_address(self) -> None:
        options = Options(callback_url=PUBLIC, incoming=IN, route={"url": "http://127.0.0.1:9/x"})
        ask = JASMIN.compose(PUSH, KEY, options)
        assert isinstance(ask, Ask)
        assert ask.url == "http://127.0.0.1:9/x"
        assert isinstance(JASMIN.compose(PUSH, KEY, Options(route={"url": 7})), Unready)

    def test_only_in(self) -> None:
        service = _service(incoming={"fields": {"id": "id", "from": "from", "text": "text"}})
        assert (service.sends, service.endpoints) == (False, ("incoming-messages",))
        assert isinstance(service.compose(PUSH, KEY, Options()), Unready)
        assert isinstance(service.interpret(Answer(200)), Unclear)
        assert service.meaning("1") is None
        assert service.acknowledge(_call("incoming-messages"), Taken(messages=1), Options()) == (
            Acknowledgement.json({"saved": 1})
        )
