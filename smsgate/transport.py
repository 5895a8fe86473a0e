"""HTTP to an aggregator: one request, a bounded answer, and whether anything may have left.

Nothing is followed, remembered or taken from the environment: no redirects, no cookies, no proxy.
The address is checked on every new connection, after the name was looked up, and the connection is
made to the very address that was checked; `Host` and the certificate's name stay the host's.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpcore2
import httpx2

from smsgate.addresses import Network, refusal
from smsgate.aggregators.base import Answer, Ask

CONNECT_SECONDS: Final = 10.0
TOTAL_SECONDS: Final = 30.0
LARGEST: Final = 2**20
# Shorter than servers keep an idle connection, so that none is closed just as it is used again.
_IDLE_SECONDS: Final = 2.0
_MOST_ADDRESSES: Final = 4
_UNWRITABLE: Final = "no request can be made of the route's address and credential"
_LEAVES: Final = "http11.send_request_headers.started"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing left: it may be sent again. `reason` is a word."""

    reason: str


@dataclass(frozen=True, slots=True)
class Forbidden:
    """Nothing left, and nothing will before an operator changes the settings."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unsure:
    """It may have arrived, wholly or in part, and no answer says so. `reason` is a word."""

    reason: str


Reply = Answer | NotSent | Forbidden | Unsure


class _Refused(Exception):
    """The address is none that may be reached; comes out of the connection pool as it is."""


async def look_up(host: str, port: int) -> Sequence[str]:
    """Every address of `host`, as the system knows it.

    Raises:
        OSError: it has none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=1)  # SOCK_STREAM
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _Guard(httpcore2.AsyncNetworkBackend):
    """Connects where it is allowed to, and nowhere else."""

    def __init__(self, allowed: Sequence[Network], resolve: Resolve, *, public: bool) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._public = public
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """See `AsyncNetworkBackend`: all its tries share one `timeout`."""
        failure: Exception = httpcore2.ConnectError("no address")
        try:
            async with asyncio.timeout(timeout):
                for address in await self._checked(host, port):
                    try:
                        return await self._network.connect_tcp(
                            address, port, None, local_address, socket_options
                        )
                    except httpcore2.ConnectError as error:
                        failure = error
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("no connection in time") from error
        raise failure

    async def _checked(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("the name cannot be looked up") from error
        reason = refusal(addresses, self._allowed, public=self._public)
        if reason is not None:
            raise _Refused(reason)
        return addresses[:_MOST_ADDRESSES]


class _Body(httpx2.AsyncByteStream):
    """The pool's stream under the face that decoding wants."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part


class Transport:
    """The connections of one route."""

    def __init__(
        self,
        *,
        allowed: Sequence[Network] = (),
        parallel: int = 16,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
        resolve: Resolve = look_up,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        """Connect to the public internet over TLS, and to `allowed` networks also without.

        Args:
            allowed: networks of gateways on one's own ground.
            parallel: the most connections.
            connect_seconds: for looking up, connecting and TLS together.
            total_seconds: for the whole of a request.
            resolve: what looks names up.
            trusted: whose certificates count; those of the system's authorities by default.
        """
        self._times = {
            "connect": connect_seconds,
            "read": total_seconds,
            "write": total_seconds,
            "pool": total_seconds,
        }
        self._total = total_seconds
        self._plain_allowed = bool(allowed)
        context = trusted or httpx2.create_ssl_context(trust_env=False)
        self._pools = {
            scheme: httpcore2.AsyncConnectionPool(
                ssl_context=context,
                max_connections=parallel,
                keepalive_expiry=_IDLE_SECONDS,
                network_backend=_Guard(allowed, resolve, public=scheme == "https"),
            )
            for scheme in ("https", "http")
        }

    async def close(self) -> None:
        """Let go of every connection."""
        for pool in self._pools.values():
            await pool.aclose()

    async def ask(self, ask: Ask, *, left: asyncio.Event | None = None) -> Reply:
        """Make a request.

        Args:
            ask: what to ask.
            left: set as soon as a byte of it may have left, for a caller that may be cancelled.
        """
        left = left or asyncio.Event()
        try:
            request = self._request(ask, left)
        except (httpx2.InvalidURL, ValueError, TypeError):
            return Forbidden(_UNWRITABLE)
        if isinstance(request, Forbidden):
            return request
        seen: list[Answer] = []
        try:
            async with asyncio.timeout(self._total):
                return await self._exchange(request, seen)
        except _FAILURES as error:
            return _failed(error, seen, left)

    def _request(self, ask: Ask, left: asyncio.Event) -> httpcore2.Request | Forbidden:
        url = httpx2.URL(ask.url)
        if url.scheme not in self._pools:
            return Forbidden("the route's address must begin with https://")
        if url.scheme == "http" and not self._plain_allowed:
            return Forbidden(
                "plain HTTP goes only to networks in the route's list `allow`: use https://"
            )
        if not url.host or url.userinfo:
            return Forbidden("the route's address must have a host, and no user before it")
        if url.port is not None and not 0 < url.port < 65536:
            return Forbidden("the route's address has no such port")

        async def trace(event: str, _info: object) -> None:
            if event == _LEAVES:
                left.set()

        given = httpx2.Request(
            ask.method,
            url,
            headers={"Accept-Encoding": "gzip", "User-Agent": "smsgate", **ask.headers},
            content=ask.body,
        )
        return httpcore2.Request(
            method=given.method,
            url=httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=given.headers.raw,
            content=ask.body,
            extensions={"timeout": self._times, "trace": trace},
        )

    async def _exchange(self, request: httpcore2.Request, seen: list[Answer]) -> Reply:
        pool = self._pools[request.url.scheme.decode()]
        response = await pool.handle_async_request(request)
        try:
            answer = httpx2.Response(
                response.status, headers=response.headers, stream=_Body(response.stream)
            )
            headers = {name.lower(): value for name, value in answer.headers.multi_items()}
            seen.append(Answer(response.status, headers))
            body = bytearray()
            # Inflated in pieces of at most 1 MiB one after the other: a bomb goes off in none.
            async with contextlib.aclosing(answer.aiter_bytes()) as parts:
                async for part in parts:
                    body += part
                    if len(body) > LARGEST:
                        return _broken("answer_too_large", seen)
        finally:
            await response.aclose()
        return Answer(response.status, headers, bytes(body))


_FAILURES: Final = (
    _Refused,
    TimeoutError,
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpx2.DecodingError,
)


def _failed(error: Exception, seen: Sequence[Answer], left: asyncio.Event) -> Reply:
    if isinstance(error, _Refused):
        return Forbidden(str(error))
    if isinstance(error, httpcore2.LocalProtocolError):
        return Forbidden(_UNWRITABLE)
    reason = _reason(error)
    return _broken(reason, seen) if left.is_set() else NotSent(reason)


def _broken(reason: str, seen: Sequence[Answer]) -> Reply:
    # A refusal whose body was lost is one all the same.
    return seen[0] if seen and seen[0].status >= 400 else Unsure(reason)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError | httpcore2.TimeoutException):
        return "timeout"
    if isinstance(error, httpx2.DecodingError):
        return "unreadable_answer"
    if isinstance(error, httpcore2.ConnectError):
        return _why(error)
    return "connection_lost"


def _why(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls_failed"
        cause = cause.__cause__ or cause.__context__
    return "connect_failed"
