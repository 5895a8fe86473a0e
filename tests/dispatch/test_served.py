"""In a real server: settings and credential put over HTTP, routes seen and paused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smsgate.store.database import Store
from tests import fake_services
from tests.pushes import ROUTE, document
from tests.running import Running


async def set_up(server: Running, url: str, **route: Any) -> None:
    put = await server.call("PUT", "/api/v1/settings", json=document(url, **route))
    assert put.status_code == 200, put.text
    put = await server.call(
        "PUT",
        "/api/v1/credentials/africastalking.com:outgoing",
        content="fake-key",
        headers={"Content-Type": "text/plain"},
    )
    assert put.status_code == 200, put.text


async def send(server: Running, to: str = "+254712345678") -> str:
    sent = await server.call("POST", "/api/v1/messages", json={"to": to, "content": "Hello."})
    assert sent.status_code == 201, sent.text
    return str(sent.json()["id"])


async def until_state(server: Running, id_: str, state: str) -> dict[str, Any]:
    told = asyncio.Event()

    def tell(_jobs: object) -> None:
        told.set()

    store: Store = server.services.store
    store.writer.listeners.append(tell)
    async with asyncio.timeout(20):
        while True:
            told.clear()
            shown: dict[str, Any] = await server.get(f"/api/v1/messages/{id_}")
            if shown["state"] == state:
                store.writer.listeners.remove(tell)
                return shown
            await told.wait()


async def test_a_message_goes_out_and_tells_its_story(server: Running) -> None:
    async with fake_services.africastalking() as fake:
        await set_up(server, fake.url)
        id_ = await send(server)
        shown = await until_state(server, id_, "sent")
        assert (shown["route"], shown["attempts"], shown["gateway"]) == (ROUTE, 1, None)
        (attempt,) = shown["handed_over"]
        assert attempt["started"] <= attempt["ended"]
        assert {key: attempt[key] for key in attempt if key not in ("started", "ended")} == {
            "attempt": 1,
            "route": ROUTE,
            "outcome": "ok",
            "status": "Sent",
            "gateway_ref": shown["gateway_ref"],
            "cost": "KES 0.8000",
            "parts": 1,
        }
        assert "fake-key" not in str(shown)
        text = (await server.call("GET", "/metrics")).text
        assert f'smsgate_push_attempts_total{{outcome="ok",route="{ROUTE}"}} 1.0' in text
        assert f'smsgate_push_seconds_count{{route="{ROUTE}"}} 1.0' in text
        assert f'smsgate_outbound_oldest_seconds{{route="{ROUTE}"}} 0.0' in text
        assert await server.poll() == []  # nothing is left for phones


async def test_routes_are_seen_paused_and_resumed(server: Running) -> None:
    async with fake_services.africastalking() as fake:
        assert await server.get("/api/v1/routes") == {"data": []}
        await set_up(server, fake.url)
        (route,) = (await server.get("/api/v1/routes"))["data"]
        assert (route["name"], route["in_use"], route["paused"]) == (ROUTE, True, False)
        path = f"/api/v1/routes/{ROUTE}"
        paused = await server.call("POST", f"{path}/pause", json={"reason": "night"})
        assert paused.status_code == 200
        assert (paused.json()["by"], paused.json()["reason"]) == ("admin", "night")
        id_ = await send(server)
        alerts = (await server.get("/api/v1/alerts"))["data"]
        assert ("RoutePaused", ROUTE) in {(one["name"], one["subject"]) for one in alerts}
        assert not fake.service.requests
        resumed = await server.call("POST", f"{path}/resume")
        assert (resumed.status_code, resumed.json()["paused"]) == (200, False)
        await until_state(server, id_, "sent")


@pytest.mark.parametrize(
    ("path", "body", "user", "status"),
    [
        ("/nobody/pause", {}, "admin", 404),
        ("/nobody/resume", {}, "admin", 404),
        (f"/{ROUTE}/pause", {"reason": 5}, "admin", 400),
        (f"/{ROUTE}/pause", {"reason": "x" * 201}, "admin", 400),
        (f"/{ROUTE}/pause", [1], "admin", 400),
        (f"/{ROUTE}/pause", {}, "clerk", 403),
        (f"/{ROUTE}/resume", {}, "gateway", 403),
        (f"/{ROUTE}/pause", {}, None, 401),
    ],
)
async def test_orders_that_are_refused(
    embedded: Running, path: str, body: Any, user: str | None, status: int
) -> None:
    await set_up(embedded, "http://127.0.0.1:1")
    answer = await embedded.call("POST", f"/api/v1/routes{path}", json=body, user=user)
    assert answer.status_code == status
    if status == 404:
        assert answer.json()["details"] == [ROUTE]


async def test_who_may_look(embedded: Running) -> None:
    assert (await embedded.call("GET", "/api/v1/routes", user="gateway")).status_code == 403
