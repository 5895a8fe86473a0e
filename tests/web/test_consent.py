"""Opting out by text and by hand, and replies that are held back: what is not sent says why."""

from __future__ import annotations

from typing import Any

import pytest

from smsgate.timekeeper import Timekeeper
from tests import make
from tests.running import Running

NUMBER = "+254712000001"
PATH = "/api/v1/messages"


async def _say(server: Running, text: str, number: str = NUMBER) -> list[str]:
    given = await server.poll(make.sms(text, **{"from": number}))
    for message in given:
        await server.poll(updates=[{"id": message["id"], "status": "SENT"}])
    return [message["content"] for message in given]


async def _send(server: Running, **changes: Any) -> dict[str, Any]:
    response = await server.call("POST", PATH, json={"to": NUMBER, "content": "x", **changes})
    assert response.status_code == 201, response.text
    shown: dict[str, Any] = response.json()
    return shown


async def _why(server: Running) -> list[tuple[str, str | None]]:
    data = (await server.get(f"{PATH}?direction=outbound&to=%2B{NUMBER[1:]}"))["data"]
    return [(m["state"], (m["state_details"] or {}).get("reason")) for m in data]


@pytest.mark.parametrize(
    ("stop", "stopped", "start", "started"),
    [
        ("STOP", "START", "start", "STOP"),
        ("Arrêt", "REPRENDRE", "Reprendre", "ARRET"),
        ("ACHA.", "ANZA", "anza", "ACHA"),
        ("रोक", "सुरु", "सुरु", "रोक"),
        ("baja", "ALTA", "ALTA", "BAJA"),
    ],
)
async def test_stop_and_start(
    embedded: Running, stop: str, stopped: str, start: str, started: str
) -> None:
    (said,) = await _say(embedded, stop)
    assert stopped in said
    assert await _say(embedded, stop) == []
    assert (await _send(embedded))["state_details"] == {"reason": "opted_out"}
    assert await _say(embedded, "1!ANC!Sam#23#2015") == []
    assert (await _why(embedded))[0] == ("denied", "opted_out")
    (said,) = await _say(embedded, start)
    assert started in said
    assert (await _send(embedded))["state"] == "pending"


async def test_it_holds_on_both_engines_and_twice_in_one_poll_is_once(server: Running) -> None:
    texts = [make.sms("stop", **{"from": NUMBER}) for _ in range(2)]
    given = await server.poll(*texts)
    assert len(given) == 1
    assert await server.poll(*texts, updates=[{"id": given[0]["id"], "status": "SENT"}]) == []
    listed = await server.get("/api/v1/consent")
    assert listed == {
        "data": [
            {
                "number": NUMBER,
                "state": "stopped",
                "since": "2026-03-09T12:00:00.000Z",
                "source": "cht-gateway",
            }
        ],
        "cursor": None,
    }


async def test_a_scheduled_message_is_denied_when_it_falls_due(server: Running) -> None:
    services = server.services
    shown = await _send(server, due="2026-03-09T13:00:00Z")
    await _say(server, "STOP")
    server.clock.move(hours=2)
    await Timekeeper(services.store, server.clock, programmes=services.programmes).sweep()
    found = await server.get(f"{PATH}/{shown['id']}")
    assert (found["state"], found["state_details"]) == ("denied", {"reason": "opted_out"})
    assert found["state_history"][-1]["details"] == {"reason": "opted_out"}


async def test_what_already_waits_is_not_handed_over(server: Running) -> None:
    shown = await _send(server)
    put = await server.call("PUT", f"/api/v1/consent/{NUMBER}", json={"state": "stopped"})
    assert (put.status_code, put.json()["source"]) == (200, "operator:admin")
    assert await server.poll() == []
    assert (await server.get(f"{PATH}/{shown['id']}"))["state"] == "denied"
    refused = await server.call("POST", f"{PATH}/{shown['id']}/retry")
    assert refused.status_code == 409
    assert "opted out" in refused.json()["details"]
    put = await server.call("PUT", f"/api/v1/consent/{NUMBER}", json={"state": "allowed"})
    assert put.json()["state"] == "allowed"
    assert (await server.get("/api/v1/consent"))["data"] == []
    assert [one["number"] for one in (await server.get("/api/v1/consent?state=allowed"))["data"]]
    assert (await server.call("POST", f"{PATH}/{shown['id']}/retry")).status_code == 200


async def test_a_start_from_somebody_who_never_stopped_is_a_text(embedded: Running) -> None:
    assert await _say(embedded, "START") != []
    assert (await embedded.get("/api/v1/consent?state=allowed"))["data"] == []


async def test_the_words_can_be_switched_off(embedded: Running) -> None:
    await embedded.call("PUT", "/api/v1/settings", json={"smsgate": {"consent": {"words": False}}})
    await _say(embedded, "STOP")
    assert (await embedded.get("/api/v1/consent"))["data"] == []


@pytest.mark.parametrize(
    ("number", "body"),
    [
        (NUMBER, {}),
        (NUMBER, {"state": "maybe"}),
        (NUMBER, {"state": "stopped", "why": "x"}),
        ("12", {"state": "stopped"}),
    ],
)
async def test_what_the_list_does_not_take(
    embedded: Running, number: str, body: dict[str, str]
) -> None:
    response = await embedded.call("PUT", f"/api/v1/consent/{number}", json=body)
    assert response.status_code == 400
    assert (await embedded.call("GET", "/api/v1/consent", user="clerk")).status_code == 403
    assert (await embedded.call("GET", "/api/v1/consent?state=x")).status_code == 400
    ok = await embedded.call("PUT", f"/api/v1/consent/{NUMBER}", json={"state": "allowed"})
    assert ok.json() == {"number": NUMBER, "state": "allowed", "since": None, "source": None}


async def test_the_sixth_reply_alike_is_a_duplicate_until_it_is_quiet(server: Running) -> None:
    for _ in range(7):
        await _say(server, "hello you")
        server.clock.move(minutes=20)
    states = (await _why(server))[::-1]
    assert states == [("sent", None)] * 5 + [("duplicate", "duplicate_limit")] * 2
    server.clock.move(minutes=11)
    assert len(await _say(server, "hello you")) == 1
    # Another text, another recipient and what a person sends are not counted with it.
    assert len(await _say(server, "hello you", "+254712000002")) == 1
    for _ in range(8):
        assert (await _send(server))["state"] == "pending"


async def test_a_loop_of_different_texts_is_broken(server: Running) -> None:
    outbound = {"replies_per_hour": 3}
    await server.call("PUT", "/api/v1/settings", json={"smsgate": {"outbound": outbound}})
    texts = [make.sms(text, **{"from": NUMBER}) for text in ("1!ANC!Sam#23#2015", "x", "ANX")]
    await server.poll(*texts)
    await server.poll(make.sms("J1!ANC!", **{"from": NUMBER}))
    await server.poll(make.sms("", **{"from": NUMBER}))
    assert [reason for _, reason in (await _why(server))[:2]] == ["reply_loop"] * 2
    server.clock.move(minutes=61)
    assert "reply_loop" not in str(await _say(server, "hello"))
    assert (await _why(server))[0][0] == "sent"
