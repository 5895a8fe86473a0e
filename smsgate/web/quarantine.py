"""`/api/v1/quarantine`: what could not be taken in, and its way back."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate import setaside
from smsgate.jsontext import storable
from smsgate.setaside import Refusal, Refused, Resolution
from smsgate.store import quarantine
from smsgate.web import body
from smsgate.web.auth import caller
from smsgate.web.messages import VIEW, cursor_of, limit_of
from smsgate.web.problems import Problem

_STATUS = {Refused.UNKNOWN: 404, Refused.RESOLVED: 409, Refused.UNREADABLE: 422}
_STATUSES = (quarantine.WAITING, quarantine.REPLAYED, quarantine.DISCARDED)
_MENDABLE = frozenset({"id", "from", "content"})


async def list_(request: Request) -> Response:
    """Items that wait for a decision, newest first; `?status=` shows those decided on."""
    who = await caller(request, VIEW)
    status = request.query_params.get("status", quarantine.WAITING)
    if status not in _STATUSES:
        raise Problem(400, "status must be one of " + ", ".join(_STATUSES))
    limit = limit_of(request)
    async with who.services.store.read() as connection:
        rows = await quarantine.page(
            connection,
            status=status,
            before=cursor_of(request),
            limit=limit + 1,
        )
    cursor = rows[limit - 1]["id"] if len(rows) > limit else None
    return JSONResponse({"data": [setaside.shown(row) for row in rows[:limit]], "cursor": cursor})


async def replay(request: Request) -> Response:
    """Take an item in again; a JSON body may mend its `id`, `from` or `content` first."""
    who = await caller(request, VIEW, "can_edit")
    changes = await _changes(request)
    outcome = await who.services.store.write(
        setaside.Replay(
            item_id=storable(request.path_params["id"]),
            changes=changes,
            programme=who.programme,
            by=who.account.name,
            at=who.at,
        )
    )
    return _answer(outcome)


async def discard(request: Request) -> Response:
    """Close an item without taking it in; the body must say why: `{"reason": "…"}`."""
    who = await caller(request, VIEW, "can_edit")
    given = await body.read_json_object(request, body.SMS_LIMIT)
    reason = given.get("reason")
    if not isinstance(reason, str) or not reason.strip():
        raise Problem(400, 'Say why in the body: {"reason": "…"}')
    outcome = await who.services.store.write(
        setaside.Discard(
            item_id=storable(request.path_params["id"]),
            reason=reason.strip(),
            by=who.account.name,
            at=who.at,
        )
    )
    return _answer(outcome)


async def _changes(request: Request) -> dict[str, Any]:
    raw = await body.read(request, body.SMS_LIMIT)
    if not raw.strip():
        return {}
    value = body.parse_object(raw)
    unknown = sorted(value.keys() - _MENDABLE)
    if unknown:
        raise Problem(400, "Only id, from and content can be changed", details=unknown)
    return value


def _answer(outcome: Resolution | Refusal) -> Response:
    if isinstance(outcome, Refusal):
        raise Problem(_STATUS[outcome.kind], "The item was left as it is", details=outcome.reason)
    item = setaside.shown(outcome.item)
    if outcome.inbound_id is not None:
        item["duplicate"] = outcome.duplicate
    return JSONResponse(item)
