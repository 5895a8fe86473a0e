"""Each fault of a description is named by its path, with what is allowed; all of them at once."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from smsgate.aggregators.base import Call, Denied, Options, Push, Secret, Unready
from smsgate.aggregators.http import family
from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.aggregators.twilio import aggregator as twilio
from tests.make import NOON

GOOD: dict[str, Any] = {
    "values": {"user": "me"},
    "send": {
        "url": "https://h.example/send",
        "query": {"u": "{user}", "k": "{secret}", "to": "{to}", "m": "{text}"},
        "answer": {"text": ["{status}: {}"], "accepted": ["0"]},
    },
    "incoming": {"fields": {"id": "id", "from": "from", "text": "text"}},
    "reports": {"fields": {"reference": "id", "status": "s"}, "states": {"1": "delivered"}},
}


def _changed(path: str, value: Any) -> dict[str, Any]:
    description = copy.deepcopy(GOOD)
    *steps, last = path.split("/")
    place = description
    for step in steps:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return description


def _faults(description: Any, name: str = "svc") -> list[str]:
    return list(family.faults({"http": {name: description}}))


def test_a_good_one_has_none() -> None:
    assert _faults(GOOD) == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("send/url", ..., "send.url: is missing"),
        ("send/url", 7, "send.url: must be a text"),
        ("send/url", "h.example/send", "send.url: must be an address such as https://host/path"),
        ("send/url", "https://h/?a=1", "send.url: must be an address"),
        ("send/url", "https://{to}/x", "send.url: must be an address"),
        ("send/url", "https://u:p@h/x", "send.url: must be an address"),
        ("send/url", "https://h/{text}", "send.url: {text} is not known here: known are {id}, "),
        ("send/url", "https://h/{secret}", "send.url: {secret} is not known here"),
        ("send/method", "DELETE", "send.method: must be one of GET, POST, PUT, PATCH"),
        (
            "send/verb",
            "GET",
            "send.verb: is not known here: known are answer, basic, encoding, form",
        ),
        ("send/query", [], "send.query: must be an object of texts"),
        ("send/query/u", {}, "send.query.u: must be a text"),
        ("send/query/u", "{usr}", "send.query.u: {usr} is not known here: known are {callback}, "),
        ("send/query/u", "{", "send.query.u: has a lone {"),
        ("send/query/to", "x", "send: names no recipient: {to} or {to_no_plus} is in none of"),
        ("send/query/m", "x", "send: sends no text: {text} is in none of query, form, json"),
        ("send/form", "x", "send.form: must be an object of texts"),
        ("send/json", {"a": "{x}"}, "send.json.a: {x} is not known here"),
        ("send/json", {"a": ["{x}"]}, "send.json.a[0]: {x} is not known here"),
        ("send/headers", {"x": "{text}"}, "send.headers.x: {text} is not known here"),
        ("send/headers", {"Host": "x"}, "send.headers.Host: is no header that can be set"),
        ("send/headers", {"a b": "x"}, "send.headers.a b: is no header that can be set"),
        ("send/headers", {"x": "a\nb"}, "send.headers.x: must hold ASCII characters only"),
        ("send/basic", "{secret}", "send.basic: {secret} is not known here: known are {user}"),
        ("send/encoding", {"gsm": "0"}, "send.encoding.gsm: is not known here: known are gsm-7"),
        ("send/answer", [], "send.answer: must be an object"),
        ("send/answer/text", "x", "send.answer.text: must be a list of texts or numbers"),
        ("send/answer/text", ["{id}{}"], "send.answer.text[0]: has two gaps with nothing between"),
        ("send/answer/json", {"id": "a[x]"}, "send.answer.json.id: must be a path such as"),
        ("send/answer/json", {"ref": "a"}, "send.answer.json.ref: is not known here: known are "),
        ("send/answer/retry", ["0"], 'send.answer.retry: has "0", which is in accepted too'),
        (
            "send/answer/states",
            {"0": "failed"},
            "send.answer.states.0: must be one of received-by-gateway, forwarded-by-gateway, sent",
        ),
        ("incoming/fields", ..., "incoming.fields.id: is missing"),
        ("incoming/fields/text", "", "incoming.fields.text: must be a text"),
        ("incoming/fields/to", "x", "incoming.fields.to: is not known here: known are from, id, "),
        ("incoming/fields/id", "a[", "incoming.fields.id: must be a name, or a path such as"),
        ("incoming/secret", {"query": "a", "header": "b"}, "incoming.secret: must have one of"),
        ("incoming/secret", {"cookie": "a"}, "incoming.secret.cookie: is not known here"),
        ("incoming/secret", {"query": "a", "prefix": "x"}, "incoming.secret.prefix: goes with"),
        ("incoming/answer", 7, "incoming.answer: must be a text, or an object"),
        ("incoming/answer", "", "incoming.answer: must not be empty"),
        ("incoming/states", {}, "incoming.states: is not known here"),
        ("incoming/hex", {"field": "b"}, "incoming.hex.coding: is missing"),
        ("incoming/items", "a[", "incoming.items: must be a path"),
        ("reports/fields", {"status": "s"}, "reports.fields: must have reference (their id), "),
        ("reports/states/1", "pending", "reports.states.1: must be one of received-by-gateway"),
        ("values/user", [], "values.user: must be a text or a number"),
        ("values/User", "x", "values.User: must be lower-case letters, digits and _"),
        ("values/text", "x", "values.text: is taken: {text} has a meaning of its own"),
        ("push", {}, "push: is not known here: known are incoming, reports, send, values"),
    ],
)
def test_each_fault(path: str, value: Any, fault: str) -> None:
    faults = _faults(_changed(path, value))
    assert any(each.startswith(f"smsgate.http.svc.{fault}") for each in faults), faults


@pytest.mark.parametrize(
    ("own", "fault"),
    [
        ({"http": []}, "smsgate.http: must be an object of services by name"),
        ({"http": {"A b": GOOD}}, "smsgate.http.A b: the name must be lower-case letters"),
        ({"http": {"a" * 41: GOOD}}, "smsgate.http." + "a" * 41 + ": the name must be"),
        ({"http": {"phones": GOOD}}, "smsgate.http.phones: this name is taken"),
        ({"http": {"svc": 7}}, "smsgate.http.svc: must be an object"),
        ({"http": {"svc": {}}}, "smsgate.http.svc: must have send, incoming or both"),
    ],
)
def test_faults_of_the_whole(own: dict[str, Any], fault: str) -> None:
    assert any(each.startswith(fault) for each in family.faults(own))


def test_a_body_and_a_method_must_fit() -> None:
    form = {"to": "{to}", "m": "{text}"}
    both = {"url": "https://h/", "form": form, "json": form}
    assert "smsgate.http.svc.send.json: cannot go with form: a request has one body" in _faults(
        {"send": both}
    )
    get = {"url": "https://h/", "method": "GET", "form": form}
    assert _faults({"send": get}) == ["smsgate.http.svc.send.form: cannot go with the method GET"]


def test_all_at_once() -> None:
    description = _changed("send/url", "x")
    description["incoming"]["fields"] = {}
    description["reports"]["states"]["1"] = "x"
    assert len(_faults(description)) == 5


def _call(endpoint: str) -> Call:
    return Call(endpoint, "POST", "https://h/", {}, [("key", "s")], b"", NOON)


def test_a_part_with_a_fault_does_not_work_and_the_others_do() -> None:
    own = {"http": {"svc": _changed("send/url", "x")}}
    (service,) = family.members(own)
    unready = service.compose(Push("id", "+254700000000", "x"), Secret("s"), Options())
    assert isinstance(unready, Unready)
    assert unready.reason.startswith("smsgate.http.svc.send.url: must be an address")
    assert service.verify(_call("incoming-messages"), [Secret("s")], Options()) is None

    (service,) = family.members({"http": {"svc": _changed("incoming/fields/id", 7)}})
    denied = service.verify(_call("incoming-messages"), [Secret("s")], Options())
    assert denied == Denied("The description of this service has a fault", 503)
    assert not isinstance(
        service.compose(Push("id", "+254700000000", "x"), Secret("s"), Options()), Unready
    )


def test_the_registry_holds_members_by_name() -> None:
    registry = AggregatorRegistry([twilio], [family])
    own = {"http": {"svc": GOOD, "twilio": GOOD, "off": None}}
    found = registry.described(own)
    assert found.names == ("svc", "twilio")
    assert found.named("twilio") is twilio
    assert registry.described(own) is found
    assert registry.described({}).names == ("twilio",)
    assert registry.faults(own) == [
        "smsgate.http.twilio: this name is taken by an installed aggregator"
    ]
