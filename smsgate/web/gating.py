"""`/api/v1/routes`: the ways out to aggregators, and pausing them."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate import gating
from smsgate.clock import to_iso
from smsgate.gating import LONGEST_REASON, Gate, Shown
from smsgate.jsontext import storable
from smsgate.store import routes
from smsgate.web import body
from smsgate.web.auth import Caller, caller
from smsgate.web.messages import VIEW
from smsgate.web.problems import Problem

CONFIGURE = "can_configure"


async def list_(request: Request) -> Response:
    """Every way out: whether messages go by it, and why if they do not."""
    who = await caller(request, VIEW)
    return JSONResponse({"data": [_shown(one) for one in await _known(who)]})


async def pause(request: Request) -> Response:
    """Let nothing through until somebody resumes it; `{"reason": "…"}` is shown meanwhile."""
    who = await caller(request, CONFIGURE)
    raw = await body.read(request, body.SMS_LIMIT)
    given = body.parse(raw) if raw.strip() else {}
    reason = given.get("reason") if isinstance(given, dict) else given
    if reason is not None and (not isinstance(reason, str) or len(reason) > LONGEST_REASON):
        raise Problem(400, f"reason must be a text of at most {LONGEST_REASON} characters")
    return await _order(who, request, paused=True, reason=storable(reason) if reason else None)


async def resume(request: Request) -> Response:
    """Let messages through again, whoever or whatever paused it."""
    return await _order(await caller(request, CONFIGURE), request, paused=False)


async def _order(
    who: Caller, request: Request, *, paused: bool, reason: str | None = None
) -> Response:
    shown = {one.row.name: one for one in await _known(who)}
    name = request.path_params["name"]
    if name not in shown:
        raise Problem(404, "There is no such route", details=sorted(shown))
    row = await who.services.store.write(Gate(name, paused, who.account.name, who.at, reason))
    return JSONResponse(_shown(Shown(row, shown[name].in_use)))


async def _known(who: Caller) -> list[Shown]:
    async with who.services.store.read() as connection:
        rows = await routes.all_of_them(connection)
    return gating.known(who.programme, who.services.aggregators, rows)


def _shown(one: Shown) -> dict[str, Any]:
    row = one.row
    return {
        "name": row.name,
        "in_use": one.in_use,
        "paused": row.paused_at is not None,
        "since": to_iso(row.paused_at) if row.paused_at else None,
        "tries_again": to_iso(row.paused_until) if row.paused_until else None,
        "by": row.paused_by,
        "reason": row.reason,
        "failures": row.failures,
    }
