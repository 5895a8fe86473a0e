"""smsgate as a channel of RapidPro, both ways, against a stand-in for courier."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from smsgate.fakes.callbacks import Callbacks
from smsgate.fakes.courier import CHANNEL, Courier, Told, order
from smsgate.fakes.faults import Answer, Fault
from smsgate.fakes.serving import serving
from smsgate.ids import is_order, new_id
from smsgate.store.tables import orders, outbound, tellings
from tests.looking import rows
from tests.running import Running

KEY = "what-courier-shows"
NUMBER = "+254712345678"


@dataclass
class Channel:
    """A server whose phone sends what courier orders."""

    server: Running
    courier: Courier
    callbacks: Callbacks

    async def order(self, reference: str = "10", to: str = NUMBER, text: str = "Jambo ✓") -> int:
        url = f"{self.server.url}/api/v1/sms/rapidpro-channel/outgoing-messages"
        post = order(reference, to, text, url=url, authorization=f"Token {KEY}")
        return (await self.callbacks.now(post)).status

    async def told(self, number: int) -> list[tuple[str, str]]:
        """Wait until courier took so much; what it was told of which id or number."""
        await self.courier.until(lambda: len(self.courier.told) >= number)
        return [(one.word, one.about) for one in self.courier.told]

    async def until(self, holds: Callable[[list[dict[str, Any]]], bool]) -> list[dict[str, Any]]:
        """Wait until what is left to be told is so, looked at after each commit."""
        changed = asyncio.Event()

        def tell(_jobs: object) -> None:
            changed.set()

        listeners = self.server.services.store.writer.listeners
        listeners.append(tell)
        try:
            async with asyncio.timeout(20):
                while not holds(found := await rows(self.server, tellings)):
                    await changed.wait()
                    changed.clear()
        finally:
            listeners.remove(tell)
        return found

    async def tried(self, times: int) -> dict[str, Any]:
        """Wait until the oldest was tried so often and is in nobody's hands; that row."""
        found = await self.until(
            lambda rows: bool(rows) and rows[0]["attempts"] == times and rows[0]["owner"] is None
        )
        return found[0]


@asynccontextmanager
async def channel(server: Running, **own: Any) -> AsyncIterator[Channel]:
    courier = Courier()
    async with serving(courier) as url, Callbacks() as callbacks:
        settings = {"url": url, "allow": ["127.0.0.0/8"], **own}
        put = await server.call(
            "PUT",
            "/api/v1/settings",
            json={"smsgate": {"rapidpro_channel": settings}, "default_country_code": "254"},
        )
        assert put.status_code == 200, put.text
        for name, text in (("incoming", KEY), ("outgoing", CHANNEL)):
            stored = await server.call(
                "PUT",
                f"/api/v1/credentials/rapidpro-channel:{name}",
                content=text,
                headers={"Content-Type": "text/plain"},
            )
            assert stored.status_code == 200, stored.text
        yield Channel(server, courier, callbacks)


def update(id_: str, status: str) -> dict[str, str]:
    return {"id": id_, "status": status}


async def test_an_order_is_sent_once_and_told_of_in_order(server: Running) -> None:
    async with channel(server) as one:
        for _ in range(3):  # an answer that courier did not hear
            assert await one.order() == 200
        assert await one.order(text="other words") == 200
        (message,) = await server.poll()
        assert (message["to"], message["content"]) == (NUMBER, "Jambo ✓")
        assert is_order(message["id"])
        assert not is_order(new_id())
        for status in ("PENDING", "SENT", "DELIVERED"):
            await server.poll(updates=[update(message["id"], status)])
        assert await one.told(2) == [("sent", "10"), ("delivered", "10")]
        await one.until(lambda left: not left)
        (row,) = await rows(server, outbound)
        assert (row["kind"], row["created_by"]) == ("order", "rapidpro-channel")
        assert len(await rows(server, orders)) == 1


async def test_calls_at_one_moment_are_one_message(server: Running) -> None:
    async with channel(server) as one:
        await asyncio.gather(*(one.order() for _ in range(8)), one.order("11"))
        assert len(await rows(server, outbound)) == 2


@pytest.mark.parametrize(
    ("to", "text", "changes", "reason"),
    [
        ("nobody", "hi", {}, "invalid_number"),
        (NUMBER, "x" * 1601, {}, "text_too_long"),
        (NUMBER, "hi", {"outgoing_deny_list": "+2547"}, None),
    ],
)
async def test_what_cannot_be_sent_has_failed(
    server: Running, to: str, text: str, changes: dict[str, str], reason: str | None
) -> None:
    async with channel(server) as one:
        await server.call("PUT", "/api/v1/settings", json=changes or {"locale": "en"})
        assert await one.order(to=to, text=text) == 200
        assert await one.told(1) == [("failed", "10")]
        (row,) = await rows(server, outbound)
        assert row["state"] == "denied"
        assert reason is None or reason in row["details"]
        assert await server.poll() == []


async def test_a_number_that_opted_out_gets_none(server: Running) -> None:
    async with channel(server, receive="none") as one:
        await server.poll(text_in("s1", "STOP"))
        assert await one.order() == 200
        assert await one.told(1) == [("failed", "10")]


