"""Twilio, Nepal DoIT and the described services of `docs/generic/`, through a whole server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smsgate.fakes.callbacks import Callbacks
from smsgate.fakes.jasmin import Jasmin
from smsgate.fakes.kannel import Kannel
from smsgate.fakes.nepal_doit import NepalDoit
from smsgate.fakes.serving import serving
from smsgate.fakes.twilio import ACCOUNT, Twilio, incoming
from smsgate.store.tables import inbound
from tests.looking import rows
from tests.running import Running
from tests.vendors import SECRET, Vendor

EXAMPLES = Path(__file__).parents[2] / "docs" / "generic"
KEY = "in&key"
TEXT, NUMBER = "Jambo & नमस्ते", "+254712345678"


async def _set_up(server: Running, url: str, document: dict[str, Any], *keys: str) -> None:
    own = document.setdefault("smsgate", {})
    service = document["sms"]["outgoing_service"]
    name = {"nepal-doit-sms": "nepal-doit"}.get(service, service)  # a route's is never the alias
    own["routes"] = {name: {"url": url, "allow": ["127.0.0.0/8"]}}
    own["public_url"] = server.url
    put = await server.call("PUT", "/api/v1/settings", json=document)
    assert put.status_code == 200, put.text
    for key in keys:
        text = KEY if key.endswith("incoming") and "twilio" not in key else SECRET
        stored = await server.call(
            "PUT",
            f"/api/v1/credentials/{key}",
            content=text,
            headers={"Content-Type": "text/plain"},
        )
        assert stored.status_code == 200, stored.text


def _example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))
    return found


async def _send(server: Running, to: str = NUMBER) -> str:
    made = await server.call("POST", "/api/v1/messages", json={"to": to, "content": TEXT})
    assert made.status_code == 201, made.text
    id_: str = made.json()["id"]
    return id_


async def _until(server: Running, id_: str, state: str) -> dict[str, Any]:
    told = asyncio.Event()
    listeners = server.services.store.writer.listeners

    def tell(_jobs: object = None) -> None:
        told.set()

    listeners.append(tell)
    try:
        async with asyncio.timeout(20):
            while True:
                told.clear()
                message: dict[str, Any] = await server.get(f"/api/v1/messages/{id_}")
                if message["state"] == state:
                    return message
                await told.wait()
    finally:
        listeners.remove(tell)


SERVICES: list[Any] = [
    pytest.param(Kannel, "kannel", "/cgi-bin/sendsms", "1", "2", id="kannel"),
    pytest.param(Jasmin, "jasmin", "/send", "DELIVRD", "UNDELIV", id="jasmin"),
    pytest.param(Vendor, "json-vendor", "/v2/messages", "DELIVERED", "FAILED", id="json-vendor"),
]


@pytest.mark.parametrize(("fake", "example", "path", "good", "bad"), SERVICES)
async def test_a_described_service_sends_and_reports(
    server: Running, fake: Callable[..., Any], example: str, path: str, good: str, bad: str
) -> None:
    service = fake(key=SECRET)
    document = _example(example)
    name = document["sms"]["outgoing_service"]
    async with serving(service) as url, Callbacks() as callbacks:
        await _set_up(server, url + path, document, f"{name}:outgoing", f"{name}:incoming")
        for word, state in ((good, "delivered"), (bad, "failed")):
            id_ = await _send(server)
            await _until(server, id_, "received-by-gateway")
            for said in ("?", word):  # nobody knows the first
                post = service.report(service.references[-1], said)
                assert (await callbacks.now(post)).status == 200
            message = await _until(server, id_, state)
            assert [step["state"] for step in message["state_history"]][-1] == state
    assert all(text == TEXT for _, text in service.taken)
    assert sum(service.taken.values()) == 2


async def test_a_described_service_is_called_with_texts(server: Running) -> None:
    for example in ("kannel", "jasmin", "json-vendor"):
        await _set_up(server, "http://127.0.0.1:9/x", _example(example))
    for name in ("kannel", "jasmin", "national-sms"):
        await server.call(
            "PUT",
            f"/api/v1/credentials/{name}:incoming",
            content=KEY,
            headers={"Content-Type": "text/plain"},
        )
    query = {"key": KEY, "id": "k-1", "from": NUMBER, "text": "1!ANC!Sam#23#2015"}
    at = "/api/v1/sms/{}/incoming-messages"
    kannel = await server.call("GET", at.format("kannel"), user=None, params=query)
    jasmin = await server.call(
        "POST",
        at.format("jasmin"),
        user=None,
        params={"key": KEY},
        data={"id": "k-1", "from": NUMBER, "content": "1!ANC!Sam#23#2015", "coding": "0"},
    )
    vendor = await server.call(
        "POST",
        at.format("national-sms"),
        user=None,
        headers={"Authorization": f"Bearer {KEY}"},
        json={"messages": [{"id": "k-1", "sender": {"number": NUMBER}, "text": "hello"}]},
    )
    assert (kannel.status_code, kannel.json()) == (200, {"saved": 1})
    assert (jasmin.status_code, jasmin.text) == (200, "ACK/Jasmin")
    assert (vendor.status_code, vendor.json()) == (200, {"ok": True})
    # One id at three services is three messages.
    stored = await rows(server, inbound)
    assert {row["source"] for row in stored} == {"kannel", "jasmin", "national-sms"}
    assert len(stored) == 3
    refused = await server.call("GET", at.format("kannel"), user=None, params={**query, "key": "x"})
    assert refused.status_code == 403
    absent = await server.call("POST", at.format("nobody"), user=None)
    assert absent.status_code == 404
    assert "kannel" in absent.json()["message"]


async def test_the_faults_of_a_description_are_warnings(server: Running) -> None:
    document = _example("kannel")
    document["smsgate"]["http"]["kannel"]["send"]["query"]["text"] = "{txt}"
    await server.call("PUT", "/api/v1/settings", json=document)
    warnings = server.services.programmes.last.warnings
    assert any(line.startswith("smsgate.http.kannel.send.query.text: {txt}") for line in warnings)


async def test_twilio(server: Running) -> None:
    service = Twilio(key=SECRET)
    document = {
        "sms": {"outgoing_service": "twilio"},
        "smsgate": {"twilio": {"account_sid": ACCOUNT, "from": "+14155550100"}},
    }
    async with serving(service) as url, Callbacks() as callbacks:
        await _set_up(server, url, document, "twilio:outgoing", "twilio:incoming")
        id_ = await _send(server)
        await _until(server, id_, "received-by-gateway")
        for word in ("sent", "delivered"):
            post = service.report(service.references[-1], word)
            assert (await callbacks.now(post)).status == 200
            await _until(server, id_, word)
        await _until(server, await _send(server, "+254712021610"), "denied")
    assert list(service.taken.values()) == [1]

    at = f"{server.url}/api/v1/sms/twilio/incoming-messages"
    text = incoming(NUMBER, "STOP", url=at, token=SECRET, opt_out="STOP")
    answer = await server.client.post(at, content=text.body, headers=dict(text.headers))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml; charset=utf-8")
    assert answer.text == '<?xml version="1.0" encoding="UTF-8"?><Response/>'
    false = incoming(NUMBER, "STOP", url=at, token="other", opt_out="STOP")
    refused = await server.client.post(at, content=false.body, headers=dict(false.headers))
    assert refused.status_code == 403
    (stored,) = await rows(server, inbound)
    assert (stored["source"], stored["text"], stored["seen_count"]) == ("twilio", "STOP", 1)
    await _until(server, await _send(server), "denied")


async def test_nepal_doit(server: Running) -> None:
    service = NepalDoit(key=SECRET)
    document = {"sms": {"outgoing_service": "nepal-doit-sms"}}
    async with serving(service) as url:
        await _set_up(server, f"{url}/api/sms", document, "nepal_doit_sms:outgoing")
        await _until(server, await _send(server, "+9779841234567"), "sent")
        await _until(server, await _send(server, "+919841234567"), "failed")
    assert dict(service.taken) == {("9841234567", TEXT): 1}
