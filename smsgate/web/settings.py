"""`/api/v1/settings`: the settings document (REST specification section 2)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate.document import Mode
from smsgate.programme import PutSettings
from smsgate.web import body
from smsgate.web.auth import caller
from smsgate.web.problems import Problem

_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no", ""})


async def show(request: Request) -> Response:
    """The document in force, for any account."""
    who = await caller(request)
    return JSONResponse(who.programme.document)


async def put(request: Request) -> Response:
    """Merge, replace or overwrite; in effect on the next request."""
    body.require_json(request)
    who = await caller(request, "can_edit", "can_configure")
    document = await body.read_json_object(request, body.SETTINGS_LIMIT)
    changed = await who.services.store.write(
        PutSettings(document=document, mode=_mode(request), by=who.account.name, at=who.at)
    )
    warnings = await who.services.programmes.warnings_now() if changed else []
    answer = {"success": True, "updated": changed, "upgraded": changed}
    return JSONResponse({**answer, "warnings": warnings} if warnings else answer)


def _mode(request: Request) -> Mode:
    if _flag(request, "overwrite"):
        return Mode.OVERWRITE
    return Mode.REPLACE if _flag(request, "replace") else Mode.MERGE


def _flag(request: Request, name: str) -> bool:
    word = request.query_params.get(name, "").strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Problem(400, f"{name} must be true or false")
