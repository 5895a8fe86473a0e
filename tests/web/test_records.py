"""`POST /api/v1/records` and `/api/v2/records` (protocol section 4.1, decision 3)."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest

from smsgate.store.tables import audit, inbound, outbound
from tests.byhand import by_hand
from tests.looking import execute, rows, total
from tests.posting import FORM, FORM_HEADER, JSON, SENDER, TEXT, V1, V2, VALUES, post, record
from tests.running import Running


@pytest.mark.parametrize("path", [V1, V2, V1 + "/"])
async def test_a_text_becomes_a_record_with_a_story(server: Running, path: str) -> None:
    response = await post(
        server, {"from": SENDER, "message": TEXT, "sent_timestamp": "1710000000000"}, to=path
    )

    document = await record(server, response)
    assert document["fields"] == {"name": "Sam", "week": 23, "year": 2015}
    assert document["reported_date"] == 1710000000000
    (text,) = await rows(server, inbound)
    shown = await server.get(f"/api/v1/messages/{text['id']}")
    assert (shown["source"], shown["gateway"], shown["gateway_ref"]) == ("records", "clerk", None)
    assert (shown["content"], shown["sent"]) == (TEXT, "2024-03-09T16:00:00.000Z")
    assert shown["record"] == response.json()["id"]
    report = await server.get(f"/api/v1/report/{shown['record']}")
    assert report["fields"] == document["fields"]
    (task,) = report["tasks"]
    assert task["messages"][0]["to"] == SENDER
    (offered,) = await server.poll()
    assert offered["content"] == task["messages"][0]["message"]


@pytest.mark.parametrize("path", [V1, V2])
async def test_values_become_a_record_and_no_reply(server: Running, path: str) -> None:
    response = await post(server, VALUES, to=path)

    document = await record(server, response)
    assert document["fields"] == {"name": "Sam", "week": 23, "year": 2015}
    assert document["sms_message"] == {"form": "ANC", "from": SENDER}
    assert await rows(server, inbound) == []
    assert await rows(server, outbound) == []


async def test_it_is_known_who_made_a_record(server: Running) -> None:
    made = [await post(server, VALUES), await post(server, {"from": "1", "message": "x"})]

    notes = [row for row in await rows(server, audit) if row["action"] == "record.create"]
    assert [(row["actor"], row["target"]) for row in notes] == [
        ("clerk", response.json()["id"]) for response in made
    ]


MISSING_FROM = "Missing required value: from"
MISSING_MESSAGE = "Missing required field: message"
MISSING_META = "Missing _meta property."
MISSING_FORM = "Missing required field: form"
BAD_JSON = "Invalid JSON in request body"
NO_TYPE: dict[str, str] = {}

REFUSED: dict[str, tuple[dict[str, str], bytes, str | None]] = {
    "no from": (FORM, b"message=x", MISSING_FROM),
    "neither": (FORM, b"x=y", MISSING_FROM),
    "nothing": (FORM, b"", MISSING_FROM),
    "From": (FORM, b"From=1&message=x", MISSING_FROM),
    "no message": (FORM, b"from=1", MISSING_MESSAGE),
    "message[]": (FORM, b"from=1&message[]=x", MISSING_MESSAGE),
    "no _meta": (JSON, b"{}", MISSING_META),
    "_meta null": (JSON, b'{"_meta":null}', MISSING_META),
    "_meta empty": (JSON, b'{"_meta":""}', MISSING_META),
    "a list": (JSON, b"[]", MISSING_META),
    "no bytes of JSON": (JSON, b"", MISSING_META),
    "no form": (JSON, b'{"_meta":{}}', MISSING_FORM),
    "form empty": (JSON, b'{"_meta":{"form":""}}', MISSING_FORM),
    "_meta a text": (JSON, b'{"_meta":"anc"}', MISSING_FORM),
    "unknown form": (JSON, b'{"_meta":{"form":"zzz"}}', "Form not found: ZZZ"),
    "form a number": (JSON, b'{"_meta":{"form":5}}', None),
    "form a list": (JSON, b'{"_meta":{"form":["anc"]}}', None),
    "malformed": (JSON, b"{", BAD_JSON),
    "single quotes": (JSON, b"{'_meta':{}}", BAD_JSON),
    "a text": (JSON, b'"x"', BAD_JSON),
    "a number": (JSON, b"5", BAD_JSON),
    "null": (JSON, b"null", BAD_JSON),
    "NaN": (JSON, b'{"_meta":{"form":"anc"},"week":NaN}', BAD_JSON),
    "too deep": (JSON, b'{"a":' * 1000 + b"1" + b"}" * 1000, BAD_JSON),
    "no UTF-8": (JSON, b'{"_meta":{"form":"\xff"}}', BAD_JSON),
    "UTF-16": (JSON, '{"_meta":{}}'.encode("utf-16"), BAD_JSON),
    "no type": (NO_TYPE, b"from=1&message=x", None),
    "text": ({"Content-Type": "text/plain"}, b"from=1&message=x", None),
    "XML": ({"Content-Type": "application/xml"}, b"<a/>", None),
    "JSON of another kind": ({"Content-Type": "application/vnd.api+json"}, b"{}", None),
    "multipart": (
        {"Content-Type": "multipart/form-data; boundary=x"},
        b'--x\r\nContent-Disposition: form-data; name="from"\r\n\r\n1\r\n--x--\r\n',
        None,
    ),
    "unknown charset": ({"Content-Type": FORM["Content-Type"] + "; charset=x"}, b"from=1", None),
    "UTF-7": ({"Content-Type": JSON["Content-Type"] + "; charset=utf-7"}, b"{}", None),
}


async def test_what_is_refused_and_in_which_words(server: Running) -> None:
    for name, (headers, body, details) in REFUSED.items():
        for path in (V1, V2):
            answer = await server.call("POST", path, content=body, headers=headers, user="clerk")
            expected = {"code": 500, "error": "Server error", "message": "Server error"}
            if details is not None:
                expected["details"] = details
            assert (answer.status_code, answer.json()) == (500, expected), name

            text = await server.call(
                "POST", path, content=body, headers={**headers, "Accept": "*/*"}, user="clerk"
            )
            words = "Server error" if details is None else f'Server error: "{details}"'
            assert (text.status_code, text.text) == (500, words), name
            assert text.headers["content-type"].startswith("text/plain")
    assert await total(server) == 0


async def test_without_a_body_at_all(server: Running) -> None:
    for headers in (FORM, JSON, NO_TYPE):
        raw = await by_hand(server, f"POST {V2}", user="clerk", headers=headers)
        assert raw.startswith(b"HTTP/1.1 500 "), headers
        assert raw.endswith(b'{"code":500,"error":"Server error","message":"Server error"}')


async def test_empty_values_are_values(server: Running) -> None:
    document = await record(server, await post(server, b"from=&message=", **FORM_HEADER))

    assert document["from"] == ""
    assert [error["code"] for error in document["errors"]] == ["sys.empty"]


async def test_who_may(server: Running) -> None:
    for user, status in (("clerk", 200), ("officer", 200), ("admin", 200), ("gateway", 200)):
        assert (await post(server, VALUES, user=user)).status_code == status, user
    await server.call(
        "PUT", "/api/v1/settings", json={"permissions": {"can_create_records": ["data_entry"]}}
    )
    before = await total(server)

    refused = await post(server, VALUES, user="gateway")
    assert (refused.status_code, refused.json()["error"]) == (403, "Insufficient privileges")
    anonymous = await post(server, b"{", user=None, Content_Type="application/json")
    assert (anonymous.status_code, anonymous.json()["error"]) == (401, "unauthorized")
    assert anonymous.headers["logout-authorization"] == "CHT-Core API"
    assert await total(server) == before


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_post(embedded: Running, method: str) -> None:
    assert (await embedded.call(method, V2)).status_code == 405


async def test_the_limit_is_what_it_inflates_to(server: Running) -> None:
    large = b"from=1&message=" + b"x" * 1024 * 1024
    packed = gzip.compress(large)

    for body, headers in ((large, {}), (packed, {"Content_Encoding": "gzip"})):
        answer = await post(server, body, **FORM_HEADER, **headers)
        assert (answer.status_code, answer.json()["error"]) == (413, "Payload Too Large")
    fitting = gzip.compress(b"from=1&message=" + b"x" * 1000)
    document = await record(
        server, await post(server, fitting, Content_Encoding="gzip", **FORM_HEADER)
    )
    assert document["sms_message"]["message"] == "x" * 1000


async def test_more_parameters_than_anybody_needs(embedded: Running) -> None:
    answer = await post(embedded, b"from=1&message=x" + b"&a=" * 1000, **FORM_HEADER)

    assert (answer.status_code, answer.json()["error"]) == (413, "too many parameters")


FORMS: dict[str, tuple[bytes, str, dict[str, Any]]] = {
    "plus and percent": (b"from=%2B1&message=a+b%2Bc%20d", "", {"message": "a b+c d"}),
    "a value with =": (b"from=1&message=a=b", "", {"message": "a=b"}),
    "a key without =": (b"from=1&message", "", {"message": ""}),
    "empty parameters": (b"&&from=1&&message=x&", "", {"message": "x"}),
    "repeated": (b"from=1&message=a&message=b", "", {"message": ["a", "b"]}),
    "three times": (b"from=1&message=a&message=b&message=c", "", {"message": ["a", "b", "c"]}),
    "repeated sender": (b"from=1&from=2&message=a", "", {"from": ["1", "2"]}),
    "repeated ref": (b"from=1&message=a&gateway_ref=1&gateway_ref=2", "", {"message": "a"}),
    "UTF-8": ("from=1&message=नमस्ते".encode(), "", {"message": "नमस्ते"}),
    "UTF-8 in percent": (b"from=1&message=%E0%A4%A8", "; charset=UTF-8", {"message": "न"}),
    "ISO-8859-1": (b"from=1&message=%e9t\xe9", "; charset=iso-8859-1", {"message": "été"}),
    "Windows": (b"from=1&message=%80", '; charset="windows-1252"', {"message": "€"}),
    "no UTF-8": (b"from=1&message=a%FFb", "", {"message": "a\ufffdb"}),
    "a lone percent": (b"from=1&message=5%", "", {"message": "5%"}),
    "NUL": (b"from=1%00&message=a%00b", "", {"message": "a\ufffdb", "from": "1\ufffd"}),
    "NUL in a timestamp": (b"from=1&message=a&sent_timestamp=%00", "", {"message": "a"}),
    "other keys": (b"from=1&message=x&tasks=1&_id=2", "", {"message": "x"}),
}


async def test_how_a_form_is_read(server: Running) -> None:
    for name, (body, charset, expected) in FORMS.items():
        given = {"Content_Type": FORM["Content-Type"] + charset}
        document = await record(server, await post(server, body, **given))
        said = document["sms_message"]
        assert {key: said[key] for key in expected} == expected, name
        assert not {"tasks", "_id"} & said.keys(), name


async def test_what_the_database_cannot_hold_is_kept_as_it_came(server: Running) -> None:
    body = b"from=1&message=a%00b%FF&gateway_ref=%00"
    await record(server, await post(server, body, **FORM_HEADER))

    (row,) = await rows(server, inbound)
    assert (row["text"], row["gateway_ref"], row["raw"]) == ("a\ufffdb\ufffd", "\ufffd", body)


@pytest.mark.parametrize(
    ("path", "locale", "said"),
    [
        (V1, None, "Zisizo"),
        (V1 + "?locale=fr", None, "Non rempli"),
        (V1 + "?locale=fr", "en", "Not filled"),
        (V2 + "?locale=fr", None, "Zisizo"),
    ],
)
async def test_only_v1_hears_a_locale_in_the_query(
    embedded: Running, path: str, locale: str | None, said: str
) -> None:
    await embedded.call("PUT", "/api/v1/settings", json={"locale": "sw"})
    catalogue = {"sw": {"sys.missing_fields": "Zisizo: {{fields}}"}}
    await embedded.call("PUT", "/api/v1/settings", json={"translations": catalogue})
    body = {"from": SENDER, "message": "1!ANC!Sam", **({"locale": locale} if locale else {})}

    document = await record(embedded, await post(embedded, body, to=path))

    (error,) = document["errors"]
    assert error["message"].startswith(said)
    wanted = locale or ("fr" if path.startswith(V1 + "?") else None)
    assert document["sms_message"].get("locale") == wanted


async def test_the_replies_are_those_of_a_phone(server: Running) -> None:
    for text in ("AMC x", "", "hello there", "1!ANC!Sam"):
        await server.poll({"id": f"p{text}", "from": "+254711000001", "content": text})
        await post(server, {"from": "+254711000002", "message": text})
    said: dict[str, list[str]] = {}
    for row in await rows(server, outbound):
        said.setdefault(row["recipient"], []).append(row["text"])

    assert said["+254711000001"] == said["+254711000002"]
    assert len(said["+254711000002"]) == 4


async def test_one_that_cannot_be_stored_spoils_no_other(server: Running) -> None:
    """The database says no to one record; its neighbours in the same transaction are written."""
    trigger = {
        "sqlite": """CREATE TRIGGER no BEFORE INSERT ON records WHEN NEW.sender = '666'
                     BEGIN SELECT RAISE(ABORT, 'no'); END""",
        "postgresql": "ALTER TABLE records ADD CONSTRAINT no CHECK (sender <> '666')",
    }
    url: str = server.services.settings.database_url
    await execute(server, trigger["sqlite" if url.startswith("sqlite") else "postgresql"])

    senders = ["1", "666", "2", "3"]
    answers = await asyncio.gather(
        *(post(server, {"from": sender, "message": "x"}) for sender in senders)
    )

    assert [answer.status_code for answer in answers] == [200, 500, 200, 200]
    assert answers[1].json() == {"code": 500, "error": "Server error", "message": "Server error"}
    assert len(await rows(server, inbound)) == 3
    again = await post(server, {"from": "666", "message": "x"}, Idempotency_Key="k")
    assert again.status_code == 500