async def test_a_message_that_is_cancelled_or_expires_has_failed(server: Running) -> None:
    async with channel(server) as one:
        await one.order("1")
        (row,) = await rows(server, outbound)
        await server.call("POST", f"/api/v1/messages/{row['id']}/cancel")
        assert await one.told(1) == [("failed", "1")]


def text_in(id_: str, text: str, sender: str = NUMBER) -> dict[str, Any]:
    return {"id": id_, "from": sender, "content": text, "sms_sent": 1, "sms_received": 1}


@pytest.mark.parametrize(
    ("receive", "told"),
    [
        ("unread", [("stopped", ""), ("receive", "hello")]),
        ("all", [("receive", "1!ANC!Sam#23#2015"), ("stopped", ""), ("receive", "hello")]),
        ("none", []),
    ],
)
async def test_texts_that_come_in(
    server: Running, receive: str, told: list[tuple[str, str]]
) -> None:
    async with channel(server, receive=receive) as one:
        texts = ("1!ANC!Sam#23#2015", "hello", "STOP")
        for _ in range(2):  # a phone that did not hear the answer
            await server.poll(*(text_in(str(n), text) for n, text in enumerate(texts)))
        await one.told(len(told))
        await one.until(lambda left: not left)
        key = {word: place for place, word in enumerate(told)}
        assert sorted(((t.word, t.text) for t in one.courier.told), key=lambda w: key[w]) == told
        assert {t.about for t in one.courier.told} <= {NUMBER}


async def test_what_goes_wrong_on_the_line_is_told_again_in_order(server: Running) -> None:
    async with channel(server) as one:
        one.courier.script += [Answer(503, b"busy"), Fault("reset", taken=False)]
        await one.order()
        (message,) = await server.poll()
        await server.poll(updates=[update(message["id"], "SENT")])
        first = await one.tried(1)
        assert first["due_at"] > server.clock()
        await server.poll(updates=[update(message["id"], "DELIVERED")])
        server.clock.move(minutes=1)
        await server.poll(updates=[update("another", "SENT")])  # something is committed
        again = await one.tried(2)
        assert again["seq"] == first["seq"]
        server.clock.move(minutes=10)
        await server.poll(updates=[update("yet another", "SENT")])
        assert await one.told(2) == [("sent", "10"), ("delivered", "10")]


async def test_a_message_that_courier_does_not_know_is_given_up(server: Running) -> None:
    async with channel(server) as one:
        one.courier.known = set()
        await one.order()
        (message,) = await server.poll()
        await server.poll(updates=[update(message["id"], "SENT")])
        (given_up,) = await one.until(lambda left: bool(left) and left[0]["ended_at"] is not None)
        assert given_up["status"] == "HTTP 400"
        one.courier.known = None
        await server.poll(updates=[update(message["id"], "DELIVERED")])
        assert await one.told(1) == [("delivered", "10")]


async def test_a_set_up_that_is_wrong_stops_with_an_alert(server: Running) -> None:
    async with channel(server) as one:
        one.courier.channel = "another"
        await one.order()
        (message,) = await server.poll()
        await server.poll(updates=[update(message["id"], "SENT")])
        await one.until(lambda left: bool(left) and left[0]["status"] == "HTTP 400")
        alerts = (await server.get("/api/v1/alerts"))["data"]
        (alert,) = [alert for alert in alerts if alert["name"] == "RoutePaused"]
        assert (alert["subject"], "HTTP 400" in alert["summary"]) == ("rapidpro-channel", True)
        one.courier.channel = CHANNEL
        await server.call("POST", "/api/v1/routes/rapidpro-channel/resume")
        assert await one.told(1) == [("sent", "10")]


async def test_a_person_holds_it_back_and_lets_it_go_on(server: Running) -> None:
    async with channel(server) as one:
        (route,) = (await server.get("/api/v1/routes"))["data"]
        assert (route["name"], route["in_use"]) == ("rapidpro-channel", True)
        await server.call("POST", "/api/v1/routes/rapidpro-channel/pause", json={})
        await server.poll(text_in("s1", "hello"))
        await one.order()
        (message,) = [one for one in await server.poll() if is_order(one["id"])]
        await server.poll(updates=[update(message["id"], "SENT")])
        assert len(await rows(server, tellings)) == 2
        assert one.courier.told == []
        await server.call("POST", "/api/v1/routes/rapidpro-channel/resume")
        assert sorted(await one.told(2)) == [("receive", NUMBER), ("sent", "10")]


async def test_who_shows_another_key_is_turned_away(server: Running) -> None:
    async with channel(server) as one:
        url = f"{server.url}/api/v1/sms/rapidpro-channel/outgoing-messages"
        post = order("1", NUMBER, "x", url=url, authorization="Token other")
        assert (await one.callbacks.now(post)).status == 403
        assert await one.order(to="") == 400
        assert await rows(server, outbound) == []


def test_told_shows_nothing() -> None:
    assert NUMBER not in repr(Told("receive", NUMBER, "text"))
