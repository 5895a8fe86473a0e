"""What must hold of every aggregator that is installed or described, whoever wrote it.

One that is new is in here by being registered; if it takes delivery reports it adds to `REPORTS_OF`
how it writes one. The services of `docs/generic/` stand for all that can be described.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgate import log
from smsgate.aggregators.base import (
    REPORTS,
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
    Report,
    Secret,
    Taken,
    Unready,
)
from smsgate.aggregators.http import family
from smsgate.aggregators.registry import AggregatorRegistry, installed
from smsgate.message import State
from tests.make import NOON
from tests.running import Running, quiet

GENERIC = Path(__file__).parents[2] / "docs" / "generic"
DESCRIBED = {
    name: description
    for file in sorted(GENERIC.glob("*.json"))
    for name, description in json.loads(file.read_text("utf-8"))["smsgate"]["http"].items()
}
ALL = (*installed().aggregators, *family.members({"http": DESCRIBED}))
BY_NAME = {one.name: one for one in ALL}
ENDPOINTS = [(one, endpoint) for one in ALL for endpoint in one.endpoints]
each = pytest.mark.parametrize("aggregator", ALL, ids=lambda one: one.name)
everywhere = pytest.mark.parametrize(
    ("aggregator", "endpoint"), ENDPOINTS, ids=[f"{one.name} {end}" for one, end in ENDPOINTS]
)

FORM = "application/x-www-form-urlencoded"
CANARY = "canary-secret-91c4"
SECRETS = (Secret(CANARY), Secret("canary-former-33b0"))
# How each writes a report of a word.
REPORTS_OF: dict[str, Callable[[str], tuple[str, bytes]]] = {
    "africastalking": lambda word: (FORM, urlencode({"id": "ATXid_1", "status": word}).encode()),
    "kannel": lambda word: (FORM, urlencode({"id": "m1", "status": word}).encode()),
    "jasmin": lambda word: (FORM, urlencode({"id": "1", "message_status": word}).encode()),
    "national-sms": lambda word: (
        "application/json",
        json.dumps({"reports": [{"id": 1, "status": {"code": word}}]}).encode(),
    ),
    "twilio": lambda word: (
        FORM,
        urlencode({"MessageSid": "SM" + "0a" * 16, "MessageStatus": word}).encode(),
    ),
}
STRANGE = "aWordThatNobodyUses"
OPTIONS = Options(
    sms={
        "africas_talking": {"username": "clinic"},
        "rapidpro": {"url": "https://rapidpro.example.org"},
        "nepal_doit_sms": {"url": "https://sms.example.org"},
    },
    own={"twilio": {"account_sid": "AC" + "1b" * 16, "from": "+14155550100"}},
)

HOSTILE = [
    b"",
    b"\0",
    b"\xff\xfe\xfd",
    b"null",
    b"[]",
    b"true",
    b"{}",
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b'{"id":' + b"9" * 5000 + b"}",
    b'{"id": 1e999}',
    b'{"id": NaN, "from": Infinity, "content": -0}',
    b'{"id": "\\ud800", "from": "\\udfff", "content": "\\u0000"}',
    b'{"id": [], "from": {}, "content": 5}',
    b'{"id": "1", "from": "+2547", "content": "x", "id": "2"}',
    b"id=1&id=2&from=3&text=4&from=5",
    b"id=%00&from=%ff&text=%ed%a0%80",
    b"id=1&from=2&text=" + b"%F0%9F%98%80" * 4000,
    b"&".join([b"a"] * 30_000),
    b"=" * 60_000,
    b"%" * 60_000,
    b"id&from&text&status",
    b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'a'>]><x>&a;</x>",
]
KINDS = ["", FORM, "application/json", "application/json; charset=utf-16", "text/plain", "a/b;;"]


def call(endpoint: str, body: bytes = b"", kind: str = FORM, **changes: Any) -> Call:
    values = {
        "endpoint": endpoint,
        "method": "POST",
        "url": "https://sms.example.org/api/v1/sms/x/y",
        "headers": {"content-type": kind},
        "query": [],
        "body": body,
        "at": NOON,
    }
    return Call(**{**values, **changes})


def shown(wrong: str) -> Iterator[Call]:
    """Calls that show `wrong` in every place where a secret may be shown."""
    for endpoint in ("incoming-messages", REPORTS):
        yield call(endpoint)
        for name in ("key", "token", "secret", "apikey"):
            yield call(endpoint, query=[(name, wrong)])
            yield call(endpoint, query=[(name, wrong), (name, CANARY)])
        for name in ("authorization", "x-api-key", "x-signature", "x-twilio-signature"):
            for scheme in ("", "Token ", "Bearer ", "Basic "):
                yield call(endpoint, headers={name: scheme + wrong})


@each
@pytest.mark.parametrize("wrong", ["", "wrong", CANARY[:-1], CANARY + "x", "\0", "\ud800", "é"])
def test_a_wrong_secret_is_refused(aggregator: Aggregator, wrong: str) -> None:
    for one in shown(wrong):
        for secrets in (SECRETS, SECRETS[:1]):
            denied = aggregator.verify(one, secrets, OPTIONS)
            assert isinstance(denied, Denied)
            assert 400 <= denied.status < 500
            assert CANARY not in repr(denied)


@each
def test_without_a_secret_nobody_comes_in(aggregator: Aggregator) -> None:
    for one in shown(""):
        assert isinstance(aggregator.verify(one, (), OPTIONS), Denied)


@everywhere
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_bodies_are_values(aggregator: Aggregator, endpoint: str, kind: str) -> None:
    for body in HOSTILE:
        said_of(aggregator, call(endpoint, body, kind))


@everywhere
@given(
    body=st.binary(max_size=300)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["id", "from", "content", "text", "status", "messages"]), inner
            )
        ),
        max_leaves=10,
    ).map(lambda value: json.dumps(value).encode())
    | st.lists(st.tuples(st.sampled_from(["id", "from", "text", "status", "x"]), st.binary())).map(
        lambda fields: urlencode(fields).encode()
    ),
    kind=st.sampled_from(KINDS),
    method=st.sampled_from(["POST", "GET"]),
)
def test_any_body_is_a_value(
    aggregator: Aggregator, endpoint: str, body: bytes, kind: str, method: str
) -> None:
    said_of(aggregator, call(endpoint, body, kind, method=method))


def said_of(aggregator: Aggregator, one: Call) -> None:
    aggregator.verify(one, SECRETS, OPTIONS)
    said = aggregator.read(one, OPTIONS)
    if isinstance(said, BadCall):
        assert 400 <= said.status < 500
        return
    assert isinstance(said, Heard)
    for message in said.messages:
        assert message.source == aggregator.name
        assert message.gateway_ref
        assert message.sender
        assert message.received_at == NOON
    for taken in (
        Taken(messages=len(said.messages), duplicates=1),
        Taken(unreadable=1, spooled=True),
        Taken(reports=1, unknown=Report("1", STRANGE, None)),
    ):
        for own in ({}, {"strict_statuses": True, "rapidpro": {"strict_duplicates": True}}):
            answer = aggregator.acknowledge(one, taken, Options(own=own))
            if isinstance(answer, Acknowledgement):
                assert answer.status not in range(300, 400)
                assert answer.body
            else:
                assert 400 <= answer.status < 500


@each
def test_a_word_that_is_not_known_means_nothing(aggregator: Aggregator) -> None:
    for word in (STRANGE, "", "\0", "\ud800", "x" * 10_000):
        assert aggregator.meaning(word) is None


@pytest.mark.parametrize(
    "aggregator", [one for one in ALL if REPORTS in one.endpoints], ids=lambda one: one.name
)
def test_a_report_with_such_a_word_is_kept_with_it(aggregator: Aggregator) -> None:
    if aggregator.name not in REPORTS_OF and not type(aggregator).__module__.startswith("smsgate."):
        pytest.skip(f"how {aggregator.name} writes a report is for its own package to test")
    kind, body = REPORTS_OF[aggregator.name](STRANGE)
    said = aggregator.read(call(REPORTS, body, kind), OPTIONS)
    assert isinstance(said, Heard)
    (report,) = said.reports
    assert (report.status, report.state) == (STRANGE, None)


@each
def test_hostile_answers_are_outcomes(aggregator: Aggregator) -> None:
    for status in (100, 200, 201, 204, 301, 400, 401, 403, 404, 418, 429, 500, 503, 599):
        for body in HOSTILE:
            answer = Answer(status, {"content-type": "a/b", "retry-after": "soon"}, body)
            if aggregator.sends:
                outcome = aggregator.interpret(answer)
                assert isinstance(outcome, Outcome)
                assert str(getattr(outcome, "state", "failed")) in set(State)
            aggregator.reported("1", answer)


@each
@given(text=st.text(max_size=200), recipient=st.text(max_size=40))
def test_whatever_is_sent_can_be_asked(aggregator: Aggregator, text: str, recipient: str) -> None:
    if not aggregator.sends:
        return
    push = Push("m1", recipient, text, expires_at=NOON, at=NOON)
    for secret in (SECRETS[0], Secret("with\nbreak"), None):
        ask = aggregator.compose(push, secret, OPTIONS)
        assert isinstance(ask, Ask | Unready)
        if isinstance(ask, Ask):
            assert ask.url.startswith(("https://", "http://"))
            for name, value in ask.headers.items():
                assert "\n" not in name + value
                assert "\r" not in name + value
        else:
            assert CANARY not in ask.reason
    for options in (Options(), Options(sms={"africas_talking": 5}, own={"twilio": []})):
        aggregator.compose(push, SECRETS[0], options)


@each
def test_no_secret_and_no_text_in_any_repr(aggregator: Aggregator) -> None:
    texts = (CANARY, "canary-text", "15550100042")
    push = Push("m1", "+15550100042", "canary-text")
    held: list[Any] = [aggregator, SECRETS, push, OPTIONS]
    if aggregator.sends:
        held.append(aggregator.compose(push, SECRETS[0], OPTIONS))
    held.append(aggregator.inquire("1", SECRETS[0], OPTIONS))
    body = urlencode({"key": CANARY, "text": "canary-text", "from": "+15550100042"}).encode()
    held.append(call("incoming-messages", body, query=[("key", CANARY)], headers={"a": CANARY}))
    held.append(Answer(200, {"x": CANARY}, body))
    for one in held:
        assert not any(text in repr(one) for text in texts)
        assert not any(text in str(one) for text in texts if not isinstance(one, str))


def test_names_lead_to_one_aggregator() -> None:
    AggregatorRegistry(ALL)  # raises where two share a name
    for one in installed().aggregators:
        assert installed().named(one.name) is one
        assert all(installed().named(alias) is one for alias in one.aliases)
    for one in ALL:
        assert one.credential_prefixes


# -- over HTTP


async def keyed(server: Running) -> None:
    described = await server.call("PUT", "/api/v1/settings", json={"smsgate": {"http": DESCRIBED}})
    assert described.status_code == 200, described.text
    for one in ALL:
        response = await server.call(
            "PUT",
            f"/api/v1/credentials/{one.credential_prefixes[0]}:incoming",
            content=CANARY,
            headers={"Content-Type": "text/plain"},
        )
        assert response.status_code == 200, response.text


async def test_hostile_calls_are_never_500_and_leak_nothing(
    embedded: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    await keyed(embedded)
    log.configure("DEBUG", "json")
    pages = []
    for one, endpoint in ENDPOINTS:
        for kind in KINDS[1:3]:
            for body in [*HOSTILE, b"id=1&text=canary-text&from=15550100042&status=x"]:
                for query, token in ((CANARY, CANARY), (CANARY + "x", "x" + CANARY)):
                    response = await embedded.call(
                        "POST",
                        f"/api/v1/sms/{one.name}/{endpoint}?key={query}",
                        user=None,
                        content=body,
                        headers={"Content-Type": kind, "Authorization": f"Token {token}"},
                    )
                    assert response.status_code in (200, 400, 403, 413), response.text
                    assert response.content
                    pages.append(response.text)
    quiet()
    written = capfd.readouterr().err
    assert '"status": 403' in written
    for canary in (CANARY, "canary-text", "15550100042"):
        assert canary not in written
        assert canary not in "".join(pages)
