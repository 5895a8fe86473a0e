"""Requests that no HTTP client would send, written by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx2

from tests.make import basic
from tests.running import PASSWORD, Running


async def by_hand(
    server: Running, line: str, *, user: str, headers: Mapping[str, str], body: bytes = b""
) -> bytes:
    """The whole answer to `line` (method and path); no header is sent but those and the account's.

    Nothing announces a body unless `headers` does.
    """
    url = httpx2.URL(server.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    lines = [f"{line} HTTP/1.1", "Host: x", "Connection: close", "Accept: application/json"]
    lines += [f"Authorization: {basic(user, PASSWORD)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer
