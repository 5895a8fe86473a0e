"""Who is asking, and may they: Basic credentials as phones and scripts send them."""

from __future__ import annotations

import base64
import binascii
import functools
import ipaddress
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import unquote_to_bytes

import msgspec
from starlette.requests import Request

from smsgate.accounts import Account
from smsgate.programme import Programme
from smsgate.web.headers import header
from smsgate.web.problems import Problem, prefers_json
from smsgate.web.services import Services, services_of

CHALLENGE = 'Basic realm="smsgate", charset="UTF-8"'
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")
# Clients of the CHT look for this to know that they must sign in again.
LOGGED_OUT = {"logout-authorization": "CHT-Core API", "WWW-Authenticate": CHALLENGE}


class Caller(msgspec.Struct, frozen=True):
    """Who asks, under which settings, and when."""

    account: Account
    programme: Programme
    at: datetime
    services: Services
    revisions: Mapping[str, int]


async def caller(request: Request, *permissions: str, exact: bool = True) -> Caller:
    """Let the request in.

    Args:
        request: the request.
        permissions: what the account must be allowed.
        exact: see `Store.revisions`.

    Raises:
        Problem: 401 without a right name and password; 403 without every one of `permissions`, or
            for credentials sent in the clear from another host.
    """
    services = services_of(request)
    revisions = await (services.store.revisions() if exact else services.looks.current())
    programme = await services.programmes.current(revisions)
    shown = header(request, b"authorization")
    if shown:
        _refuse_clear_text(request, services)
    account = await services.accounts.authenticate(shown, credentials, revisions)
    if account is None:
        services.tally.auth_failures["password" if shown else "no_credentials"] += 1
        text = "unauthorized" if prefers_json(header(request, b"accept")) else "not logged in"
        raise Problem(401, text, headers=LOGGED_OUT)
    if not programme.permissions.allow(account.roles, *permissions):
        services.tally.auth_failures["permission"] += 1
        raise Problem(403, "Insufficient privileges")
    return Caller(account, programme, services.clock(), services, revisions)


def credentials(shown: str) -> list[tuple[str, str]]:
    """Every (name, password) that an `Authorization` header can mean, likeliest first.

    Phones percent-encode the password and some send ISO-8859-1, so each reading is a candidate
    (decision 6). The split is at the first colon.
    """
    scheme, _, encoded = shown.partition(" ")
    if scheme.lower() != "basic":
        return []
    try:
        raw = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return []
    name, colon, password = raw.partition(b":")
    if not colon:
        return []
    candidates: dict[tuple[str, str], None] = {}
    for pair in ((name, password), (unquote_to_bytes(name), unquote_to_bytes(password))):
        for charset in ("utf-8", "iso-8859-1"):
            try:
                candidates[pair[0].decode(charset), pair[1].decode(charset)] = None
            except UnicodeDecodeError:
                continue
            break
    return list(candidates)


def _refuse_clear_text(request: Request, services: Services) -> None:
    if request.scope["scheme"] == "https" or services.settings.allow_http or _is_local(request):
        return
    services.tally.auth_failures["clear_text"] += 1
    raise Problem(
        403, "Use HTTPS, or start smsgate with SMSGATE_ALLOW_HTTP=1 on a network you trust"
    )


def is_at_home(request: Request) -> bool:
    """Whether a request comes from a program on this machine, and not through a proxy on it."""
    return _is_local(request) and not any(header(request, name) for name in _FORWARDED)


def _is_local(request: Request) -> bool:
    client = request.scope.get("client")
    return client is not None and _is_loopback(client[0])


@functools.lru_cache(maxsize=4096)
def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a Unix socket has no address, and no network in between
        return True
