"""Request bodies: compressed, cut off, too large (decision 5, reliability D1, D2)."""

from __future__ import annotations

import asyncio
import functools
import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from smsgate.web import body
from smsgate.web.problems import Problem
from tests import make
from tests.looking import total
from tests.running import PASSWORD, Running

MIB = 1024 * 1024


def _poll(*texts: str) -> bytes:
    return json.dumps({"messages": [make.sms(text) for text in texts], "updates": []}).encode()


async def _post(
    server: Running, content: bytes | AsyncIterator[bytes], encoding: str | None = None
) -> httpx2.Response:
    headers = {"Content-Type": "application/json"}
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return await server.call("POST", "/api/sms", content=content, headers=headers, user="gateway")


@functools.cache  # making it takes two seconds
def _bomb() -> bytes:
    """A gzip body of 1 MiB that inflates to 1 GiB of zeros."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(MIB)
    return b"".join(packer.compress(zeros) for _ in range(1024)) + packer.flush()


async def test_a_poll_may_be_compressed(embedded: Running) -> None:
    for encoding in ("gzip", "GZIP", "x-gzip", "deflate", "identity", ""):
        response = await _post(embedded, _packed(_poll("hello"), encoding.lower()), encoding)
        assert response.status_code == 200, encoding
        assert response.json()["messages"], encoding


def _packed(data: bytes, encoding: str) -> bytes:
    if encoding.endswith("gzip"):
        return gzip.compress(data)
    return zlib.compress(data) if encoding == "deflate" else data


def _pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), size):
            yield data[start : start + size]

    return pieces()


async def test_a_poll_may_come_in_pieces(embedded: Running) -> None:
    plain = _poll("hello")
    for size in (1, 7, 4096):
        assert (await _post(embedded, _pieces(plain, size))).status_code == 200
        assert (await _post(embedded, _pieces(gzip.compress(plain), size), "gzip")).is_success


async def test_a_compressed_body_cut_off_anywhere_is_refused(embedded: Running) -> None:
    """Taken for an empty poll, it would be acknowledged and its texts lost."""
    whole = gzip.compress(_poll("hello", "world"))
    for length in range(1, len(whole)):
        response = await _post(embedded, whole[:length], "gzip")
        assert response.status_code == 400, length
        assert response.json()["error"] == "The compressed request body is damaged"
    assert await total(embedded) == 0
    assert (await _post(embedded, b"", "gzip")).json() == {"messages": []}


DAMAGED = {
    "text": b'{"messages":[]}',
    "another format": zlib.compress(b"{}"),
    "checksum": gzip.compress(b'{"messages":[]}')[:-8] + b"\0" * 8,
    "something after the end": gzip.compress(b'{"messages":[]}') + b"more",
    "a second member": gzip.compress(b'{"messages":[]}') + gzip.compress(b"{}"),
    "gzip in gzip": gzip.compress(gzip.compress(b"{}")),
}


async def test_a_damaged_body_is_refused(embedded: Running) -> None:
    for name, raw in DAMAGED.items():
        assert (await _post(embedded, raw, "gzip")).status_code == 400, name
    assert await total(embedded) == 0


async def test_an_encoding_we_cannot_undo_is_named(embedded: Running) -> None:
    for encoding in ("br", "zstd", "compress", "gzip, gzip", "gzip;q=1", "aes128gcm"):
        response = await _post(embedded, gzip.compress(b"{}"), encoding)
        assert response.status_code == 415, encoding
        assert "gzip, deflate or identity" in response.json()["error"]


async def test_a_bomb_is_refused_at_once(embedded: Running) -> None:
    bomb = _bomb()
    assert len(bomb) <= body.SMS_LIMIT  # its declared length says nothing
    started = (
        time.process_time()
    )  # the server's too; other processes of a busy machine do not count
    response = await _post(embedded, bomb, "gzip")
    assert response.status_code == 413
    assert response.json()["error"] == "Payload Too Large"
    assert time.process_time() - started < 2


async def test_inflating_a_bomb_holds_little_more_than_the_limit() -> None:
    bomb = _bomb()
    tracemalloc.start()
    try:
        with pytest.raises(Problem) as caught:
            await body.read(_request([bomb], "gzip"), body.SMS_LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.status == 413
    assert peak < 4 * MIB


async def test_too_large_is_413_declared_or_not(embedded: Running) -> None:
    large = b'{"messages":[],"x":"' + b"x" * (10 * MIB) + b'"}'
    for content in (large[: body.SMS_LIMIT + 1], gzip.compress(b'"' + bytes(2 * MIB))):
        encoding = "gzip" if content[:2] == b"\x1f\x8b" else None
        response = await _post(embedded, content, encoding)
        assert response.status_code == 413, len(content)
        assert response.headers["connection"] == "close"
    for headers in ("Content-Length: 10485760", "Transfer-Encoding: chunked"):
        assert b" 413 " in await _raw(embedded, "POST /api/sms", headers, large)
        assert b" 413 " in await _raw(embedded, "PUT /api/v1/settings", headers, large)
    assert await total(embedded) == 0


async def _raw(server: Running, target: str, length: str, data: bytes) -> bytes:
    """The status line of an answer that may come before the body was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
    head = (
        f"{target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: {make.basic('admin', PASSWORD)}\r\n{length}\r\n\r\n"
    )
    writer.write(head.encode())
    if "chunked" in length:
        data = b"%x\r\n%s\r\n" % (len(data), data)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.readline(), 10)
    finally:
        writer.transport.abort()


