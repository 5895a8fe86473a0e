"""`POST /api/v1/messages` and the story of a message (CONTRACT, decisions 17, 18, 35)."""

from __future__ import annotations

from typing import Any

import httpx2

from smsgate.store.tables import outbound
from smsgate.timekeeper import Timekeeper
from tests import make
from tests.looking import rows
from tests.running import Running

PATH = "/api/v1/messages"
TO = "+254712345678"


async def _send(server: Running, body: Any, **rest: Any) -> httpx2.Response:
    return await server.call("POST", PATH, json=body, **rest)


async def _sent(server: Running, **changes: Any) -> dict[str, Any]:
    response = await _send(server, {"to": TO, "content": "hello", **changes})
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def _sweep(server: Running) -> int:
    return await Timekeeper(server.services.store, server.clock).sweep()


async def test_one_message_is_queued_and_handed_to_a_phone(server: Running) -> None:
    answer = await _sent(server, content="Habari \U0001f600")
    expected = {
        "id": answer["id"],
        "direction": "outbound",
        "to": TO,
        "content": "Habari \U0001f600",
        "kind": "message",
        "state": "pending",
        "state_details": None,
        "state_history": [
            {"state": "pending", "details": None, "timestamp": "2026-03-09T12:00:00.000Z"}
        ],
        "gateway_ref": None,
        "gateway": None,
        "created": "2026-03-09T12:00:00.000Z",
        "due": "2026-03-09T12:00:00.000Z",
        "expires": "2026-03-12T12:00:00.000Z",
        "priority": 0,
        "attempts": 0,
        "segments": 1,
        "record": None,
        "in_reply_to": None,
    }
    assert {key: answer[key] for key in expected} == expected
    assert await server.get(f"{PATH}/{answer['id']}") == answer
    assert await server.poll() == [{"id": answer["id"], "to": TO, "content": "Habari \U0001f600"}]
    await server.poll(updates=[{"id": answer["id"], "status": "FAILED", "reason": "radio-off"}])
    shown = await server.get(f"{PATH}/{answer['id']}")
    assert (shown["state"], shown["state_details"]) == ("failed", {"reason": "radio-off"})
    assert (shown["attempts"], shown["gateway"]) == (1, "gateway")
    assert shown["state_history"][1:] == [
        {
            "state": "forwarded-to-gateway",
            "details": None,
            "timestamp": "2026-03-09T12:00:00.000Z",
            "gateway": "gateway",
        },
        {
            "state": "failed",
            "details": {"reason": "radio-off"},
            "timestamp": "2026-03-09T12:00:00.000Z",
            "gateway": "gateway",
            "status": "FAILED",
        },
    ]


async def test_a_list_is_queued_whole_in_order(server: Running) -> None:
    body = [{"to": TO, "content": f"number {i}"} for i in range(40)]
    response = await _send(server, body)
    assert response.status_code == 201
    answers = response.json()
    assert [answer["content"] for answer in answers] == [item["content"] for item in body]
    stored = await rows(server, outbound)
    assert [row["id"] for row in stored] == [answer["id"] for answer in answers]
    first = await server.poll()
    assert [given["content"] for given in first] == [f"number {i}" for i in range(25)]
    await server.poll(updates=[{"id": given["id"], "status": "SENT"} for given in first])
    assert len(await server.poll()) == 15


async def test_a_list_with_one_fault_queues_nothing_and_names_each(server: Running) -> None:
    response = await _send(
        server,
        [{"to": TO, "content": "good"}, {"to": TO}, 5, {"to": "x", "content": "y", "z": 1}],
    )
    assert response.status_code == 400
    assert response.json()["details"] == [
        "item 1: content must be a text that is not empty",
        "item 2: a message must be an object",
        "item 3: unknown key 'z'",
        "item 3: to is not a valid phone number here: give it as +<country code><number>",
    ]
    assert await rows(server, outbound) == []


