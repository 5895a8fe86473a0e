"""Webhooks of aggregators: who may call, what is answered, what is stored."""

from __future__ import annotations

import gzip
from typing import Any

import httpx2
import pytest

from smsgate.store.tables import consent, inbound, outbound, quarantine
from tests.looking import rows
from tests.running import Running

KEY = "a-long-unique-key"
AT = "/api/v1/sms/africastalking"
RP = "/api/v1/sms/rapidpro/incoming-messages"
SMS = {
    "id": "ec9adc86-1",
    "from": "+254791541111",
    "to": "21512",
    "text": "1!ANC!Sam#23#2015",
    "date": "2017-05-03T06:04:45Z",
    "linkId": "03090445075804249226",
    "networkCode": "63902",
}
TEXT = {"id": "run-1", "from": "+254791541112", "content": "1!ANC!Sam#23#2015"}


@pytest.fixture
async def keyed(server: Running) -> Running:
    """A server that knows both aggregators' incoming keys."""
    for name in ("africastalking.com:incoming", "rapidpro:incoming"):
        await put_key(server, name, KEY)
    return server


async def put_key(server: Running, name: str, key: str) -> None:
    response = await server.call(
        "PUT",
        f"/api/v1/credentials/{name}",
        content=key,
        headers={"Content-Type": "text/plain"},
    )
    assert response.status_code == 200, response.text


async def form(server: Running, path: str, fields: Any, **rest: Any) -> httpx2.Response:
    """A form, as Africa's Talking sends it."""
    return await server.call("POST", path, user=None, data=fields, **rest)


async def token(
    server: Running, item: Any, path: str = RP, auth: str = f"Token {KEY}", **rest: Any
) -> httpx2.Response:
    """A text, as a flow of RapidPro's sends it."""
    return await server.call(
        "POST", path, user=None, json=item, headers={"Authorization": auth}, **rest
    )


async def settings(server: Running, **own: Any) -> None:
    response = await server.call("PUT", "/api/v1/settings", json={"smsgate": own})
    assert response.status_code == 200


# -- Africa's Talking


async def test_a_text_becomes_a_record_and_its_reply_waits(keyed: Running) -> None:
    first = await form(keyed, f"{AT}/incoming-messages?key={KEY}", SMS)
    again = await form(keyed, f"{AT}/incoming-messages?key={KEY}", SMS)
    assert (first.status_code, first.json()) == (200, {"saved": 1})
    assert (again.status_code, again.json()) == (200, {"saved": 0})
    (stored,) = await rows(keyed, inbound)
    assert (stored["source"], stored["gateway"]) == ("africastalking", "africastalking")
    assert stored["sender"] == SMS["from"]
    assert stored["form"] == "ANC"
    assert stored["seen_count"] == 2
    assert stored["sent_at"].isoformat() == "2017-05-03T06:04:45+00:00"
    (reply,) = await rows(keyed, outbound)
    assert (reply["state"], reply["recipient"]) == ("pending", SMS["from"])


@pytest.mark.parametrize("missing", ["id", "from", "text"])
@pytest.mark.parametrize("empty", [True, False])
async def test_what_lacks_something_is_answered_200_and_kept(
    keyed: Running, missing: str, empty: bool
) -> None:
    fields = {**SMS, missing: ""} if empty else {k: v for k, v in SMS.items() if k != missing}
    response = await form(keyed, f"{AT}/incoming-messages?key={KEY}", fields)
    assert (response.status_code, response.json()) == (200, {"saved": 0})
    (kept,) = await rows(keyed, quarantine)
    assert kept["source"] == "africastalking"
    assert kept["reason"] == f"missing_{'content' if missing == 'text' else missing}"


async def test_what_was_kept_is_taken_in_once_it_is_mended(keyed: Running) -> None:
    await form(keyed, f"{AT}/incoming-messages?key={KEY}", {**SMS, "from": ""})
    (kept,) = await rows(keyed, quarantine)
    response = await keyed.call(
        "POST", f"/api/v1/quarantine/{kept['id']}/replay", json={"from": SMS["from"]}
    )
    assert response.status_code == 200, response.text
    (stored,) = await rows(keyed, inbound)
    assert (stored["source"], stored["text"]) == ("africastalking", SMS["text"])
    assert stored["gateway_ref"] == SMS["id"]


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/sms/africas-talking/incoming-messages?key={KEY}",
        f"{AT}/incoming-messages/?key={KEY}",
        f"//api/v1/sms/africastalking/incoming-messages?key={KEY}",
    ],
)
async def test_spellings_of_the_address(keyed: Running, path: str) -> None:
    response = await form(keyed, path, SMS)
    assert (response.status_code, response.json()) == (200, {"saved": 1})


async def test_the_key_may_come_as_a_header(keyed: Running) -> None:
    response = await form(keyed, f"{AT}/incoming-messages", SMS, headers={"X-Api-Key": KEY})
    assert response.json() == {"saved": 1}


@pytest.mark.parametrize(
    "query", ["", "?key=", "?key=wrong", f"?key={KEY}&key={KEY}", f"?key={KEY}x", "?key=%ff%00"]
)
async def test_another_key_is_refused_before_the_body_is_looked_at(
    keyed: Running, query: str
) -> None:
    for content in (b"id=1&from=2&text=3", b"x" * 100_000, gzip.compress(b"x" * 1_000_000)):
        response = await keyed.call(
            "POST", f"{AT}/incoming-messages{query}", user=None, content=content
        )
        assert response.status_code == 403
        assert response.json()["message"] == "Incorrect token"
    assert await rows(keyed, quarantine) == []