async def test_a_body_just_within_the_limit_is_read(embedded: Running) -> None:
    raw = _poll("x")
    padded = raw + b" " * (body.SMS_LIMIT - len(raw))
    assert (await _post(embedded, padded)).status_code == 200
    assert (await _post(embedded, padded + b" ")).status_code == 413


async def test_a_client_that_hangs_up_halfway_leaves_nothing(embedded: Running) -> None:
    raw = _poll("x")
    port = int(embedded.url.rpartition(":")[2])
    for cut in range(0, len(raw), 16):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            f"POST /api/sms HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            f"Authorization: {make.basic('gateway', PASSWORD)}\r\n"
            f"Content-Length: {len(raw)}\r\n\r\n".encode()
            + raw[:cut]
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    assert await embedded.poll() == []
    assert await total(embedded) == 0


def _request(chunks: list[bytes], encoding: str = "", **headers: str) -> Request:
    """A request whose body arrives in `chunks`."""
    messages = [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks) - 1}
        for place, chunk in enumerate(chunks or [b""])
    ]
    waiting = iter(messages)

    async def receive() -> dict[str, object]:
        return next(waiting)

    given = {"content-encoding": encoding, **headers}
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
    return Request({"type": "http", "method": "POST", "headers": pairs}, receive)


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=400).map(lambda seed: seed * 700),
    cuts=st.lists(st.integers(1, 3000), max_size=40),
    encoding=st.sampled_from(["gzip", "deflate", ""]),
)
def test_any_body_in_any_pieces_comes_out_as_it_was(
    data: bytes, cuts: list[int], encoding: str
) -> None:
    packed = _packed(data, encoding)
    chunks = []
    for size in [*cuts, len(packed)]:
        chunks.append(packed[:size])
        packed = packed[size:]
    assert asyncio.run(body.read(_request(chunks, encoding), body.SMS_LIMIT)) == data


async def test_a_client_that_sends_no_body_in_time_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "_DEADLINE_SECONDS", 0.01)

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    with pytest.raises(Problem) as caught:
        await body.read(request, body.SMS_LIMIT)
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "30"})


async def test_a_body_that_ends_early_is_refused() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    with pytest.raises(Problem) as caught:
        await body.read(Request({"type": "http", "headers": []}, receive), body.SMS_LIMIT)
    assert caught.value.status == 400
