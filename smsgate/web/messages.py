"""`/api/v1/messages`: put messages in the queue, and see where each one is."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate import jsontext, sending
from smsgate.clock import from_iso
from smsgate.jsontext import storable
from smsgate.message import State
from smsgate.outbox import attempt_of
from smsgate.store import inbound, pushing, told
from smsgate.store.idempotency import Claim
from smsgate.web import body
from smsgate.web.auth import caller
from smsgate.web.problems import Problem

VIEW = "can_view_messages"
SEND = "can_send_messages"
_MOST = 200
_LIMIT = re.compile(r"[0-9]{1,3}\Z")
_LONGEST_KEY = 255


async def send(request: Request) -> Response:
    """Put one message or a list in the queue: all of them or none."""
    body.require_json(request)
    who = await caller(request, SEND)
    raw = await body.read(request, body.SMS_LIMIT)
    value = body.parse(raw)
    made = sending.read_request(value, programme=who.programme, by=who.account.name, at=who.at)
    if isinstance(made, sending.Faults):
        raise Problem(400, "The message cannot be taken", details=list(made.lines))
    most_parts = who.programme.most_parts
    strangers = {m.gateway for m in made if m.gateway and not who.services.accounts.has(m.gateway)}
    if strangers:  # such a message would wait for a phone that never comes
        lines = [f"gateway: there is no account {name!r}" for name in sorted(strangers)]
        raise Problem(400, "The message cannot be taken", details=lines)
    rows = [sending.preview(message, most_parts=most_parts) for message in made]
    outcome = await who.services.store.write(
        sending.Enqueue(
            messages=made,
            answer=jsontext.write(rows if isinstance(value, list) else rows[0]),
            by=who.account.name,
            at=who.at,
            claim=idempotency_claim(request, who.account.name, raw),
            most_parts=most_parts,
        )
    )
    if outcome.misused:
        raise Problem(422, "This Idempotency-Key was used with another request body")
    return Response(outcome.answer, outcome.status, media_type="application/json; charset=utf-8")


def idempotency_claim(request: Request, account: str, raw: bytes) -> Claim | None:
    """The claim that an `Idempotency-Key` header makes, None where there is none.

    Raises:
        Problem: 400 for a key that is empty or too long.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= _LONGEST_KEY:
        raise Problem(400, f"Idempotency-Key must have 1 to {_LONGEST_KEY} characters")
    return Claim.of(account, key, request.url.path, raw)


async def show(request: Request) -> Response:
    """One message with its whole story."""
    who = await caller(request, VIEW)
    message_id, _ = attempt_of(storable(request.path_params["id"]))
    async with who.services.store.read() as connection:
        row = await told.get(connection, message_id)
        if row is not None:
            stories = await told.history(connection, [message_id])
            attempts = (await pushing.attempts_of(connection, [message_id]))[message_id]
            return JSONResponse(sending.story(row, stories[message_id], attempts))
        arrived = await inbound.get(connection, message_id)
    if arrived is None:
        raise Problem(404, "Message not found")
    return JSONResponse(sending.arrival_story(arrived))


async def list_(request: Request) -> Response:
    """Messages, newest first, a page at a time."""
    who = await caller(request, VIEW)
    wanted = _filters(request)
    async with who.services.store.read() as connection:
        found = await _page(connection, **wanted)
    limit = wanted["limit"]
    cursor = found[limit - 1]["id"] if len(found) > limit else None
    return JSONResponse({"data": found[:limit], "cursor": cursor})


async def _page(
    connection: Any,
    *,
    direction: str | None,
    state: str | None,
    to: str | None,
    since: datetime | None,
    before: str | None,
    limit: int,
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if direction != "inbound" and state != "received":
        rows = await told.page(
            connection, state=state, to=to, since=since, before=before, limit=limit + 1
        )
        stories = await told.history(connection, [row["id"] for row in rows])
        found += [sending.story(row, stories[row["id"]]) for row in rows]
    if direction != "outbound" and to is None and state in (None, "received"):
        rows = await inbound.page(connection, before=before, since=since, limit=limit + 1)
        found += [sending.arrival_story(row) for row in rows]
    # Ids sort by age in both tables, so one cursor serves both.
    return sorted(found, key=lambda shown: shown["id"], reverse=True)


def _filters(request: Request) -> dict[str, Any]:
    query = request.query_params
    direction = query.get("direction")
    if direction not in (None, "inbound", "outbound"):
        raise Problem(400, "direction must be inbound or outbound")
    state = query.get("state")
    if state is not None and state != "received" and state not in list(State):
        raise Problem(400, "state must be one of " + ", ".join([*State, "received"]))
    since = from_iso(query["since"]) if "since" in query else None
    if "since" in query and since is None:
        raise Problem(400, "since must be an ISO 8601 time")
    return {
        "direction": direction,
        "state": state,
        "to": storable(query["to"]) if "to" in query else None,
        "since": since,
        "before": cursor_of(request),
        "limit": limit_of(request),
    }


def cursor_of(request: Request) -> str | None:
    """The `?cursor=` to go on from; None where there is none."""
    cursor = request.query_params.get("cursor")
    return None if cursor is None else storable(cursor)


def limit_of(request: Request) -> int:
    """The page size that `?limit=` asks for, 50 by default.

    Raises:
        Problem: 400 where it is no number from 1 to 200.
    """
    text = request.query_params.get("limit", "50")
    if not _LIMIT.match(text) or not 1 <= int(text) <= _MOST:
        raise Problem(400, f"limit must be a number from 1 to {_MOST}")
    return int(text)