CONTENT = "content must be a text that is not empty"
NUMBER = "to is not a valid phone number here: give it as +<country code><number>"
PRIORITY = "priority must be a whole number from -9 to 9; 9 goes first"
PHONE = "gateway must be the name of a phone's account"
DUE = "due must be an ISO 8601 time such as 2026-03-09T12:00:00.000Z"
EXPIRES = "expires must be an ISO 8601 time such as 2026-03-12T12:00:00.000Z"
LATE = "expires must be after due, and not in the past"
FAULTY: list[tuple[Any, str]] = [
    ([], "the list is empty"),
    ([{}] * 1001, "at most 1000 messages in one request"),
    (5, "a message must be an object"),
    ("x", "a message must be an object"),
    ({"to": None}, "to must be a phone number"),
    ({"to": 254712345678}, "to must be a phone number"),
    ({"to": " "}, "to must be a phone number"),
    ({"to": "0712345678"}, NUMBER),
    ({"to": "12345"}, NUMBER),
    ({"to": "MPESA"}, NUMBER),
    ({"to": "+1"}, NUMBER),
    ({"content": None}, CONTENT),
    ({"content": ""}, CONTENT),
    ({"content": " \n"}, CONTENT),
    ({"content": 5}, CONTENT),
    ({"content": "x" * 1601}, "content must not be longer than 1600 characters"),
    ({"priority": "9"}, PRIORITY),
    ({"priority": 10}, PRIORITY),
    ({"priority": -10}, PRIORITY),
    ({"priority": True}, PRIORITY),
    ({"priority": 1.5}, PRIORITY),
    ({"priority": None}, PRIORITY),
    ({"gateway": ""}, PHONE),
    ({"gateway": 5}, PHONE),
    ({"gateway": "phone9"}, "gateway: there is no account 'phone9'"),
    ({"due": "tomorrow"}, DUE),
    ({"due": 1773057600000}, DUE),
    ({"due": "2026-13-01T00:00:00Z"}, DUE),
    ({"due": "0001-01-01T00:00:00Z"}, DUE),
    ({"due": "0001-01-01T00:00:00+14:00"}, DUE),
    ({"expires": "never"}, EXPIRES),
    ({"expires": "2026-03-09T11:59:59Z"}, LATE),
    ({"expires": "2026-03-09T12:00:00Z"}, LATE),
    ({"due": "2026-03-10T12:00:00Z", "expires": "2026-03-10T11:00:00Z"}, LATE),
    ({"recipient": "x"}, "unknown key 'recipient'"),
    ({"\u0000": "x"}, "unknown key '\ufffd'"),
]


async def test_each_fault_is_told(embedded: Running) -> None:
    for body, told in FAULTY:
        item = {"to": TO, "content": "hello", **body} if isinstance(body, dict) else body
        response = await _send(embedded, item)
        assert response.status_code == 400, body
        answer = response.json()
        assert answer["error"] == answer["message"] == "The message cannot be taken"
        assert answer["details"] == [told], body
    assert await rows(embedded, outbound) == []


async def test_limits_are_inclusive(embedded: Running) -> None:
    await _sent(embedded, content="x" * 1600, priority=9)
    await _sent(embedded, priority=-9, expires="2026-03-09T12:00:00.001Z")
    assert (await _send(embedded, [{"to": TO, "content": "x"}] * 1000)).status_code == 201


async def test_a_message_due_later_is_scheduled_until_its_time(server: Running) -> None:
    answer = await _sent(server, due="2026-03-09T15:00:00+01:00")
    assert (answer["state"], answer["due"]) == ("scheduled", "2026-03-09T14:00:00.000Z")
    assert answer["expires"] == "2026-03-12T14:00:00.000Z"
    server.clock.move(hours=1, minutes=59)
    assert await _sweep(server) == 0
    assert await server.poll() == []
    server.clock.move(minutes=1)
    assert await _sweep(server) == 1
    assert [given["id"] for given in await server.poll()] == [answer["id"]]
    shown = await server.get(f"{PATH}/{answer['id']}")
    assert [step["state"] for step in shown["state_history"]] == [
        "scheduled",
        "pending",
        "forwarded-to-gateway",
    ]


