"""`POST /api/sms`, what a phone brings (protocol section 1.3 with decisions 4, 5, 7, 8, 10)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest

from smsgate.store.tables import inbound, quarantine, records
from tests import make
from tests.looking import counts, rows, total
from tests.make import NOON
from tests.running import Running

JSON = {"Content-Type": "application/json"}


async def _post(server: Running, body: Any) -> httpx2.Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await server.call("POST", "/api/sms", content=raw, headers=JSON, user="gateway")


EMPTY_POLLS = {
    "no body": b"",
    "white space": b" \r\n",
    "empty list": b"[]",
    "empty object": b"{}",
    "empty arrays": b'{"messages":[],"updates":[]}',
    "null arrays": b'{"messages":null,"updates":null}',
    "one null": b'{"messages":null}',
    "other keys": b'{"messages":[],"battery":3,"nested":{"a":[null]}}',
}


async def test_nothing_said_is_an_empty_poll(server: Running) -> None:
    for name, body in EMPTY_POLLS.items():
        response = await _post(server, body)
        assert (response.status_code, response.json()) == (200, {"messages": []}), name
        assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert await total(server) == 0


GOOD = '{"id":"m-1","from":"+254712345678","content":"hello"}'
NO_POLLS = {
    "null": "null",
    "string": '"x"',
    "number": "5",
    "true": "true",
    "list of messages": f"[{GOOD}]",
    "messages object": f'{{"messages":{GOOD}}}',
    "messages string": '{"messages":"x"}',
    "messages number": '{"messages":1}',
    "messages false": '{"messages":false}',
    "updates object": f'{{"messages":[{GOOD}],"updates":{{}}}}',
    "updates string": f'{{"messages":[{GOOD}],"updates":"x"}}',
    "updates number": f'{{"messages":[{GOOD}],"updates":0}}',
    "updates false": f'{{"messages":[{GOOD}],"updates":false}}',
    "malformed": f'{{"messages":[{GOOD}',
    "two values": "{}{}",
}


async def test_what_is_no_poll_is_400_before_anything_is_written(server: Running) -> None:
    for name, body in NO_POLLS.items():
        response = await _post(server, body.encode())
        assert response.status_code == 400, name
        answer = response.json()
        assert answer["code"] == 400, name
        assert answer["error"] == answer["message"] != "", name
    assert await total(server) == 0


# What lacks a sender, a text or an id, and the word it is quarantined under.
UNREADABLE: dict[str, tuple[Any, str]] = {
    "null": (None, "not_an_object"),
    "string": ("hello", "not_an_object"),
    "number": (5, "not_an_object"),
    "list": ([1, {"id": "a"}], "not_an_object"),
    "empty object": ({}, "missing_id"),
    "no id": (make.sms("a", id=...), "missing_id"),
    "null id": (make.sms("b", id=None), "missing_id"),
    "empty id": (make.sms("c", id=""), "missing_id"),
    "false id": (make.sms("d", id=False), "missing_id"),
    "object id": (make.sms("e", id={"x": 1}), "missing_id"),
    "list id": (make.sms("f", id=["x"]), "missing_id"),
    "no sender": (make.sms("g", **{"from": ...}), "missing_from"),
    "null sender": (make.sms("h", **{"from": None}), "missing_from"),
    "empty sender": (make.sms("i", **{"from": ""}), "missing_from"),
    "true sender": (make.sms("j", **{"from": True}), "missing_from"),
    "no text": (make.sms(content=...), "missing_content"),
    "null text": (make.sms(content=None), "missing_content"),
    "false text": (make.sms(content=False), "missing_content"),
    "list text": (make.sms(content=["x"]), "missing_content"),
}


async def test_an_unreadable_item_is_set_aside_with_its_json_and_its_neighbours_go_on(
    server: Running,
) -> None:
    for name, (item, reason) in UNREADABLE.items():
        before = await counts(server)
        assert len(await server.poll(make.sms("x"), item, make.sms("y"))) == 2, name
        after = await counts(server)
        grown = {table: after[table] - before[table] for table in after}
        assert grown == {"inbound": 2, "records": 2, "quarantine": 1}, name
        kept = (await rows(server, quarantine))[-1]
        assert (kept["reason"], json.loads(kept["raw"])) == (reason, item), name
        assert (kept["source"], kept["gateway"], kept["received_at"]) == (
            "cht-gateway",
            "gateway",
            NOON,
        )
        await server.poll(
            updates=[
                {"id": given["id"], "status": "SENT"}
                for given in (await server.get("/api/v1/messages?direction=outbound"))["data"]
            ]
        )


async def test_the_same_unreadable_item_again_is_counted(server: Running) -> None:
    for _ in range(3):
        await server.poll({"from": "+254712345678", "content": "no id"})
    (kept,) = await rows(server, quarantine)
    assert kept["seen_count"] == 3


NUMBERS: dict[str, tuple[dict[str, Any], tuple[str, str, str]]] = {
    "integers": ({"id": 5, "from": 254712345678, "content": 42}, ("5", "254712345678", "42")),
    "zeros": ({"id": 0, "from": 0, "content": 0}, ("0", "0", "0")),
    "floats": ({"id": 1.5, "from": 2.5, "content": -0.5}, ("1.5", "2.5", "-0.5")),
    "beyond 64 bits": (
        {"id": 10**30, "from": 10**20, "content": -(10**25)},
        (str(10**30), str(10**20), str(-(10**25))),
    ),
}


async def test_numbers_are_taken_as_their_text(server: Running) -> None:
    for name, (item, expected) in NUMBERS.items():
        await server.poll(item)
        row = (await rows(server, inbound))[-1]
        assert (row["gateway_ref"], row["sender"], row["text"]) == expected, name
    assert (await counts(server))["quarantine"] == 0


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u00a0"])
async def test_an_empty_text_is_a_record_that_says_so(server: Running, text: str) -> None:
    given = await server.poll(make.sms(text))
    (record,) = await rows(server, records)
    document = json.loads(record["document"])
    assert [error["code"] for error in document["errors"]] == ["sys.empty"]
    assert document["sms_message"]["message"] == text
    assert len(given) == 1  # the sender is told


async def test_times_are_kept_as_claimed_and_arrival_is_ours(server: Running) -> None:
    cases: dict[Any, int | None] = {
        1773057600123: 1773057600123,
        0: None,  # how the app says "unknown"
        -1: -1,
        1773057600123.7: 1773057600123,
        "1773057600123": None,
        True: None,
        10**16: None,
        -(10**17): None,
        -62135596800000: None,  # the year 1, which PostgreSQL's driver takes for minus infinity
        -62135510400000: -62135510400000,
        253370764800000: 253370764800000,
        253370764800001: None,
        None: None,
    }
    for value, expected in cases.items():
        await server.poll(make.sms("x", sms_sent=value, sms_received=value))
        row = (await rows(server, inbound))[-1]
        for column in ("sent_at", "gateway_received_at"):
            found = row[column]
            got = None if found is None else round(found.timestamp() * 1000)
            assert got == expected, (value, column)
        assert row["received_at"] == NOON
    last = json.loads((await rows(server, records))[-1]["document"])
    assert last["reported_date"] == NOON.timestamp() * 1000


async def test_a_message_is_stored_once_however_it_repeats(server: Running) -> None:
    one = make.sms()
    given = await server.poll(one, dict(one), dict(one))
    assert len(given) == 1  # one record, one reply
    for _ in range(2):
        await server.poll({**one, "sms_sent": 5})
    assert await counts(server) == {"inbound": 1, "records": 1, "quarantine": 0}
    (row,) = await rows(server, inbound)
    assert row["seen_count"] == 5
    assert row["id_conflict"] is False


async def test_requests_that_race_store_once(server: Running) -> None:
    item = make.sms()
    answers = await asyncio.gather(*(server.poll(item) for _ in range(50)))
    assert await counts(server) == {"inbound": 1, "records": 1, "quarantine": 0}
    assert (await rows(server, inbound))[0]["seen_count"] == 50
    assert {message["id"] for answer in answers for message in answer} == {
        message["id"] for message in (await server.poll())
    }


async def test_overlapping_batches_store_each_once(server: Running) -> None:
    items = [make.sms(f"note {i}") for i in range(30)]
    await asyncio.gather(
        *(server.poll(*items[start : start + 10]) for start in range(21)),
        *(server.poll(*reversed(items[start : start + 10])) for start in range(21)),
    )
    stored = await rows(server, inbound)
    assert sorted(row["gateway_ref"] for row in stored) == sorted(item["id"] for item in items)
    assert len(await rows(server, records)) == 30


async def test_one_id_with_two_texts_keeps_both_and_flags_the_second(server: Running) -> None:
    first = make.sms("one")
    await server.poll(first, {**first, "content": "two"})
    await server.poll({**first, "from": "+254799999999"})
    await server.poll(first)
    kept = [
        (row["text"], row["id_conflict"], row["seen_count"]) for row in await rows(server, inbound)
    ]
    assert sorted(kept) == [("one", False, 2), ("one", True, 1), ("two", True, 1)]


async def test_ids_of_any_length_and_script_are_ids(server: Running) -> None:
    ids = ["x" * 9000, "x" * 8999 + "y", "éà" * 500, "عربي", "a b", "'; DROP TABLE users; --", "\\"]
    for _ in range(2):
        await server.poll(*(make.sms(id=id_, **{"from": "+254712345678"}) for id_ in ids))
    stored = await rows(server, inbound)
    assert sorted(row["gateway_ref"] for row in stored) == sorted(ids)


async def test_what_is_not_a_digit_string_is_still_a_sender(server: Running) -> None:
    senders = ["MPESA", "12345", "+254 712 345 678", "0712345678", "نص", "a" * 500]
    await server.poll(*(make.sms("hi", **{"from": sender}) for sender in senders))
    assert sorted(row["sender"] for row in await rows(server, inbound)) == sorted(senders)
