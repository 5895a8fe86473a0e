"""`POST /api/sms`, what a phone reports (protocol section 1.4 with decisions 14, 15)."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from smsgate.store.tables import orphan_reports, outbound, quarantine
from tests import make
from tests.looking import rows
from tests.running import Running


async def _one_out(server: Running) -> str:
    """A message that was handed over to the phone."""
    (given,) = await server.poll(make.sms())
    return given["id"]


async def _state(server: Running, message_id: str) -> tuple[str, Any, list[tuple[str, Any, bool]]]:
    shown = await server.get(f"/api/v1/messages/{message_id}")
    steps = [
        (step["state"], step["details"], step.get("applied", True))
        for step in shown["state_history"][2:]
    ]
    return shown["state"], shown["state_details"], steps


REASON = {"reason": "no-service"}
# status, reason, state it leads to, details, as the history has it
MAPPED: list[tuple[Any, Any, str, Any]] = [
    ("UNSENT", None, "received-by-gateway", None),
    ("PENDING", None, "forwarded-by-gateway", None),
    ("SENT", None, "sent", None),
    ("DELIVERED", None, "delivered", None),
    ("FAILED", None, "failed", None),
    ("FAILED", "no-service", "failed", REASON),
    ("SENT", "no-service", "sent", REASON),
    ("UNSENT", "", "received-by-gateway", None),
    ("SENT", 5, "sent", {"reason": "5"}),
    ("SENT", {"odd": 1}, "sent", None),
]


async def test_statuses_mean_states(server: Running) -> None:
    for status, reason, state, details in MAPPED:
        message_id = await _one_out(server)
        update = {"id": message_id, "status": status, "reason": reason}
        # Acknowledged before the offer: it is not given again, but for what may be sent still.
        assert await server.poll(updates=[update]) == [], status
        expected = (state, details, [(state, details, True)])
        assert await _state(server, message_id) == expected, (status, reason)


UNKNOWN = ["sent", "Sent", "READ", "", None, 7, ["SENT"], {"x": 1}, True, "S\u0000ENT", "\ud800"]


async def test_an_unknown_status_is_kept_and_changes_nothing(server: Running) -> None:
    message_id = await _one_out(server)
    for place, status in enumerate(UNKNOWN):
        update = {"id": message_id, "status": status, "reason": "ignored"}
        raw = json.dumps({"updates": [update]})
        response = await server.call(
            "POST",
            "/api/sms",
            content=raw.encode(),
            headers={"Content-Type": "application/json"},
            user="gateway",
        )
        assert response.status_code == 200, (place, response.text)
    assert (await server.poll(updates=[{"id": message_id}])) != []  # it waits for a word still
    state, details, steps = await _state(server, message_id)
    assert (state, details) == ("forwarded-to-gateway", None)
    assert {step for step in steps if step[0] != "unrecognised"} == set()
    assert all(not applied and reason is None for _, reason, applied in steps)
    shown = await server.get(f"/api/v1/messages/{message_id}")
    words = [step.get("status", "") for step in shown["state_history"][2:]]
    assert words == ["sent", "Sent", "READ", "", "7", "S\ufffdENT", "\ufffd"]


async def test_a_chain_in_one_request_is_applied_in_order(server: Running) -> None:
    message_id = await _one_out(server)
    chain = ["UNSENT", "PENDING", "SENT", "DELIVERED"]
    await server.poll(updates=[{"id": message_id, "status": status} for status in chain])
    state, _, steps = await _state(server, message_id)
    assert state == "delivered"
    assert [step[0] for step in steps] == [
        "received-by-gateway",
        "forwarded-by-gateway",
        "sent",
        "delivered",
    ]
    assert all(applied for _, _, applied in steps)


@pytest.mark.parametrize("together", [True, False])
async def test_any_order_of_reports_ends_at_the_furthest(server: Running, together: bool) -> None:
    rank = {"UNSENT": 0, "PENDING": 1, "SENT": 2, "DELIVERED": 3}
    orders = list(itertools.permutations(rank))[:: 1 if together else 6]
    for order in orders:
        message_id = await _one_out(server)
        updates = [{"id": message_id, "status": status} for status in order]
        for batch in [updates] if together else [[update] for update in updates]:
            await server.poll(updates=batch)
        state, _, steps = await _state(server, message_id)
        assert state == "delivered", order
        assert len(steps) == 4, order  # every report is kept
        applied = [rank_of for rank_of, step in zip(order, steps, strict=True) if step[2]]
        assert applied == sorted(applied, key=lambda status: rank[status]), order


async def test_a_failure_repeated_with_its_reason_adds_nothing(server: Running) -> None:
    message_id = await _one_out(server)
    for reason in ("radio-off", "radio-off", "no-service", "no-service"):
        await server.poll(updates=[{"id": message_id, "status": "FAILED", "reason": reason}])
    state, details, steps = await _state(server, message_id)
    assert (state, details) == ("failed", {"reason": "radio-off"})
    assert [(step[1], step[2]) for step in steps] == [
        ({"reason": "radio-off"}, True),
        ({"reason": "no-service"}, False),
    ]


async def test_proof_follows_a_failure_and_nothing_follows_delivered(server: Running) -> None:
    message_id = await _one_out(server)
    for status in ("FAILED", "SENT", "FAILED", "DELIVERED", "FAILED", "SENT", "UNSENT"):
        await server.poll(updates=[{"id": message_id, "status": status}])
    assert (await _state(server, message_id))[0] == "delivered"


async def test_the_same_report_again_grows_no_history(server: Running) -> None:
    message_id = await _one_out(server)
    for _ in range(4):
        await server.poll(updates=[{"id": message_id, "status": "SENT"}] * 2)
    assert len((await _state(server, message_id))[2]) == 1


async def test_reports_on_what_we_do_not_know_wait(server: Running) -> None:
    message_id = await _one_out(server)
    strange = ["nobody", "x" * 5000, "a\u0000b", 17]
    updates = [{"id": id_, "status": "SENT", "reason": "r"} for id_ in strange]
    for _ in range(2):
        assert await server.poll(updates=[*updates, {"id": message_id, "status": "SENT"}]) == []
    kept = await rows(server, orphan_reports)
    assert {row["reference"] for row in kept} == {"nobody", "x" * 5000, "a\ufffdb", "17"}
    assert [row["seen_count"] for row in kept] == [2] * 4
    assert {(row["status"], row["reason"], row["gateway"]) for row in kept} == {
        ("SENT", "r", "gateway")
    }
    assert (await _state(server, message_id))[0] == "sent"


NAMELESS: list[Any] = [None, 5, "x", [], {}, {"status": "SENT"}, {"id": None}, {"id": ""}]


async def test_an_update_that_names_no_message_is_set_aside(server: Running) -> None:
    message_id = await _one_out(server)
    updates = [*NAMELESS, {"id": message_id, "status": "SENT"}]
    assert await server.poll(make.sms("hi"), updates=updates) != []
    assert (await _state(server, message_id))[0] == "sent"
    kept = await rows(server, quarantine)
    assert [json.loads(row["raw"]) for row in kept] == NAMELESS
    assert {row["reason"] for row in kept} == {"unreadable_update"}


async def test_a_phone_reports_also_what_it_was_not_given(server: Running) -> None:
    """A message that moved to another phone is still proved by the one that sent it."""
    message_id = await _one_out(server)
    await server.poll(updates=[{"id": message_id, "status": "DELIVERED"}], user="phone2")
    assert (await _state(server, message_id))[0] == "delivered"
    assert (await rows(server, outbound))[0]["lease_owner"] == "gateway"
