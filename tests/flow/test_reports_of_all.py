"""Delivery reports and texts of every aggregator that calls: early, twice, in any order (B5-B8)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smsgate.fakes import africastalking, jasmin, kannel, rapidpro, twilio
from smsgate.fakes.africastalking import AfricasTalking
from smsgate.fakes.callbacks import Callbacks, Post
from smsgate.fakes.reporting import Reporting
from smsgate.fakes.serving import serving
from smsgate.store.tables import inbound, orphan_reports
from tests import targets
from tests.looking import rows
from tests.running import Running
from tests.targets import KEY, Target

# For each: a word for sent, one for delivered, and the id by which it reports on what it took.
WORDS = {
    "africastalking": ("Submitted", "Success"),
    "twilio": ("sent", "delivered"),
    "kannel": (kannel.ACCEPTED, kannel.DELIVERED),
    "jasmin": ("ENROUTE", "DELIVRD"),
    "national-sms": ("SENT", "DELIVERED"),
}
REPORTING = [one for one in targets.ALL if one.name in WORDS]


async def set_up(server: Running, target: Target, url: str) -> None:
    document = target.document(url)
    document["smsgate"]["public_url"] = server.url
    put = await server.call("PUT", "/api/v1/settings", json=document)
    assert put.status_code == 200, put.text
    for use in ("incoming", "outgoing"):
        stored = await server.call(
            "PUT",
            f"/api/v1/credentials/{target.credential}:{use}",
            content=KEY,
            headers={"Content-Type": "text/plain"},
        )
        assert stored.status_code == 200, stored.text


def reported(server: Running, fake: Any, word: str) -> Post:
    """A report on the last message that was taken."""
    if isinstance(fake, AfricasTalking):
        url = f"{server.url}/api/v1/sms/africastalking/delivery-reports?key={KEY}"
        return fake.report(list(fake.texted)[-1], word, url=url)
    assert isinstance(fake, Reporting)
    return fake.report(fake.references[-1], word)


async def until(server: Running, id_: str, state: str) -> dict[str, Any]:
    changed = asyncio.Event()

    def tell(_jobs: object) -> None:
        changed.set()

    listeners = server.services.store.writer.listeners
    listeners.append(tell)
    try:
        async with asyncio.timeout(20):
            while True:
                message: dict[str, Any] = await server.get(f"/api/v1/messages/{id_}")
                if message["state"] == state:
                    return message
                await changed.wait()
                changed.clear()
    finally:
        listeners.remove(tell)


async def send(server: Running, target: Target) -> str:
    made = await server.call(
        "POST", "/api/v1/messages", json={"to": target.number(1), "content": "Jambo"}
    )
    assert made.status_code == 201, made.text
    id_: str = made.json()["id"]
    return id_


@pytest.mark.parametrize("target", REPORTING, ids=lambda one: one.name)
async def test_a_report_that_is_faster_than_the_answer(server: Running, target: Target) -> None:
    fake = target.fake()
    fake.gate = gate = asyncio.Event()
    async with serving(fake) as url, Callbacks() as callbacks:
        await set_up(server, target, url)
        id_ = await send(server, target)
        await fake.until(lambda: bool(fake.taken))
        post = reported(server, fake, WORDS[target.name][1])
        assert (await callbacks.now(post)).status == 200
        gate.set()
        await until(server, id_, "delivered")
    assert await rows(server, orphan_reports) == []
    assert not fake.doubled


@pytest.mark.parametrize("target", REPORTING, ids=lambda one: one.name)
async def test_reports_twice_and_the_wrong_way_round(server: Running, target: Target) -> None:
    fake = target.fake()
    sent, delivered = WORDS[target.name]
    async with serving(fake) as url, Callbacks() as callbacks:
        await set_up(server, target, url)
        id_ = await send(server, target)
        await until(server, id_, target.state)
        for word in (delivered, sent, delivered, sent):
            assert (await callbacks.now(reported(server, fake, word))).status == 200
        message = await until(server, id_, "delivered")
    applied = [step["state"] for step in message["state_history"] if step.get("applied", True)]
    assert applied == ["pending", target.state, "delivered"]
    assert len(message["state_history"]) <= len(applied) + 1  # what came late is kept once


def texts(server: Running) -> dict[str, Post]:
    """A text as each of them brings it."""
    at = f"{server.url}/api/v1/sms"
    sender, text, id_ = "+254711000001", "1!ANC!Sam#23#2015", "SM" + "0a" * 16
    return {
        "africastalking": africastalking.incoming(
            sender,
            text,
            url=f"{at}/africastalking/incoming-messages?key={KEY}",
            reference=id_,
        ),
        "rapidpro": rapidpro.incoming(
            sender, text, url=f"{at}/rapidpro/incoming-messages", key=KEY, reference=id_
        ),
        "twilio": twilio.incoming(
            sender, text, url=f"{at}/twilio/incoming-messages", token=KEY, reference=id_
        ),
        "kannel": kannel.incoming(
            sender, text, url=f"{at}/kannel/incoming-messages", key=KEY, reference=id_
        ),
        "jasmin": jasmin.incoming(
            sender, text, url=f"{at}/jasmin/incoming-messages", key=KEY, reference=id_
        ),
    }


@pytest.mark.parametrize("name", ["africastalking", "rapidpro", "twilio", "kannel", "jasmin"])
async def test_a_text_that_comes_twice_is_one(embedded: Running, name: str) -> None:
    async with Callbacks() as callbacks:
        await set_up(embedded, targets.BY_NAME[name], "http://127.0.0.1:9")
        for _ in range(3):
            heard = await callbacks.now(texts(embedded)[name])
            assert heard.status == 200
            assert heard.body
    (row,) = await rows(embedded, inbound)
    assert (row["source"], row["seen_count"], row["form"]) == (name, 3, "ANC")
