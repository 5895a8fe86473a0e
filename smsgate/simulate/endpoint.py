"""Asks an address whether it would serve a real phone, for `smsgate doctor URL`.

Each question is one a phone in the field asks without being able to say why the answer was wrong.
Source: the Android client's behaviour (protocol specification §1.7), reliability table A9 to A12.
"""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

import httpx2

from smsgate.simulate.handset import read_json
from smsgate.simulate.line import (
    POLL_HEADERS,
    VERIFY_HEADERS,
    Address,
    fault,
    new_client,
    read_address,
    read_verification,
)

Level = Literal["ok", "warn", "fail"]
_SKEW = 120.0
_EMPTY_POLL = b'{"messages":[],"updates":[]}'


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: how bad it is, and one line that says what to do. Never a secret in it."""

    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: httpx2.Headers
    body: bytes
    seconds: float


async def check_endpoint(
    url: str,
    user: str | None,
    password: str | None,
    *,
    slow: float = 2.0,
    patience: float = 15.0,
) -> list[Finding]:
    """Ask `url` what a phone asks, and judge the answers.

    The polls sent are empty. They may be offered messages; this says nothing about those to the
    server, so the phone of the same account gets them at its next poll.

    Args:
        url: as typed into the phone; its user-info wins over `user` and `password`.
        user: the gateway account, or None.
        password: its password, or None.
        slow: seconds after which an answer is worth a warning.
        patience: seconds after which it is waited for no more.

    Returns:
        The findings, in the order of the questions. `fail` among them: a phone would not work, or
        would lose messages. No error is raised for a server that cannot be reached.
    """
    try:
        address = read_address(url, user, password)
    except ValueError as error:
        return [Finding("fail", str(error))]
    findings = list(_about_address(url, address))
    async with new_client(address, patience=patience) as client:
        reply = await _ask(client, "GET", address.url, VERIFY_HEADERS, patience)
        if isinstance(reply, str):
            return [*findings, Finding("fail", f"no answer: {reply}")]
        findings += _about_anonymous(reply)
        findings += _about_clock(reply)
        for where in _spellings(address.url):
            path = urlsplit(where).path
            for method, headers in (("GET", VERIFY_HEADERS), ("POST", POLL_HEADERS)):
                reply = await _ask(client, method, where, address.headers(headers), patience)
                name = f"{method} {path}"
                if isinstance(reply, str):
                    findings.append(Finding("fail", f"{name}: {reply}"))
                    continue
                findings += _about_transfer(name, reply, slow)
                judge = _about_verify if method == "GET" else _about_poll
                findings.append(judge(name, reply))
    return findings


def _spellings(url: str) -> list[str]:
    """The address as given, and with the slash at its end added or taken away."""
    parts = urlsplit(url)
    path = parts.path
    other = path.rstrip("/") if path.endswith("/") else f"{path}/"
    return [url, urlunsplit(parts._replace(path=other))]


async def _ask(
    client: httpx2.AsyncClient, method: str, url: str, headers: dict[str, str], patience: float
) -> _Reply | str:
    """The reply, or why there is none. The deadline is for the whole of it, not for each byte."""
    body = _EMPTY_POLL if method == "POST" else None
    start = time.monotonic()
    try:
        # The client's own limit is for one read; a body that trickles would never reach it.
        async with asyncio.timeout(patience):
            response = await client.request(method, url, content=body, headers=headers)
    except TimeoutError:
        return f"not complete within {patience:g} s; a phone waits for ever and polls no more"
    except httpx2.RequestError as error:
        return fault(error)
    seconds = time.monotonic() - start
    return _Reply(response.status_code, response.headers, response.content, seconds)


def _about_address(url: str, address: Address) -> Iterator[Finding]:
    if not urlsplit(url.strip()).path.strip("/"):
        yield Finding("warn", "the address has no path: type it into the phone with /api/sms")
    if address.secure:
        yield Finding("ok", "the way to the server is encrypted")
    elif address.local:
        yield Finding("ok", "plain HTTP, but it does not leave this machine")
    else:
        yield Finding(
            "warn", "plain HTTP: password and messages can be read on the way; use https://"
        )
    if address.authorization is None:
        yield Finding("warn", "no user given: only what a stranger gets can be checked")


def _about_anonymous(reply: _Reply) -> Iterator[Finding]:
    """What somebody without a password gets."""
    if reply.status == 401:
        challenge = reply.headers.get("WWW-Authenticate", "")
        if challenge.lower().startswith("basic"):
            yield Finding("ok", "without a password: 401 with a Basic challenge")
        else:
            yield Finding(
                "fail",
                "401 without a Basic challenge: older Androids break on it; let the proxy pass"
                " WWW-Authenticate on",
            )
    elif 300 <= reply.status <= 399:
        yield Finding("fail", _redirected("GET without a password", reply))
    elif reply.status < 300:
        yield Finding("fail", "it answers without a password: turn authentication on")
    else:
        yield Finding("warn", f"without a password: HTTP {reply.status} where 401 is due")


def _about_clock(reply: _Reply) -> Iterator[Finding]:
    try:
        there = email.utils.parsedate_to_datetime(reply.headers.get("Date", ""))
    except ValueError:
        yield Finding("warn", "no readable Date header, so the clocks cannot be compared")
        return
    if there.tzinfo is None:  # "-0000": UTC without saying so
        there = there.replace(tzinfo=UTC)
    skew = (there - datetime.now(UTC)).total_seconds()
    if abs(skew) > _SKEW:
        side = "ahead of" if skew > 0 else "behind"
        yield Finding(
            "warn",
            f"the server's clock is {abs(skew):.0f} s {side} this machine's: set both by NTP",
        )
    else:
        yield Finding("ok", "the server's clock agrees with this machine's")


def _about_transfer(name: str, reply: _Reply, slow: float) -> Iterator[Finding]:
    """How the body came: in an encoding the phone asked for, and soon."""
    encoding = reply.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("gzip", "identity"):
        yield Finding(
            "fail",
            f"{name}: answered in an encoding no phone asks for; let the proxy compress with gzip"
            " or not at all",
        )
    if reply.seconds > slow:
        yield Finding(
            "warn",
            f"{name}: {reply.seconds:.1f} s to answer; the phone polls nothing else meanwhile",
        )


def _about_verify(name: str, reply: _Reply) -> Finding:
    if 300 <= reply.status <= 399:
        return Finding("fail", _redirected(name, reply))
    refused = read_verification(reply.status, reply.body)
    if refused is None:
        return Finding("ok", f"{name}: the settings screen accepts it")
    return Finding("fail", f"{name}: {refused.why}")


def _about_poll(name: str, reply: _Reply) -> Finding:
    if 300 <= reply.status <= 399:
        why = (
            "; the phone asks again by GET, reads 200 and counts its messages as delivered: they"
            " are lost in silence. Take the redirect out of the proxy, or give the phone the final"
            " address"
        )
        return Finding("fail", _redirected(name, reply) + why)
    if not 200 <= reply.status <= 299:
        refused = "the server refuses this user or password; "
        why = f"{refused if reply.status == 401 else ''}the phone repeats the batch for ever"
        return Finding("fail", f"{name}: HTTP {reply.status}; {why}")
    document = read_json(reply.body)
    if not isinstance(document, dict):
        return Finding(
            "fail",
            f"{name}: HTTP {reply.status} whose body is no JSON object; the phone repeats the batch"
            " for ever",
        )
    offered = document.get("messages")
    if not isinstance(offered, list):
        return Finding("fail", f"{name}: no `messages` array in the answer; is this smsgate?")
    if reply.status != 200:
        return Finding("warn", f"{name}: HTTP {reply.status} where 200 is due")
    note = f"; {len(offered)} offered, the phone gets them again at its next poll"
    return Finding("ok", f"{name}: a poll is answered{note if offered else ''}")


def _redirected(name: str, reply: _Reply) -> str:
    """Names where to, without user, password or query."""
    try:
        target = urlsplit(reply.headers.get("Location", ""))
        where = urlunsplit((target.scheme, target.netloc.rpartition("@")[2], target.path, "", ""))
    except ValueError:
        where = ""
    return f"{name}: redirected with HTTP {reply.status}" + (f" to {where}" if where else "")
