"""Settings are in effect on the next request, and nothing in them can break the service."""

from __future__ import annotations

import json
from typing import Any

import pytest

from smsgate.store.tables import outbound, records
from tests import make
from tests.looking import rows
from tests.running import Running

ODD: list[Any] = [
    None, True, False, 0, -1, 1.5, 10**15, 1e300, "", " ", "x", "true", "\u0000\ud800", "\u0663",
    "x" * 5000, [], [None], [[["x"]]], ["x", 5, {}], {}, {"": ""}, {"x": None}, {"en": 5},
    {"x": {"x": {"x": 1}}}, {"X": {"meta": {"code": "X"}, "fields": {"f": {"type": 5}}}},
]  # fmt: skip
KEYS = [
    "default_country_code", "default_responses", "forms", "forms_only_mode", "gateway_number",
    "locale", "locale_outgoing", "outgoing_deny_list", "outgoing_deny_shorter_than",
    "outgoing_deny_with_alphas", "permissions", "phone_validation", "roles", "sms", "smsgate",
    "translations",
]  # fmt: skip
INNER = [
    ("default_responses", "start_date"),
    ("sms", "outgoing_service"),
    ("smsgate", "replies"),
    ("smsgate", "outbound"),
    ("smsgate", "timezone"),
    ("permissions", "can_access_gateway_api"),
    ("roles", "gateway"),
    ("forms", "ANC"),
    ("translations", "en"),
]


async def _put(server: Running, document: Any, query: str = "") -> dict[str, Any]:
    response = await server.call(
        "PUT",
        "/api/v1/settings" + query,
        content=json.dumps(document).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 200, (document, response.text)
    answer: dict[str, Any] = response.json()
    return answer


async def _survives(server: Running, document: dict[str, Any]) -> None:
    await _put(server, document)
    items = [make.sms(text) for text in ("1!ANC!Sam#23#2015", "hello there", "")]
    response = await server.call("POST", "/api/sms", json={"messages": items})
    assert response.status_code == 200, document
    assert (await server.get("/api/v1/quarantine"))["data"] == [], document
    body = {"to": "+254712345678", "content": "x"}
    assert (await server.call("POST", "/api/v1/messages", json=body)).status_code in (201, 400)


@pytest.mark.parametrize("key", KEYS)
async def test_no_odd_value_of_a_key_breaks_anything(embedded: Running, key: str) -> None:
    first = await embedded.get("/api/v1/settings")
    for value in ODD:
        await _survives(embedded, {key: value})
    await _put(embedded, first, "?overwrite=true")
    assert len(await embedded.poll(make.sms())) >= 1


@pytest.mark.parametrize("keys", INNER)
async def test_no_odd_value_inside_one_breaks_anything(
    embedded: Running, keys: tuple[str, str]
) -> None:
    for value in ODD:
        await _survives(embedded, {keys[0]: {keys[1]: value}})


async def _fields(server: Running, text: str) -> tuple[str | None, dict[str, Any]]:
    await server.poll(make.sms(text))
    document = json.loads((await rows(server, records))[-1]["document"])
    return document.get("form"), document["fields"]


async def test_a_form_is_switched_off_and_on(server: Running) -> None:
    read = ("ANC", {"name": "Sam", "week": 23, "year": 2015})
    assert await _fields(server, "1!ANC!Sam#23#2015") == read
    await _put(server, {"forms": {"ANC": None}})
    assert await _fields(server, "1!ANC!Sam#23#2015") == (None, {})
    document = await server.get("/api/v1/settings")
    del document["forms"]
    await _put(server, document, "?overwrite=true")
    assert await _fields(server, "1!ANC!Sam#23#2015") == read


async def test_a_form_of_the_settings_is_known_at_once_and_overrides_a_file(
    server: Running,
) -> None:
    definition = {
        "meta": {"code": "NEW", "label": {"en": "New"}},
        "fields": {"n": {"type": "integer", "labels": {"tiny": {"en": "n"}}, "required": True}},
    }
    await _put(server, {"forms": {"NEW": definition}})
    assert await _fields(server, "1!NEW!7") == ("NEW", {"n": 7})
    answer = await _put(server, {"forms": {"ANC": {**definition, "meta": {"code": "ANC"}}}})
    assert "ANC" in str(answer["warnings"])
    assert await _fields(server, "1!ANC!7") == ("ANC", {"n": 7})


@pytest.mark.parametrize(
    "translations",
    [
        {"en": {"sms_received": "Got it."}, "fr": {"sms_received": "Bien re\u00e7u."}},
        [
            {
                "key": "sms_received",
                "default": "?",
                "translations": [
                    {"locale": "en", "content": "Got it."},
                    {"locale": "fr", "content": "Bien re\u00e7u."},
                ],
            }
        ],
    ],
)
async def test_translations_in_both_shapes_replace_the_shipped_texts(
    server: Running, translations: Any
) -> None:
    await _put(server, {"translations": translations})
    assert [given["content"] for given in await server.poll(make.sms("hello"))] == ["Got it."]
    await _put(server, {"locale_outgoing": "fr"})
    (given, _) = await server.poll(make.sms("hello"))
    assert given["content"] == "Bien re\u00e7u."


async def test_forms_only_mode_keeps_the_code_and_says_the_form_is_unknown(
    server: Running,
) -> None:
    (plain,) = await server.poll(make.sms("xyzzy 1 2"))
    await _put(server, {"forms_only_mode": True})
    (strict, _) = await server.poll(make.sms("xyzzy 1 2"))
    assert plain["content"] != strict["content"]
    documents = [json.loads(row["document"]) for row in await rows(server, records)]
    assert [document.get("form") for document in documents] == [None, "XYZZY"]
    assert [[error["code"] for error in d["errors"]] for d in documents] == [
        [],
        ["sys.form_not_found"],
    ]


async def test_replies_are_switched_off_by_kind(server: Running) -> None:
    await _put(server, {"smsgate": {"replies": {"form_feedback": False}}})
    assert await server.poll(make.sms()) == []
    assert len(await server.poll(make.sms("hello"))) == 1
    await _put(server, {"default_responses": {"start_date": ""}})
    await server.poll(make.sms("hello again"))
    assert len(await rows(server, outbound)) == 1


async def test_phones_are_offered_nothing_while_another_service_sends(server: Running) -> None:
    await _put(server, {"sms": {"outgoing_service": "africas-talking"}})
    assert await server.poll(make.sms()) == []
    assert await server.poll() == []
    await _put(server, {"sms": {"outgoing_service": "medic-gateway"}})
    assert len(await server.poll()) == 1


async def test_the_lease_and_the_expiry_are_settings(server: Running) -> None:
    await _put(server, {"smsgate": {"outbound": {"lease_minutes": 1, "expires_hours": 2}}})
    (given,) = await server.poll(make.sms())
    shown = await server.get(f"/api/v1/messages/{given['id']}")
    assert shown["expires"] == "2026-03-09T14:00:00.000Z"
    assert await server.poll(user="phone2") == []
    server.clock.move(minutes=2)
    assert await server.poll(user="phone2") == [given]


async def test_numbers_are_read_by_the_programmes_country(server: Running) -> None:
    await _put(server, {"default_country_code": 254})
    (given,) = await server.poll(make.sms("hello", **{"from": "0712 345 678"}))
    assert given["to"] == "+254712345678"
