"""Reading request bodies: a limit on what they inflate to, a deadline, and strict types."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Generator
from typing import Any, Final

from starlette.requests import Request
from starlette.types import Message

from smsgate import jsontext
from smsgate.web.headers import header
from smsgate.web.problems import Problem

KIB: Final = 1024
SMS_LIMIT: Final = 1024 * KIB
SETTINGS_LIMIT: Final = 8 * 1024 * KIB

_DEADLINE_SECONDS = 15.0
_STEP = 64 * KIB
_TOO_LARGE = "Payload Too Large"
_DAMAGED = "The compressed request body is damaged"
# gzip with its header, and zlib, which is what HTTP calls deflate.
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def media_type(request: Request) -> str:
    """The type of the body, lower case, without parameters; empty where none is named."""
    return header(request, b"content-type").partition(";")[0].strip().lower()


def require_json(request: Request) -> None:
    """Refuse any type but JSON.

    Raises:
        Problem: 400, with the CHT's text.
    """
    if media_type(request) != "application/json":
        raise Problem(400, "Content-Type must be application/json")


async def read(request: Request, limit: int) -> bytes:
    """The whole body, inflated.

    Raises:
        Problem: 413 over `limit` bytes once inflated, 415 for an encoding we cannot undo, 400 for
            a damaged one, 503 for a client that is too slow.
    """
    declared = header(request, b"content-length")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise Problem(413, _TOO_LARGE, headers={"Connection": "close"})
    encoding = header(request, b"content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return (await _collect(request, limit, None))[0]
    if encoding not in _WINDOW:
        raise Problem(415, "Content-Encoding must be gzip, deflate or identity")
    inflater = zlib.decompressobj(_WINDOW[encoding])
    try:
        raw, received = await _collect(request, limit, inflater)
    except zlib.error:
        raise Problem(400, _DAMAGED) from None
    # Also where nothing was inflated: what was cut off early must not pass for an empty body.
    if received and not inflater.eof:
        raise Problem(400, _DAMAGED)
    return raw


async def _collect(request: Request, limit: int, inflater: Any) -> tuple[bytes, int]:
    parts = bytearray()
    asked = _Asked(request.receive())
    message = asked.message
    # Mostly the whole body has arrived with the headers, and no deadline need be kept.
    if message is not None and not message.get("more_body", False):
        received = _take(message, parts, inflater, limit)
        return bytes(parts), received
    received = 0
    try:
        async with asyncio.timeout(_DEADLINE_SECONDS):
            message = await asked
            received += _take(message, parts, inflater, limit)
            while message.get("more_body", False):
                message = await request.receive()
                received += _take(message, parts, inflater, limit)
    except TimeoutError:
        raise Problem(
            503, "The request body took too long", headers={"Retry-After": "30"}
        ) from None
    return bytes(parts), received


class _Asked:
    """What was asked of the server: in `message` if it was there, else to be awaited."""

    def __init__(self, receiving: Awaitable[Message]) -> None:
        self._steps: Generator[Any, Any, Message] = receiving.__await__()
        self._waits_for: Any = None
        self.message: Message | None = None
        try:
            self._waits_for = next(self._steps)
        except StopIteration as end:
            self.message = end.value

    def __await__(self) -> Generator[Any, Any, Message]:
        if self.message is not None:
            return self.message
        try:
            yield self._waits_for
        except BaseException:  # the deadline, or the caller gave up
            self._steps.close()
            raise
        self.message = yield from self._steps
        return self.message


def _take(message: Message, parts: bytearray, inflater: Any, limit: int) -> int:
    if message["type"] == "http.disconnect":
        raise Problem(400, "The request body ended early")
    chunk = message.get("body", b"")
    _append(parts, chunk, inflater, limit)
    return len(chunk)


def _append(parts: bytearray, chunk: bytes, inflater: Any, limit: int) -> None:
    if inflater is None:
        parts += chunk
    else:
        # In steps: a small chunk may inflate to a gigabyte, of which we never hold more than one.
        while chunk:
            if inflater.eof:  # what follows the end would be dropped unread
                raise zlib.error
            parts += inflater.decompress(chunk, _STEP)
            if len(parts) > limit:
                break
            chunk = inflater.unconsumed_tail or inflater.unused_data
    if len(parts) > limit:
        raise Problem(413, _TOO_LARGE, headers={"Connection": "close"})


def parse(raw: bytes) -> Any:
    """The JSON value in `raw`.

    Raises:
        Problem: 400 where it is none.
    """
    value = jsontext.read(raw)
    if isinstance(value, jsontext.BadJson):
        raise Problem(400, "Invalid JSON in request body", details=value.reason)
    return value


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`.

    Raises:
        Problem: 400 where it is none.
    """
    value = parse(raw)
    if not isinstance(value, dict):
        raise Problem(400, "The request body must be a JSON object")
    return value


async def read_json_object(request: Request, limit: int) -> dict[str, Any]:
    """The JSON object of the body.

    Raises:
        Problem: as `read` and `parse_object`.
    """
    return parse_object(await read(request, limit))
