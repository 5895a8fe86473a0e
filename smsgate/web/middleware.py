"""What every request passes through on its way in and out, as plain ASGI."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Iterable
from typing import Final

from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from smsgate import log
from smsgate.web.problems import handle
from smsgate.web.traffic import UNROUTED, Traffic

logger = log.get(__name__)

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}\Z")
_SLASHES: Final = re.compile("/{2,}")
_SLOW_MS = 1000
_MOST_DIGITS = 12

# A gateway serves data to programs; nothing of it belongs into a cache, a frame or a script.
SECURITY: Final = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_STANDARD_LOGGER = logging.getLogger(__name__)


class TidyPath:
    """Makes `/api/sms/` and `//api/sms` mean `/api/sms`, in place.

    Never by a redirect: a phone follows one as a GET without a body, is told that all is well, and
    the texts it carried are lost (reliability A9).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request under its tidied path."""
        if scope["type"] == "http":
            path = scope["path"]
            if path[-1:] == "/" or "//" in path:  # hardly ever
                path = _SLASHES.sub("/", path)
                scope["path"] = path.rstrip("/") if len(path) > 1 else path
        await self.app(scope, receive, send)


class Envelope:
    """Gives each answer its headers and each request an id; logs what is slow or went wrong.

    Only the route's pattern is logged: paths hold ids, and query strings hold secrets.
    """

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self.app = app
        self.traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request and look at how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id, asked = _read_headers(scope)
        status = said = 0
        self.traffic.inflight += 1

        async def send_dressed(message: Message) -> None:
            nonlocal status, said
            if message["type"] == "http.response.start":
                status = message["status"]
                said = _announced(message["headers"])
                message["headers"] = [
                    *message["headers"],
                    *SECURITY,
                    (b"x-request-id", request_id),
                ]
            await send(message)

        try:
            await self.app(scope, receive, send_dressed)
        except Exception as error:
            if status:  # too late to say anything else
                raise
            response = await handle(Request(scope, receive), error)
            await response(scope, receive, send_dressed)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", None) or scope.get("lane", UNROUTED)
            self.traffic.inflight -= 1
            self.traffic.note(
                scope["method"], route, status, seconds=seconds, asked=asked, said=said
            )
        _note(scope, route, request_id, status, seconds * 1000)


class GZipOnRequest:
    """Compresses answers for those who ask for it; the others do not pay for the choice."""

    def __init__(self, app: ASGIApp, minimum_size: int) -> None:
        self.app = app
        self.compressing = GZipMiddleware(app, minimum_size=minimum_size, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, compressed or not."""
        await (self.compressing if _wants_gzip(scope) else self.app)(scope, receive, send)


def _wants_gzip(scope: Scope) -> bool:
    if scope["type"] == "http":
        for name, value in scope["headers"]:
            if name == b"accept-encoding" and b"gzip" in value:
                return True
    return False


def _read_headers(scope: Scope) -> tuple[bytes, int]:
    """The request's id, given or made, and how long its body is announced to be."""
    request_id, asked = b"", 0
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            asked = int(value[:_MOST_DIGITS])
        elif name == b"x-request-id" and _REQUEST_ID.match(value):
            request_id = value
    # Random enough: it tells requests apart and guards nothing.
    return request_id or b"%016x" % random.getrandbits(64), asked


def _announced(headers: Iterable[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return 0


def _note(scope: Scope, route: str, request_id: bytes, status: int, ms: float) -> None:
    level = logging.DEBUG
    if status >= 500:
        level = logging.ERROR
    elif status >= 400 or ms >= _SLOW_MS:
        level = logging.INFO
    if not _STANDARD_LOGGER.isEnabledFor(level):
        return  # asked first: most requests end here
    logger.log(
        level,
        "request",
        method=scope["method"],
        route=route,
        status=status,
        ms=round(ms, 1),
        request_id=request_id.decode(),
    )
