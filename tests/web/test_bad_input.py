"""Hostile and broken bodies: a clear 4xx or a quarantined item, never a 500, never half a text."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from smsgate.store.tables import inbound, orphan_reports, outbound, quarantine, records
from tests import make
from tests.looking import counts, rows, total
from tests.running import Running

DEEP = 100_000
GOOD = b'{"id":"m-1","from":"+254712345678","content":"hello"}'

REFUSED: dict[str, bytes] = {
    "malformed UTF-8": b'{"messages":[{"id":"a","from":"b","content":"\xff\xfe"}]}',
    "overlong UTF-8": b'{"messages":[{"id":"a","from":"b","content":"\xc0\x80"}]}',
    "a surrogate as UTF-8": b'{"messages":[{"id":"a","from":"b","content":"\xed\xa0\x80"}]}',
    "cut UTF-8": b'{"messages":[{"id":"a","from":"b","content":"\xe2\x82"}]}',
    "BOM": b'\xef\xbb\xbf{"messages":[%s]}' % GOOD,
    "UTF-16": f'{{"messages":[{GOOD.decode()}]}}'.encode("utf-16"),
    "UTF-32": f'{{"messages":[{GOOD.decode()}]}}'.encode("utf-32"),
    "raw NUL in a text": b'{"messages":[{"id":"a","from":"b","content":"x\x00y"}]}',
    "NUL around": b"\x00{}\x00",
    "NaN": b'{"messages":[{"id":NaN,"from":"b","content":"c"}]}',
    "Infinity": b'{"messages":[{"id":"a","from":Infinity,"content":"c"}]}',
    "-Infinity": b'{"messages":[],"x":-Infinity}',
    "1e999": b'{"messages":[{"id":1e999,"from":"b","content":"c"}]}',
    "-1e999 beside a surrogate": b'{"messages":[{"id":"\\ud800","from":-1e999,"content":"c"}]}',
    "deep list": b"[" * DEEP,
    "deep list, closed": b'{"messages":[' + b"[" * DEEP + b"]" * DEEP + b"]}",
    "deep object": b'{"a":' * DEEP,
    "deep inside an item": b'{"messages":[{"id":%s1%s}]}' % (b"[" * 1000, b"]" * 1000),
    "deep beside a surrogate": b'["\\ud800",%s1%s]' % (b"[" * 5000, b"]" * 5000),
    "urlencoded": b"id=1&from=2&content=3",
    "XML": b"<messages/>",
    "comment": b'{"messages":[]/**/}',
    "trailing comma": b'{"messages":[],}',
    "single quotes": b"{'messages':[]}",
    "cut off": b'{"messages":[' + GOOD,
}


async def _post(
    server: Running, raw: bytes, path: str = "/api/sms", user: str = "gateway", **headers: str
) -> httpx2.Response:
    return await server.call(
        "POST",
        path,
        content=raw,
        headers={"Content-Type": "application/json", **headers},
        user=user,
    )


async def test_a_body_that_cannot_be_read_is_400_and_leaves_nothing(embedded: Running) -> None:
    for name, raw in REFUSED.items():
        response = await _post(embedded, raw)
        assert response.status_code == 400, (name, response.text)
        assert response.json()["message"], name
        assert len(response.content) < 300, name
    assert await total(embedded) == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/v1/messages"), ("PUT", "/api/v1/settings")],
)
async def test_elsewhere_too(embedded: Running, method: str, path: str) -> None:
    before = await embedded.get("/api/v1/settings")
    for name, raw in REFUSED.items():
        response = await embedded.call(
            method, path, content=raw, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 400, (name, response.text)
    assert await embedded.get("/api/v1/settings") == before
    assert await total(embedded) == 0


# What is odd but readable: as JSON, and what is stored for it.
ODD: dict[str, tuple[str, str]] = {
    "NUL": (r"a\u0000b", "a\ufffdb"),
    "only NUL": (r"\u0000", "\ufffd"),
    "lone high surrogate": (r"a\ud800b", "a\ufffdb"),
    "lone low surrogate": (r"a\udc00b", "a\ufffdb"),
    "surrogates the wrong way round": (r"\udc00\ud800", "\ufffd\ufffd"),
    "a real pair": (r"\ud83d\ude00", "\U0001f600"),
    "both": (r"x\u0000\ud800y", "x\ufffd\ufffdy"),
}


async def test_no_table_ever_holds_what_a_database_cannot(server: Running) -> None:
    for name, (escaped, stored) in ODD.items():
        item = f'{{"id":"i{escaped}","from":"+2547{escaped}","content":"1!ANC!{escaped}#23#2015"}}'
        response = await _post(server, f'{{"messages":[{item}]}}'.encode())
        assert response.status_code == 200, (name, response.text)
        row = (await rows(server, inbound))[-1]
        assert row["text"] == f"1!ANC!{stored}#23#2015", name
        assert row["sender"] == f"+2547{stored}", name
        assert row["gateway_ref"] == f"i{stored}", name
        document = json.loads((await rows(server, records))[-1]["document"])
        assert document["fields"]["name"] == stored, name
        if "\ufffd" in stored:
            assert json.loads(row["raw"]) == json.loads(item), name
        else:
            assert row["raw"] is None, name
    assert await counts(server) == {"inbound": 7, "records": 7, "quarantine": 0}


async def test_what_differs_only_in_what_cannot_be_stored_stays_two_messages(
    server: Running,
) -> None:
    for escaped in (r"\u0000", r"\ud800", r"\ufffd"):
        item = f'{{"id":"{escaped}","from":"+254712345678","content":"{escaped}"}}'
        for _ in range(2):
            assert (await _post(server, f'{{"messages":[{item}]}}'.encode())).status_code == 200
    stored = await rows(server, inbound)
    assert [(row["text"], row["seen_count"]) for row in stored] == [("\ufffd", 2)] * 3


async def test_odd_text_in_reports_and_quarantine(server: Running) -> None:
    odd = r'"\u0000\ud800"'
    body = (
        f'{{"messages":[{{"from":{odd},"content":{odd},{odd}:1}}],'
        f'"updates":[{{"id":{odd},"status":{odd},"reason":{odd}}},{{"status":{odd}}}]}}'
    )
    assert (await _post(server, body.encode())).status_code == 200
    kept = await rows(server, quarantine)
    assert json.loads(kept[0]["raw"])["content"] == "\x00\ud800"
    assert (await rows(server, orphan_reports))[0]["reference"] == "\ufffd\ufffd"
    listed = await server.get("/api/v1/quarantine")
    assert {item["reason"] for item in listed["data"]} == {"missing_id", "unreadable_update"}
    assert "\ufffd\ufffd" in json.dumps(listed, ensure_ascii=False)


async def test_numbers_of_any_size_are_text(server: Running) -> None:
    digits = "9" * 5000
    raw = (
        f'{{"messages":[{{"id":{digits},"from":{digits},"content":-{digits},"sms_sent":{digits}}},'
    )
    raw += (
        f'{{"id":{digits},"other":[{digits}]}}],"updates":[{{"id":{digits},"status":{digits}}}]}}'
    )
    assert (await _post(server, raw.encode())).status_code == 200
    (row,) = await rows(server, inbound)
    assert (row["gateway_ref"], row["text"]) == (digits, "-" + digits)
    assert row["sent_at"] is None
    assert await counts(server) == {"inbound": 1, "records": 1, "quarantine": 1}


async def test_a_key_given_twice_is_read_as_its_last(embedded: Running) -> None:
    raw = b'{"messages":[{"id":"a","id":"b","from":"+254712345678","content":"x"}]}'
    assert (await _post(embedded, raw)).status_code == 200
    assert (await rows(embedded, inbound))[0]["gateway_ref"] == "b"


async def test_nul_in_a_path_or_a_query_finds_nothing(server: Running) -> None:
    await server.poll(make.sms())
    for path in (
        "/api/v1/messages/%00",
        "/api/v1/messages/a%00b",
        "/api/v1/report/%00",
        "/api/v1/messages/%ed%a0%80",
        "/api/v1/report/" + "x" * 5000,
    ):
        assert (await server.call("GET", path)).status_code == 404, path
    assert (await server.get("/api/v1/messages?to=%00"))["data"] == []
    for path in ("/api/v1/messages?cursor=%00", "/api/v1/quarantine?cursor=%00"):
        assert (await server.call("GET", path)).status_code == 200, path
    for verb in ("replay", "discard"):
        path = f"/api/v1/quarantine/%00/{verb}"
        response = await server.call("POST", path, json={"reason": "r"} if verb[0] == "d" else {})
        assert response.status_code == 404, path
    assert (await server.call("GET", "/api/v1/messages?limit=" + "1" * 5000)).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"content": "\ud800\x00x"},
        {"due": "9999-12-31T23:59:59Z"},
        {"due": "9999-12-31T23:59:59Z", "expires": "9999-12-31T23:59:59.999Z"},
        {"due": "0001-01-02T00:00:00Z"},
    ],
)
async def test_odd_messages_to_send_are_stored_whole(
    server: Running, changes: dict[str, Any]
) -> None:
    body = {"to": "+254712345678", "content": "hello", **changes}
    response = await _post(server, json.dumps(body).encode(), "/api/v1/messages", "admin")
    assert response.status_code == 201, response.text
    shown = await server.get(f"/api/v1/messages/{response.json()['id']}")
    assert shown == response.json()
    (row,) = await rows(server, outbound)
    assert "\x00" not in str(row)
    assert "\\x00" not in str(row)


async def test_a_phone_with_an_odd_name_is_refused_as_any_unknown_one(server: Running) -> None:
    body = {"to": "+254712345678", "content": "hello", "gateway": "\ud800\x00"}
    response = await _post(server, json.dumps(body).encode(), "/api/v1/messages", "admin")
    assert response.status_code == 400, response.text
    assert await rows(server, outbound) == []


async def test_odd_text_in_settings_is_stored_as_text(server: Running) -> None:
    odd = r'{"x\u0000":"\ud800","n":123456789012345678901234567890,"f":1.5}'
    response = await server.call(
        "PUT",
        "/api/v1/settings",
        content=odd.encode(),
        headers={"Content-Type": "application/json"},
    )
    assert response.json()["updated"] is True
    stored = await server.get("/api/v1/settings")
    assert stored["x\ufffd"] == "\ufffd"
    assert stored["n"] == "123456789012345678901234567890"
    assert stored["f"] == 1.5