async def test_without_a_stored_key_nobody_comes_in(server: Running) -> None:
    response = await form(server, f"{AT}/incoming-messages?key=", SMS)
    assert (response.status_code, response.json()["message"]) == (
        403,
        "No incoming key configured",
    )


async def test_a_body_may_have_64_kib_once_inflated(keyed: Running) -> None:
    path = f"{AT}/incoming-messages?key={KEY}"
    large = b"id=1&from=%2B254791541111&text=" + b"x" * 65_536
    for content, headers in (
        (large, {}),
        (gzip.compress(large), {"Content-Encoding": "gzip"}),
    ):
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        response = await keyed.call("POST", path, user=None, content=content, headers=headers)
        assert response.status_code == 413


async def test_an_opt_out_is_put_on_the_consent_list(keyed: Running) -> None:
    fields = {"senderId": "20880", "phoneNumber": SMS["from"]}
    first = await form(keyed, f"{AT}/opt-outs?key={KEY}", fields)
    again = await form(keyed, f"{AT}/opt-outs?key={KEY}", fields)
    assert (first.json(), again.json()) == ({"saved": 1}, {"saved": 0})
    (wish,) = await rows(keyed, consent)
    assert (wish["number"], wish["state"], wish["source"]) == (
        SMS["from"],
        "stopped",
        "africastalking",
    )
    await form(keyed, f"{AT}/incoming-messages?key={KEY}", SMS)
    (reply,) = await rows(keyed, outbound)
    assert reply["state"] == "denied"


# -- RapidPro


@pytest.mark.parametrize(
    "path",
    [RP, "/api/v2/sms/rapidpro/incoming-messages", "/api/v1/sms/radpidpro/incoming-messages/"],
)
async def test_a_text_of_a_flow(keyed: Running, path: str) -> None:
    response = await token(keyed, TEXT, path)
    assert (response.status_code, response.json()) == (200, {"saved": 1})
    (stored,) = await rows(keyed, inbound)
    assert (stored["source"], stored["form"]) == ("rapidpro", "ANC")


async def test_a_repeat_is_200_or_as_strict_as_the_cht(keyed: Running) -> None:
    await token(keyed, TEXT)
    again = await token(keyed, TEXT)
    assert (again.status_code, again.json()) == (200, {"saved": 0})
    await settings(keyed, rapidpro={"strict_duplicates": True})
    strict = await token(keyed, TEXT)
    assert (strict.status_code, strict.json()["message"]) == (400, "Message was not saved")
    assert len(await rows(keyed, inbound)) == 1


async def test_a_run_that_brings_two_texts_keeps_both_and_alarms_nobody(keyed: Running) -> None:
    await token(keyed, TEXT)
    response = await token(keyed, {**TEXT, "content": "1!ANC!Pam#24#2016"})
    assert response.json() == {"saved": 1}
    first, second = await rows(keyed, inbound)
    assert (first["id_conflict"], second["id_conflict"]) == (False, True)
    alerts = await keyed.get("/api/v1/alerts")
    assert "IdConflict" not in str(alerts)


@pytest.mark.parametrize("missing", ["id", "from", "content"])
async def test_what_lacks_something_is_not_saved(keyed: Running, missing: str) -> None:
    response = await token(keyed, {**TEXT, missing: ""})
    assert (response.status_code, response.json()["message"]) == (400, "Message was not saved")
    (kept,) = await rows(keyed, quarantine)
    assert kept["reason"] == f"missing_{missing}"


@pytest.mark.parametrize(
    ("auth", "text"),
    [
        ("", "Missing authorization token"),
        (KEY, "Missing authorization token"),
        (f"token {KEY}", "Missing authorization token"),
        ("Token wrong", "Incorrect token"),
    ],
)
async def test_who_shows_another_token(keyed: Running, auth: str, text: str) -> None:
    response = await token(keyed, TEXT, auth=auth)
    assert (response.status_code, response.json()["message"]) == (403, text)


async def test_the_order_in_which_a_token_is_refused(server: Running) -> None:
    assert (await token(server, TEXT, auth="")).json()["message"] == "Missing authorization token"
    assert (await token(server, TEXT)).json()["message"] == "No incoming key configured"


async def test_bad_json_is_refused_after_the_token(keyed: Running) -> None:
    for auth, status in ((f"Token  {KEY}", 400), ("Token wrong", 403)):
        response = await keyed.call(
            "POST", RP, user=None, content=b"{", headers={"Authorization": auth}
        )
        assert response.status_code == status


# -- both


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/v1/sms/nobody/incoming-messages", "africastalking, "),
        (f"{AT}/nothing", "incoming-messages, delivery-reports, opt-outs"),
        ("/api/v1/sms/rapidpro/delivery-reports", "incoming-messages"),
    ],
)
async def test_an_unknown_address_names_those_there_are(
    embedded: Running, path: str, named: str
) -> None:
    response = await embedded.call("POST", path, user=None)
    assert response.status_code == 404
    assert named in response.json()["message"]


async def test_two_keys_are_valid_while_one_is_exchanged(keyed: Running) -> None:
    await put_key(keyed, "africastalking.com:incoming", "the-next-key")
    for number, key in enumerate((KEY, "the-next-key")):
        fields = {**SMS, "id": f"rotated-{number}"}
        response = await form(keyed, f"{AT}/incoming-messages?key={key}", fields)
        assert response.json() == {"saved": 1}


async def test_errors_are_text_for_those_who_want_text(keyed: Running) -> None:
    response = await form(keyed, f"{AT}/incoming-messages", SMS, headers={"Accept": "*/*"})
    assert (response.status_code, response.text) == (403, "Incorrect token")
