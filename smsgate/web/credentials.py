"""`/api/v1/credentials`: secrets of aggregators, put and never shown (protocol section 9.6)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate.aggregators.base import Secret
from smsgate.aggregators.registry import AggregatorRegistry, installed
from smsgate.clock import to_iso
from smsgate.credentials import (
    KEEP,
    LONGEST_NAME,
    Listed,
    PutCredential,
    expected,
    listed,
    spellings,
)
from smsgate.permissions import ADMIN
from smsgate.sealing import Unusable
from smsgate.web import body
from smsgate.web.auth import Caller, caller
from smsgate.web.problems import Problem

# What the CHT reads as text; of any other type it sees no body.
_TEXT: Final = frozenset({"text/plain", "text/csv", "application/xml"})
_LIMIT: Final = 64 * body.KIB
_LONGEST_KEEP: Final = 24.0 * 366
_OFFLINE: Final = {
    "code": 403,
    "error": "forbidden",
    "details": "Offline users are not allowed access to this endpoint",
}


async def put(request: Request) -> Response:
    """Store the body, verbatim, under the key in the path."""
    who = await caller(request)
    if not who.programme.permissions.online(who.account.roles):
        return JSONResponse(_OFFLINE, 403)
    secret = await _secret(request)
    _require_admin(who)
    names = spellings(_key(request), _aggregators(who))
    stored = await who.services.store.write(
        PutCredential(
            names=names,
            secret=secret,
            sealer=who.services.vault.sealer,
            by=who.account.name,
            at=who.at,
            keep=_keep(request),
        )
    )
    if isinstance(stored, Unusable):
        raise Problem(503, stored.reason)
    return JSONResponse({"ok": True})


async def list_(request: Request) -> Response:
    """Which credentials there are and which are missing; no value, ever."""
    who = await caller(request)
    _require_admin(who)
    async with who.services.store.read() as connection:
        known = await listed(connection, who.services.vault.sealer, now=who.at)
    missing = expected(_aggregators(who)) - {one.key for one in known}
    shown = {one.key: _shown(one) for one in known}
    shown |= {key: {**_shown(Listed(key)), "has_secret": False} for key in missing}
    return JSONResponse({"data": [shown[key] for key in sorted(shown)]})


def _aggregators(who: Caller) -> AggregatorRegistry:
    """Those that are installed and those that the settings describe."""
    return installed().described(who.programme.options().own)


def _shown(one: Listed) -> dict[str, object]:
    return {
        "key": one.key,
        "has_secret": True,
        "opens": one.opens,
        "since": to_iso(one.since) if one.since else None,
        "by": one.by,
        "former_valid_until": to_iso(one.former_until) if one.former_until else None,
    }


def _require_admin(who: Caller) -> None:
    if not who.account.roles & ADMIN:
        who.services.tally.auth_failures["permission"] += 1
        raise Problem(403, "Insufficient permissions")


async def _secret(request: Request) -> Secret:
    raw = b""
    if body.media_type(request) in _TEXT:
        raw = await body.read(request, _LIMIT)
    if not raw:
        raise Problem(400, "Missing required request body")
    try:
        return Secret(raw.decode())
    except UnicodeDecodeError:
        raise Problem(400, "The request body must be text in UTF-8") from None


def _key(request: Request) -> str:
    key: str = request.path_params["key"]
    # What was no UTF-8 comes with the sign for that.
    if len(key) > LONGEST_NAME or not key.isprintable() or "\ufffd" in key:
        raise Problem(400, f"A key has {LONGEST_NAME} printable characters at most")
    return key


def _keep(request: Request) -> timedelta:
    given = request.query_params.get("keep_hours")
    if given is None:
        return KEEP
    try:
        hours = float(given)
    except ValueError:
        hours = -1.0
    if not 0 <= hours <= _LONGEST_KEEP:  # also refuses NaN
        raise Problem(400, f"keep_hours must be a number from 0 to {_LONGEST_KEEP:.0f}")
    return timedelta(hours=hours)
