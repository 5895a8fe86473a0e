"""`/api/v1/quarantine`: what could not be taken in, and its way back."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from smsgate.store.tables import audit, inbound, records
from tests import make
from tests.looking import counts, rows
from tests.running import Running

PATH = "/api/v1/quarantine"


async def _items(server: Running, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await server.get(f"{PATH}?{query}"))["data"]
    return found


async def _do(server: Running, item_id: str, verb: str, body: Any = ...) -> httpx2.Response:
    content = {} if body is ... else {"json": body}
    return await server.call("POST", f"{PATH}/{item_id}/{verb}", **content)


async def _set_aside(server: Running, item: Any) -> dict[str, Any]:
    await server.poll(item)
    return (await _items(server))[0]


async def test_an_item_is_listed_with_what_came_and_why(server: Running) -> None:
    lost = make.sms("1!ANC!Sam#23#2015", id=...)
    item = await _set_aside(server, lost)
    assert item == {
        "id": item["id"],
        "source": "cht-gateway",
        "gateway": "gateway",
        "reason": "missing_id",
        "explanation": "The phone gave the message no id.",
        "raw": lost,
        "received": "2026-03-09T12:00:00.000Z",
        "times_seen": 1,
        "status": "waiting",
    }


async def test_an_item_as_unreadable_as_before_stays(server: Running) -> None:
    item = await _set_aside(server, {"content": "x"})
    for changes in (..., {}, {"id": "i"}, {"from": "+254712345678"}):
        response = await _do(server, item["id"], "replay", changes)
        assert response.status_code == 422
        assert response.json()["error"] == "The item was left as it is"
        assert response.json()["details"].startswith("The phone gave the message no ")
    assert [one["status"] for one in await _items(server)] == ["waiting"]
    assert (await counts(server))["inbound"] == 0


@pytest.mark.parametrize(
    ("lost", "changes"),
    [
        (make.sms("1!ANC!Sam#23#2015", id=...), {"id": "mended-1"}),
        (
            make.sms("1!ANC!Sam#23#2015", id="mended-1", **{"from": None}),
            {"from": "+254712345678"},
        ),
        (make.sms(content=..., id="mended-1"), {"content": "1!ANC!Sam#23#2015"}),
        (
            "a bare text",
            {"id": "mended-1", "from": "+254712345678", "content": "1!ANC!Sam#23#2015"},
        ),
    ],
)
async def test_a_mended_item_becomes_a_message_with_its_record_and_reply(
    server: Running, lost: Any, changes: dict[str, Any]
) -> None:
    item = await _set_aside(server, lost)
    server.clock.move(hours=5)
    response = await _do(server, item["id"], "replay", changes)
    assert response.status_code == 200
    answer = response.json()
    assert (answer["status"], answer["resolved_by"]) == ("replayed", "admin")
    assert answer["duplicate"] is False
    assert answer["resolved"] == "2026-03-09T17:00:00.000Z"
    (row,) = await rows(server, inbound)
    assert answer["message"] == row["id"]
    assert (row["gateway_ref"], row["text"]) == ("mended-1", "1!ANC!Sam#23#2015")
    assert row["received_at"] == make.NOON  # when it came, not when it was mended
    assert [record["form"] for record in await rows(server, records)] == ["ANC"]
    assert len(await server.poll()) == 1
    assert await _items(server) == []
    assert [one["id"] for one in await _items(server, "status=replayed")] == [item["id"]]
    acts = [act for act in await rows(server, audit) if act["action"] == "quarantine.replayed"]
    assert [(act["actor"], act["target"]) for act in acts] == [("admin", item["id"])]


async def test_an_item_is_replayed_once(server: Running) -> None:
    item = await _set_aside(server, make.sms(id=...))
    assert (await _do(server, item["id"], "replay", {"id": "x"})).status_code == 200
    for verb, body in (
        ("replay", {"id": "x"}),
        ("replay", {"id": "y"}),
        ("discard", {"reason": "r"}),
    ):
        response = await _do(server, item["id"], verb, body)
        assert response.status_code == 409
        assert response.json()["details"] == "it was replayed already"
    assert (await counts(server))["inbound"] == 1


async def test_replaying_what_came_by_another_way_is_no_second_message(server: Running) -> None:
    good = make.sms(id="known")
    await server.poll(good)
    item = await _set_aside(server, {**good, "id": ""})
    answer = (await _do(server, item["id"], "replay", {"id": "known"})).json()
    assert answer["duplicate"] is True
    assert answer["resolution"] == "was stored already"
    assert answer["message"] == (await rows(server, inbound))[0]["id"]
    assert (await counts(server))["inbound"] == 1


async def test_discarding_needs_a_reason(server: Running) -> None:
    item = await _set_aside(server, 5)
    faulty: list[Any] = [{}, {"reason": ""}, {"reason": " "}, {"reason": 5}, {"reason": None}, []]
    for body in faulty:
        assert (await _do(server, item["id"], "discard", body)).status_code == 400
    assert (await _do(server, item["id"], "discard")).status_code == 400
    assert len(await _items(server)) == 1
    response = await _do(server, item["id"], "discard", {"reason": " a test of the phone "})
    answer = response.json()
    assert (answer["status"], answer["resolution"], answer["message"]) == (
        "discarded",
        "a test of the phone",
        None,
    )
    assert await _items(server) == []
    again: list[tuple[str, Any]] = [("replay", {}), ("discard", {"reason": "again"})]
    for verb, body in again:
        assert (await _do(server, item["id"], verb, body)).status_code == 409


async def test_what_was_discarded_and_comes_again_stays_discarded(server: Running) -> None:
    item = await _set_aside(server, {"content": "x"})
    await _do(server, item["id"], "discard", {"reason": "r"})
    await server.poll({"content": "x"})
    assert await _items(server) == []
    (kept,) = await _items(server, "status=discarded")
    assert kept["times_seen"] == 2


async def test_an_unknown_item_is_404(embedded: Running) -> None:
    assert (await _do(embedded, "x", "replay", {})).status_code == 404
    assert (await _do(embedded, "x", "discard", {"reason": "r"})).status_code == 404


@pytest.mark.parametrize("body", [{"sms_sent": 5}, {"reason": "x"}, [], 5, "x"])
async def test_only_the_three_keys_can_be_mended(embedded: Running, body: Any) -> None:
    item = await _set_aside(embedded, {"content": "x"})
    assert (await _do(embedded, item["id"], "replay", body)).status_code == 400


async def test_the_list_goes_in_pages_newest_first(server: Running) -> None:
    await server.poll(*({"content": f"lost {i}"} for i in range(23)))
    found: list[str] = []
    cursor = ""
    while True:
        page = await server.get(f"{PATH}?limit=10{cursor}")
        found += [item["raw"]["content"] for item in page["data"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert found == [f"lost {i}" for i in reversed(range(23))]
    for query in ("status=x", "status=", "limit=0", "limit=x"):
        assert (await server.call("GET", f"{PATH}?{query}")).status_code == 400
