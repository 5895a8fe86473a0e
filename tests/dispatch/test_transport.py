"""One request: what may have left when it goes wrong, and how much of an answer is read."""

from __future__ import annotations

import asyncio
import socket

import pytest

from smsgate.aggregators.base import Answer, Ask
from smsgate.fakes import faults
from smsgate.fakes.faults import Fault
from smsgate.transport import LARGEST, Forbidden, NotSent, Reply, Unsure
from tests import fake_services
from tests.pushes import transport

# Only who never answers is given little time: on a busy machine an answer takes its own.
SOON, LONG = 1.0, 60.0


async def ask(
    url: str, left: asyncio.Event | None = None, *, seconds: float = LONG, **given: object
) -> Reply:
    line = transport(total_seconds=seconds, connect_seconds=seconds / 2)
    try:
        return await line.ask(Ask("POST", url, **{"body": b"x", **given}), left=left)  # type: ignore[arg-type]  # headers and body
    finally:
        await line.close()


async def test_nobody_at_the_door_is_nothing_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    left = asyncio.Event()
    assert await ask(f"http://127.0.0.1:{port}/", left) == NotSent("connect_failed")
    assert not left.is_set()


async def test_a_door_that_does_not_open_is_nothing_sent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as door:
        port = door.getsockname()[1]
        crowd = [socket.socket() for _ in range(4)]  # what the backlog takes, and more
        try:
            for one in crowd:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            assert await ask(f"http://127.0.0.1:{port}/", seconds=SOON) == NotSent("timeout")
        finally:
            for one in crowd:
                one.close()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault("reset"), "connection_lost"),
        (Fault("cut"), "connection_lost"),
        (Fault("hang"), "timeout"),
        (Fault("drip", seconds=0.3), "timeout"),
        (faults.huge(), "answer_too_large"),
        (faults.bomb(), "answer_too_large"),
        (faults.Answer(200, b"no", {"Content-Encoding": "gzip"}), "unreadable_answer"),
    ],
)
async def test_what_left_and_was_not_answered_is_unsure(
    fault: Fault | faults.Answer, reason: str
) -> None:
    left = asyncio.Event()
    async with fake_services.africastalking() as fake:
        fake.service.rule = lambda _request: fault
        form = {"apikey": "fake-key", "content-type": "application/x-www-form-urlencoded"}
        body = b"username=a&to=%2B254711000001&message=x"
        url = f"{fake.url}/version1/messaging"
        seconds = SOON if reason == "timeout" else LONG
        answered = await ask(url, left, seconds=seconds, headers=form, body=body)
        assert answered == Unsure(reason)
    assert left.is_set()


async def test_a_refusal_is_one_without_its_body_too() -> None:
    async with fake_services.rapidpro() as fake:
        body = b"x" * (LARGEST + 1)
        fake.service.rule = lambda _request: faults.Answer(503, body, {"Retry-After": "7"})
        reply = await ask(fake.url)
    assert isinstance(reply, Answer)
    assert (reply.status, reply.retry_after, reply.body) == (503, 7.0, b"")


async def test_an_answer_of_just_the_size_is_read() -> None:
    async with fake_services.rapidpro() as fake:
        body = b"x" * LARGEST
        fake.service.rule = lambda _request: faults.Answer(200, body)
        reply = await ask(fake.url)
    assert isinstance(reply, Answer)
    assert len(reply.body) == LARGEST


async def test_a_header_that_cannot_be_written_is_forbidden() -> None:
    async with fake_services.rapidpro() as fake:
        for value in ("a\r\nb: c", "é\ud800", "\n"):
            assert isinstance(await ask(fake.url, headers={"Authorization": value}), Forbidden)
        assert not fake.service.requests


async def test_no_cookie_is_kept_and_no_proxy_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with fake_services.rapidpro() as fake:
        fake.service.rule = lambda _request: faults.Answer(200, b"{}", {"Set-Cookie": "a=b"})
        line = transport()
        for _ in range(2):
            assert isinstance(await line.ask(Ask("GET", fake.url)), Answer)
        await line.close()
        assert not any("cookie" in request.headers for request in fake.service.requests)


async def test_a_connection_is_used_again() -> None:
    async with fake_services.rapidpro() as fake:
        line = transport()
        fake.service.rule = lambda _request: faults.Answer(200, b"{}")
        for _ in range(3):
            assert isinstance(await line.ask(Ask("GET", fake.url)), Answer)
        await line.close()
        assert len(fake.service.requests) == 3