async def test_a_message_due_in_the_past_is_due_now(server: Running) -> None:
    answer = await _sent(server, due="2026-03-01T00:00:00Z")
    assert (answer["state"], answer["expires"]) == ("pending", "2026-03-12T12:00:00.000Z")
    assert len(await server.poll()) == 1


async def test_what_expired_is_not_sent_and_says_so(server: Running) -> None:
    waiting = await _sent(server, expires="2026-03-09T13:00:00Z")
    (given,) = await server.poll()
    offered = await _sent(server, expires="2026-03-09T13:00:00Z")
    later = await _sent(server)
    server.clock.move(hours=1)
    assert [message["id"] for message in await server.poll(user="phone2")] == [later["id"]]
    assert await _sweep(server) == 2
    for message in (waiting, offered):
        shown = await server.get(f"{PATH}/{message['id']}")
        assert shown["state"] == "expired"
    # Proof that it left all the same is believed.
    await server.poll(updates=[{"id": given["id"], "status": "DELIVERED"}])
    assert (await server.get(f"{PATH}/{given['id']}"))["state"] == "delivered"


async def test_higher_priority_goes_first_then_what_is_due_longest(server: Running) -> None:
    for priority, due in [(0, "12:00"), (9, "12:00"), (-9, "01:00"), (0, "11:00"), (9, "10:00")]:
        content = f"{priority} {due}"
        await _sent(server, priority=priority, due=f"2026-03-09T{due}:00Z", content=content)
    contents = [given["content"] for given in await server.poll()]
    assert contents == ["9 10:00", "9 12:00", "0 11:00", "0 12:00", "-9 01:00"]


async def test_a_message_pinned_to_a_phone_goes_to_that_phone(server: Running) -> None:
    pinned = await _sent(server, gateway="phone2")
    assert pinned["gateway"] == "phone2"
    assert await server.poll() == []
    server.clock.move(hours=1)
    assert await server.poll() == []
    assert [given["id"] for given in await server.poll(user="phone2")] == [pinned["id"]]


async def test_what_may_not_be_sent_is_stored_as_denied_with_the_reason(server: Running) -> None:
    response = await server.call(
        "PUT", "/api/v1/settings", json={"outgoing_deny_list": "+25471, +25472"}
    )
    assert response.status_code == 200
    denied = await _sent(server)
    assert denied["state"] == "denied"
    assert denied["state_details"]["reason"]
    assert await server.poll() == []
    allowed = await _sent(server, to="+254733123456")
    assert allowed["state"] == "pending"


async def test_a_text_has_the_segments_it_is_sent_as(embedded: Running) -> None:
    for text, segments in [("x" * 160, 1), ("x" * 161, 2), ("\u0928" * 70, 1), ("\u0928" * 71, 2)]:
        assert (await _sent(embedded, content=text))["segments"] == segments


async def test_an_arrived_message_shows_its_story(server: Running) -> None:
    item = make.sms()
    (given,) = await server.poll(item)
    reply = await server.get(f"{PATH}/{given['id']}")
    assert (reply["kind"], reply["state"]) == ("form_reply", "forwarded-to-gateway")
    await server.poll(item)
    shown = await server.get(f"{PATH}/{reply['in_reply_to']}")
    expected = {
        "id": reply["in_reply_to"],
        "direction": "inbound",
        "from": item["from"],
        "content": "1!ANC!Sam#23#2015",
        "state": "received",
        "state_history": [
            {"state": "received", "details": None, "timestamp": "2026-03-09T12:00:00.000Z"}
        ],
        "source": "cht-gateway",
        "gateway_ref": item["id"],
        "gateway": "gateway",
        "received": "2026-03-09T12:00:00.000Z",
        "sent": "2026-03-09T12:00:00.000Z",
        "gateway_received": "2026-03-09T12:00:01.000Z",
        "form": "ANC",
        "record": reply["record"],
        "times_seen": 2,
        "id_conflict": False,
    }
    assert {key: shown[key] for key in expected} == expected


async def test_an_unknown_message_is_404(embedded: Running) -> None:
    response = await embedded.call("GET", f"{PATH}/nothing")
    assert (response.status_code, response.json()["error"]) == (404, "Message not found")
