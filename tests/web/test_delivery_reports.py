"""Delivery reports of aggregators, over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smsgate.store.tables import orphan_reports, quarantine
from tests.looking import execute, rows
from tests.running import Running

KEY = "a-long-unique-key"
PATH = f"/api/v1/sms/africastalking/delivery-reports?key={KEY}"


@pytest.fixture
async def sent(server: Running) -> Running:
    """A server with a message that Africa's Talking took as `ATXid_1`."""
    response = await server.call(
        "PUT",
        "/api/v1/credentials/africastalking.com:incoming",
        content=KEY,
        headers={"Content-Type": "text/plain"},
    )
    assert response.status_code == 200
    await server.call("POST", "/api/v1/messages", json={"to": "+254712345678", "content": "Hello"})
    await execute(
        server,
        "UPDATE outbound_messages SET route = 'africastalking', gateway_ref = 'ATXid_1',"
        " state = 'received-by-gateway'",
    )
    return server


async def report(server: Running, **fields: str) -> Any:
    response = await server.call("POST", PATH, user=None, data=fields)
    return response.status_code, response.json()


async def message(server: Running) -> dict[str, Any]:
    (found,) = (await server.get("/api/v1/messages"))["data"]
    one: dict[str, Any] = await server.get(f"/api/v1/messages/{found['id']}")
    return one


async def test_reports_move_a_message_forward_only(sent: Running) -> None:
    for status in ("Submitted", "Success", "Submitted", "Failed"):
        assert await report(sent, id="ATXid_1", status=status) == (200, {"saved": 1})
    found = await message(sent)
    assert found["state"] == "delivered"
    assert found["gateway_ref"] == "ATXid_1"


async def test_a_failure_says_why(sent: Running) -> None:
    await report(sent, id="ATXid_1", status="Failed", failureReason="UserIsInactive")
    found = await message(sent)
    assert found["state"] == "failed"
    assert found["state_history"][-1]["details"] == {"reason": "UserIsInactive"}


async def test_an_unknown_reference_is_200_and_waits(sent: Running) -> None:
    assert await report(sent, id="ATXid_2", status="Success") == (200, {"saved": 0})
    (orphan,) = await rows(sent, orphan_reports)
    assert (orphan["source"], orphan["reference"], orphan["status"]) == (
        "africastalking",
        "ATXid_2",
        "Success",
    )


async def test_an_unknown_word_is_kept_and_strictness_changes_the_answer_only(
    sent: Running,
) -> None:
    assert (await report(sent, id="ATXid_1", status="Teleported"))[0] == 200
    put = await sent.call("PUT", "/api/v1/settings", json={"smsgate": {"strict_statuses": True}})
    assert put.status_code == 200
    status, body = await report(sent, id="ATXid_1", status="Beamed")
    assert status == 400
    assert body["message"] == (
        'Unknown status code: "Beamed", gateway message reference: "ATXid_1"'
    )
    found = await message(sent)
    assert found["state"] == "received-by-gateway"
    assert [step["state"] for step in found["state_history"]][-2:] == ["unrecognised"] * 2


async def test_a_report_on_nothing_is_set_aside(sent: Running) -> None:
    assert await report(sent, status="Success") == (200, {"saved": 0})
    (kept,) = await rows(sent, quarantine)
    assert kept["reason"] == "unreadable_update"


async def test_many_reports_at_once(sent: Running) -> None:
    words = ["Sent", "Submitted", "Buffered", "Success", "Failed"] * 10
    answers = await asyncio.gather(*(report(sent, id="ATXid_1", status=word) for word in words))
    assert set(map(str, answers)) == {str((200, {"saved": 1}))}
    assert (await message(sent))["state"] == "delivered"
