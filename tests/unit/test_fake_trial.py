"""What `smsgate fake` says while it runs."""

from __future__ import annotations

import io
import json
import random

import pytest

from smsgate.fakes.africastalking import MESSAGING, AfricasTalking
from smsgate.fakes.callbacks import Heard, Post
from smsgate.fakes.faults import Fault, server_error
from smsgate.fakes.service import Request
from smsgate.fakes.trial import Mischief, Watch, greeting

TEXT = Request("POST", MESSAGING, [], {"apikey": "fake-key"}, b"username=u&to=%2B1&message=secret")
LOOK = Request("GET", MESSAGING, [], {"apikey": "fake-key"}, b"")
REPORT = Post("delivery report Success", "http://x/?key=secret", b"")


class Terminal(io.StringIO):
    """Somebody looks."""

    def isatty(self) -> bool:
        return True


def watched(stream: io.StringIO, **options: bool) -> Watch:
    service = AfricasTalking()
    watch = Watch(stream, service, **options)
    service.taken[("+1", "secret")] = 2
    service.on_call(TEXT, "201")
    service.on_call(LOOK, "200")
    watch.posted(REPORT, Heard(200, '{"saved":1}'))
    watch.posted(REPORT, Heard(0))
    watch.end()
    return watch


def test_a_line_for_each_without_what_is_in_it() -> None:
    stream = io.StringIO()
    watch = watched(stream)
    assert stream.getvalue().splitlines() == [
        f"POST {MESSAGING}: 201",
        f"GET {MESSAGING}: 200",
        "posted: delivery report Success: 200",
        "posted: delivery report Success: no answer",
    ]
    assert list(watch.summary()) == [
        "callbacks answered nothing: 1",
        "callbacks answered 200: 1",
        "messages taken: 2",
        "different messages: 1",
        "taken more than once: 1",
    ]


def test_what_is_in_it_when_asked() -> None:
    stream = io.StringIO()
    watched(stream, show=True)
    assert "  to +1: 'secret'\n" in stream.getvalue()
    assert '200 {"saved":1}\n' in stream.getvalue()
    assert "key=" not in stream.getvalue()


def test_a_count_on_a_terminal() -> None:
    stream = Terminal()
    watched(stream, quiet=True)
    assert "\n" not in stream.getvalue()
    assert "messages taken 2, twice 1, callbacks 2 (1 accepted)" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("drop", "error", "entry"),
    [(0.0, 0.0, None), (1.0, 0.0, Fault("reset")), (0.0, 1.0, server_error())],
)
def test_mischief(drop: float, error: float, entry: object) -> None:
    rule = Mischief(AfricasTalking(), random.Random(1), drop=drop, error=error)
    assert rule(TEXT) == entry
    assert rule(LOOK) is None


@pytest.mark.parametrize(
    ("kind", "url", "reports", "network", "says"),
    [
        ("africastalking", "http://127.0.0.1:5989", True, "127.0.0.0/8", "+254711000405"),
        ("africastalking", "http://[::1]:5989", False, "::1", "it posts no delivery reports"),
        ("rapidpro", "http://192.0.2.7:5990", False, "192.0.2.7", "rapidpro:outgoing"),
        ("rapidpro", "http://gateway:5990", False, "gateway", "RapidPro"),
        ("twilio", "http://127.0.0.1:5991", False, "127.0.0.0/8", "account_sid"),
        ("nepal-doit", "http://127.0.0.1:5992", False, "127.0.0.0/8", "/api/sms"),
        ("kannel", "http://127.0.0.1:5993", False, "127.0.0.0/8", "/cgi-bin/sendsms"),
        ("jasmin", "http://127.0.0.1:5994", False, "127.0.0.0/8", "/send"),
    ],
)
def test_what_to_enter_at_smsgate(
    kind: str, url: str, reports: bool, network: str, says: str
) -> None:
    said = greeting(kind, url, "fake-key", reports=reports)
    (document,) = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert document["sms"]["outgoing_service"] == kind
    assert document["smsgate"]["routes"][kind]["allow"] == [network]
    assert url in json.dumps(document)
    assert says in said
    assert ("posts no delivery" in said) is (kind == "africastalking" and not reports)
