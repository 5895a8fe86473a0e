"""`GET /api/v1/messages`: filters, and pages without a gap or a repeat."""

from __future__ import annotations

from typing import Any

from tests import make
from tests.running import Running

PATH = "/api/v1/messages"


async def _ids(server: Running, query: str = "") -> list[str]:
    return [shown["id"] for shown in (await server.get(f"{PATH}?limit=200&{query}"))["data"]]


async def _pages(server: Running, query: str, limit: int) -> list[str]:
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        after = f"&cursor={cursor}" if cursor else ""
        page: dict[str, Any] = await server.get(f"{PATH}?{query}&limit={limit}{after}")
        assert len(page["data"]) <= limit
        found += [shown["id"] for shown in page["data"]]
        cursor = page["cursor"]
    return found


async def _fill(server: Running, count: int) -> None:
    """`count` messages, every third an arrival with its reply, the rest to be sent."""
    made = 0
    while made < count:
        if made % 6 == 0:
            await server.poll(make.sms(f"note {made}"))
            made += 2
        else:
            content = {"to": "+254712345678", "content": f"number {made}"}
            response = await server.call("POST", PATH, json=content)
            assert response.status_code == 201
            made += 1


async def test_pages_follow_one_another_without_gap_or_repeat(server: Running) -> None:
    await _fill(server, 120)
    everything = await _ids(server)
    assert len(everything) == len(set(everything)) == 120
    assert everything == sorted(everything, reverse=True)  # newest first
    for query in ("", "direction=inbound", "direction=outbound", "state=pending"):
        whole = await _ids(server, query)
        for limit in (1, 7, 50, 119, 120, 200):
            if limit == 1 and len(whole) > 40:
                continue
            assert await _pages(server, query, limit) == whole, (query, limit)


async def test_what_arrives_meanwhile_does_not_disturb_the_pages(server: Running) -> None:
    await _fill(server, 12)
    before = await _ids(server)
    first = await server.get(f"{PATH}?limit=5")
    await _fill(server, 6)
    rest = await server.get(f"{PATH}?limit=200&cursor={first['cursor']}")
    assert [shown["id"] for shown in first["data"] + rest["data"]] == before


async def test_filters_narrow_the_list(server: Running) -> None:
    (reply,) = await server.poll(make.sms(**{"from": "+254712000001"}))
    later = {"to": "+254712000002", "content": "x", "due": "2026-03-10T00:00:00Z"}
    scheduled = (await server.call("POST", PATH, json=later)).json()["id"]
    server.clock.move(hours=1)
    now = {"to": "+254712000002", "content": "y"}
    pending = (await server.call("POST", PATH, json=now)).json()["id"]
    arrived = (await _ids(server, "direction=inbound"))[0]
    cases: dict[str, list[str]] = {
        "": [pending, scheduled, reply["id"], arrived],
        "direction=inbound": [arrived],
        "direction=outbound": [pending, scheduled, reply["id"]],
        "state=received": [arrived],
        "state=pending": [pending],
        "state=scheduled": [scheduled],
        "state=forwarded-to-gateway": [reply["id"]],
        "state=delivered": [],
        "to=%2B254712000002": [pending, scheduled],
        "to=%2B254712000002&state=pending": [pending],
        "to=nobody": [],
        "to=": [],
        "since=2026-03-09T13:00:00Z": [pending],
        "since=2026-03-09T13:00:00.001Z": [],
        "since=2026-03-09": [pending, scheduled, reply["id"], arrived],
        "direction=inbound&state=pending": [],
        "direction=outbound&state=received": [],
    }
    for query, expected in cases.items():
        found = await _ids(server, query)
        assert set(found) == set(expected), query
        assert len(found) == len(expected), query


async def test_bad_parameters_are_400(embedded: Running) -> None:
    for query, word in [
        ("direction=sideways", "direction"),
        ("direction=", "direction"),
        ("state=sleeping", "state"),
        ("state=PENDING", "state"),
        ("since=yesterday", "since"),
        ("since=", "since"),
        ("since=1773057600000", "since"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=1e2", "limit"),
        ("limit=", "limit"),
        ("limit=%D9%A5", "limit"),
        ("limit=000000000150999", "limit"),
    ]:
        response = await embedded.call("GET", f"{PATH}?{query}")
        assert response.status_code == 400, query
        assert response.json()["error"].startswith(word), query
