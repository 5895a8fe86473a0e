"""`/api/v1/consent`: who wants no more messages, for operators to see and to correct."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate import phone
from smsgate.clock import to_iso
from smsgate.consenting import PutConsent
from smsgate.jsontext import storable
from smsgate.optout import Wish
from smsgate.store import consent
from smsgate.web import body
from smsgate.web.auth import caller
from smsgate.web.messages import SEND, VIEW, cursor_of, limit_of
from smsgate.web.problems import Problem


async def list_(request: Request) -> Response:
    """The list by number; `?state=allowed` shows who took it back."""
    who = await caller(request, VIEW)
    state = request.query_params.get("state", Wish.STOP)
    if state not in list(Wish):
        raise Problem(400, "state must be one of " + ", ".join(Wish))
    limit = limit_of(request)
    async with who.services.store.read() as connection:
        rows = await consent.page(
            connection, states=[state], before=cursor_of(request), limit=limit + 1
        )
    cursor = rows[limit - 1]["number"] if len(rows) > limit else None
    return JSONResponse({"data": [_shown(row) for row in rows[:limit]], "cursor": cursor})


async def put(request: Request) -> Response:
    """Set what a number's owner wants: `{"state": "stopped"}` or `"allowed"`."""
    who = await caller(request, SEND)
    given = await body.read_json_object(request, body.SMS_LIMIT)
    state = given.get("state")
    if state not in list(Wish) or len(given) > 1:
        raise Problem(400, 'Say which: {"state": "stopped"} or {"state": "allowed"}')
    rules = who.programme.reading
    number = phone.e164(
        storable(request.path_params["number"]), rules.default_country_code, rules.phone_validation
    )
    if number is None:
        raise Problem(400, "This is not a valid phone number here")
    store = who.services.store
    await store.write(PutConsent(number, Wish(state), by=who.account.name, at=who.at))
    async with store.read() as connection:
        row = await consent.get(connection, number)
    if row is None:  # allowed all along
        return JSONResponse({"number": number, "state": state, "since": None, "source": None})
    return JSONResponse(_shown(row))


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "number": row["number"],
        "state": row["state"],
        "since": to_iso(row["since"]),
        "source": row["source"],
    }
