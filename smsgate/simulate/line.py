"""The way from a simulated phone to the server: address, headers, one GET, many POSTs.

Headers and credentials are the Android client's own, see the protocol specification §1.7.
"""

from __future__ import annotations

import base64
import random
import ssl
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit, urlunsplit

import httpx2

from smsgate.simulate.handset import read_json

USER_AGENT = (
    "Dalvik/2.1.0 (Linux; U; Android 10; SM-A105F Build/QP1A.190711.020)"
    " medic.gateway.alert.generic/1.1.0"
)
VERIFY_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": USER_AGENT,
    # These two are added by Android itself.
    "Accept-Encoding": "gzip",
    "Connection": "Keep-Alive",
}
POLL_HEADERS = {
    **VERIFY_HEADERS,
    "Accept": "application/json",
    "Accept-Charset": "utf-8",
    "Cache-Control": "no-cache",
}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_WRONG_URL = "the URL must look like https://USER:PASSWORD@HOST/api/sms"
# The phone waits for ever; a simulator that did would hide a hanging server.
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a phone polls: the URL without credentials, and the header made from them."""

    url: str
    authorization: str | None = field(repr=False)

    @property
    def secure(self) -> bool:
        """Whether the way there is encrypted."""
        return self.url.startswith("https:")

    @property
    def local(self) -> bool:
        """Whether it stays on this machine."""
        return urlsplit(self.url).hostname in _LOOPBACK

    def headers(self, base: dict[str, str]) -> dict[str, str]:
        """These headers with the credentials added."""
        return base | ({"Authorization": self.authorization} if self.authorization else {})


def read_address(url: str, user: str | None, password: str | None) -> Address:
    """The address a phone set up with `url` would poll.

    User-info in the URL wins over `user` and `password`. It is sent as it stands there, still
    percent-encoded, in ISO-8859-1, which is what the phone does. A URL without a path means
    `/api/sms`.

    Raises:
        ValueError: it is no http(s) URL. The message repeats nothing of it: it may hold a password.
    """
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
        path = parts.path if parts.path.strip("/") else "/api/sms"
        info, _, place = parts.netloc.rpartition("@")
        plain = urlunsplit((parts.scheme, place, path, parts.query, ""))
        httpx2.URL(plain)
    except (ValueError, httpx2.InvalidURL):
        raise ValueError(_WRONG_URL) from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise ValueError(_WRONG_URL)
    if not info and user is not None:
        info = f"{user}:{password or ''}"
    return Address(plain, _basic(info) if info else None)


def names_account(url: str) -> bool:
    """Whether the URL itself holds credentials, so that no password is needed beside it."""
    return "@" in url.partition("://")[2].partition("/")[0]


def _basic(info: str) -> str:
    return "Basic " + base64.b64encode(info.encode("iso-8859-1", "replace")).decode("ascii")


def new_client(address: Address, *, patience: float = _PATIENCE) -> httpx2.AsyncClient:
    """A client that adds nothing of its own to the phone's headers and follows no redirect."""
    client = httpx2.AsyncClient(
        follow_redirects=False,
        timeout=patience,
        # A proxy named in the environment is for the world outside, never for loopback.
        trust_env=not address.local,
    )
    client.headers.clear()
    return client


@dataclass(frozen=True, slots=True)
class Heard:
    """A response that was read to its end."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class NotHeard:
    """No response was read, and why; `dropped` where this simulator threw it away itself."""

    why: str
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The settings screen turns the address down, and why. `passing` may be better in a moment."""

    why: str
    passing: bool = False


class Line:
    """An open line to one address. Use it as an async context manager.

    `drop_rate` is the share of responses that get lost on their way back, after the server did its
    work: half of them are read and thrown away, half are cut before their body was read.
    """

    def __init__(
        self, address: Address, *, drop_rate: float = 0.0, rng: random.Random | None = None
    ) -> None:
        self._address = address
        self._drop_rate = drop_rate
        self._rng = rng or random.Random()  # noqa: S311  which response is lost is no secret
        self._client = new_client(address)

    async def __aenter__(self) -> Line:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def verify(self) -> Refused | None:
        """Ask what the settings screen asks; None if the address is accepted."""
        try:
            response = await self._client.get(
                self._address.url, headers=self._address.headers(VERIFY_HEADERS)
            )
        except httpx2.RequestError as error:
            return Refused(fault(error), passing=True)
        return read_verification(response.status_code, response.content)

    async def post(self, body: bytes) -> Heard | NotHeard:
        """Send one poll. A connection that fails is a value: the phone just polls again later."""
        dropped = self._rng.random() < self._drop_rate
        try:
            async with self._client.stream(
                "POST",
                self._address.url,
                content=body,
                headers=self._address.headers(POLL_HEADERS),
            ) as response:
                if dropped and self._rng.random() < 0.5:
                    return NotHeard("response cut off on purpose", dropped=True)
                content = await response.aread()
        except httpx2.RequestError as error:
            return NotHeard(fault(error))
        if dropped:
            return NotHeard("response dropped on purpose", dropped=True)
        return Heard(response.status_code, content)


def read_verification(status: int, body: bytes) -> Refused | None:
    """What the settings screen makes of the answer to its GET; None if it accepts (§1.7)."""
    if status == 401:
        return Refused("HTTP 401: the server refuses this user or password")
    if 300 <= status <= 399:
        return Refused(f"HTTP {status}: the address redirects; give the address it leads to")
    document = read_json(body)
    answers = isinstance(document, dict) and document.get("medic-gateway") is True
    if 200 <= status <= 299 and answers:
        return None
    hint = {403: ": the account lacks can_access_gateway_api", 404: ": is the path right?"}
    why = f"not the expected app (HTTP {status}{hint.get(status, '')})"
    return Refused(why, passing=status >= 500)


def fault(error: httpx2.RequestError) -> str:
    """Why no response was read, in one line that holds no address and no credential."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or 'handshake'}"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return "cannot contact the server"
    if isinstance(error, httpx2.TimeoutException):
        return "the server did not answer in time"
    if isinstance(error, httpx2.DecodingError):
        return "the body is not encoded as its headers say"
    return "the connection broke before the response was read"
