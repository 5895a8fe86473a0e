"""Retry, cancel, mute and bulk orders over HTTP: done, refused, recorded, and what a phone sees."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from smsgate.store.tables import audit
from tests.running import Running

PATH = "/api/v1/messages"


async def _send(server: Running, **changes: Any) -> str:
    response = await server.call(
        "POST", PATH, json={"to": "+254712000001", "content": "Come to the clinic", **changes}
    )
    assert response.status_code == 201, response.text
    id_: str = response.json()["id"]
    return id_


async def _order(server: Running, id_: str, order: str, status: int = 200) -> dict[str, Any]:
    response = await server.call("POST", f"{PATH}/{id_}/{order}")
    assert response.status_code == status, response.text
    shown: dict[str, Any] = response.json()
    return shown


async def _report(server: Running, id_: str, status: str, **rest: Any) -> None:
    await server.poll(updates=[{"id": id_, "status": status, **rest}])


async def test_a_failed_message_is_tried_again_under_an_id_the_phone_does_not_know(
    server: Running,
) -> None:
    id_ = await _send(server)
    (offered,) = await server.poll()
    await _report(server, id_, "FAILED", reason="no-service")
    server.clock.move(hours=80)
    shown = await _order(server, id_, "retry")
    assert (shown["state"], shown["retries"], shown["attempts"]) == ("pending", 1, 1)
    assert shown["expires"] == "2026-03-15T20:00:00.000Z"
    assert shown["state_history"][-1]["details"] == {"by": "admin", "reason": "retry asked for"}
    (again,) = await server.poll()
    assert (again["id"], again["to"]) == (f"{id_}.1", offered["to"])
    # The phone may still repeat what became of the first attempt: it says nothing of this one.
    await _report(server, id_, "FAILED", reason="no-service")
    await _report(server, id_, "FAILED", reason="radio-off")
    assert (await server.get(f"{PATH}/{id_}"))["state"] == "forwarded-to-gateway"
    await _report(server, again["id"], "SENT")
    shown = await server.get(f"{PATH}/{again['id']}")
    assert (shown["id"], shown["state"], shown["attempts"]) == (id_, "sent", 2)


async def test_proof_of_the_former_attempt_spares_the_new_one(server: Running) -> None:
    id_ = await _send(server)
    await server.poll()
    await _report(server, id_, "FAILED")
    await _order(server, id_, "retry")
    assert await server.poll(updates=[{"id": id_, "status": "DELIVERED"}]) == []
    assert (await server.get(f"{PATH}/{id_}"))["state"] == "delivered"


async def test_cancelled_is_cancelled(server: Running) -> None:
    id_ = await _send(server)
    shown = await _order(server, id_, "cancel")
    assert (shown["state"], shown["state_details"]["by"]) == ("cleared", "admin")
    assert await server.poll() == []
    problem = await _order(server, id_, "cancel", 409)
    assert "cleared" in problem["details"]
    assert (await _order(server, id_, "retry"))["state"] == "pending"
    assert [given["id"] for given in await server.poll()] == [f"{id_}.1"]
    await _order(server, id_, "cancel", 409)
    async with server.services.store.read() as connection:
        rows = (
            (await connection.execute(sa.select(audit).where(audit.c.target == id_)))
            .mappings()
            .all()
        )
    assert [(row["action"], row["actor"]) for row in rows] == [
        ("message.cancel", "admin"),
        ("message.retry", "admin"),
    ]


async def test_muted_is_held_back_until_unmuted(server: Running) -> None:
    id_ = await _send(server)
    assert (await _order(server, id_, "mute"))["state"] == "muted"
    assert await server.poll() == []
    assert (await _order(server, id_, "unmute"))["state"] == "scheduled"


async def test_a_retry_keeps_to_the_deny_rules(server: Running) -> None:
    id_ = await _send(server)
    await _order(server, id_, "cancel")
    await server.call("PUT", "/api/v1/settings", json={"outgoing_deny_list": "+2547"})
    problem = await _order(server, id_, "retry", 409)
    assert "outgoing_deny_list" in problem["details"]


@pytest.mark.parametrize("order", ["retry", "cancel", "mute", "unmute"])
async def test_who_may_and_what_is_there(embedded: Running, order: str) -> None:
    await _order(embedded, "nobody", order, 404)
    response = await embedded.call("POST", f"{PATH}/x/{order}", user="clerk")
    assert response.status_code == 403


async def test_bulk_counts_first_and_acts_when_told(server: Running) -> None:
    ids = [await _send(server, to=f"+25471200000{n}") for n in range(3)]
    await _order(server, ids[0], "cancel")
    asked: dict[str, Any] = {"action": "cancel", "filter": {"since": "2026-03-09T00:00:00Z"}}
    response = await server.call("POST", f"{PATH}/bulk", json=asked)
    assert response.json() == {
        "action": "cancel",
        "dry_run": True,
        "found": {"pending": 2, "cleared": 1},
        "would_move": 2,
    }
    assert (await server.get(f"{PATH}/{ids[1]}"))["state"] == "pending"
    response = await server.call("POST", f"{PATH}/bulk", json={**asked, "dry_run": False})
    assert (response.json()["moved"], response.json()["more"]) == (2, False)
    assert await server.poll() == []
    for id_ in ids:
        assert (await server.get(f"{PATH}/{id_}"))["state"] == "cleared"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "retry"},
        {"action": "retry", "filter": {}},
        {"action": "delete", "filter": {"state": "failed"}},
        {"action": "retry", "filter": {"state": "sleeping"}},
        {"action": "retry", "filter": {"state": [1]}},
        {"action": "retry", "filter": {"colour": "red"}},
        {"action": "retry", "filter": {"since": "yesterday"}},
        {"action": "retry", "filter": {"to": 1}},
        {"action": "retry", "filter": {"state": "failed"}, "dry_run": "no"},
        {"action": "retry", "filter": {"state": "failed"}, "sure": True},
    ],
    ids=json.dumps,
)
async def test_a_bulk_order_that_is_not_understood_does_nothing(
    embedded: Running, body: dict[str, Any]
) -> None:
    id_ = await _send(embedded)
    await _order(embedded, id_, "cancel")
    assert (await embedded.call("POST", f"{PATH}/bulk", json=body)).status_code == 400
    assert (await embedded.get(f"{PATH}/{id_}"))["state"] == "cleared"
