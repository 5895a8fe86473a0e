"""Answers on the wire: head and body in one piece, or the head alone where the body is late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from smsgate.web.onepiece import HeadHeld, OnePiece

ASKED = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Slow:
    """Answers at once, or gives the head, and the body when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def body() -> AsyncIterator[bytes]:
            await self.go_on.wait()
            yield b"late"

        answers = {"/": Response(b"at once"), "/late": StreamingResponse(body())}
        empty = Response(status_code=204)
        await answers.get(scope["path"], empty)(scope, receive, send)


class Wire(asyncio.Transport):
    """Keeps what is written, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.pieces.append(b"(closed)")


@asynccontextmanager
async def served(app: Slow) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", http=OnePiece)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: OnePiece(config, server.server_state, {}, loop), "127.0.0.1", 0
    )
    async with listener:
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        try:
            yield reader, writer
        finally:
            writer.close()


async def test_answers_come_whole_and_one_after_the_other() -> None:
    async with served(Slow()) as (reader, writer):
        for _ in range(3):
            writer.write(ASKED % b"/" + ASKED % b"/nothing")
            assert (await reader.readuntil(b"at once")).startswith(b"HTTP/1.1 200 OK\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")


async def test_a_head_does_not_wait_for_a_late_body() -> None:
    app = Slow()
    async with served(app) as (reader, writer):
        writer.write(ASKED % b"/late")
        assert b" 200 OK" in await reader.readuntil(b"\r\n\r\n")
        app.go_on.set()
        assert b"late" in await reader.readuntil(b"0\r\n\r\n")


async def test_head_and_body_are_one_piece() -> None:
    wire = Wire()
    held = HeadHeld(wire, asyncio.get_running_loop())
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    held.write(head)
    held.write(b"body")
    held.write(b"more")
    held.write(head)
    await asyncio.sleep(0)
    assert wire.pieces == [head + b"body", b"more", head]
    held.write(head)
    held.close()
    assert wire.pieces[3:] == [head, b"(closed)"]
    assert held.get_extra_info("peername") is None  # anything else is the transport's own
