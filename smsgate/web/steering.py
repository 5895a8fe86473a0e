"""`/api/v1/messages/…/retry|cancel|mute|unmute` and `/bulk`: what people ask of the queue."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate import sending, steering
from smsgate.clock import from_iso
from smsgate.jsontext import storable
from smsgate.message import State
from smsgate.outbox import attempt_of
from smsgate.states import Order
from smsgate.steering import Steer, Terms
from smsgate.store import pushing, told
from smsgate.store.steering import Filter
from smsgate.web import body
from smsgate.web.auth import Caller, caller
from smsgate.web.messages import SEND
from smsgate.web.problems import Problem

_MOST = 5000  # what is done well within the time a request has
_FILTER = frozenset({"state", "to", "gateway", "since", "until"})


async def retry(request: Request) -> Response:
    """Open a new attempt for a message that came to an end without being sent."""
    return await _one(request, Order.RETRY)


async def cancel(request: Request) -> Response:
    """Do not send a message that waits."""
    return await _one(request, Order.CANCEL)


async def mute(request: Request) -> Response:
    """Hold back a message that waits."""
    return await _one(request, Order.MUTE)


async def unmute(request: Request) -> Response:
    """Let a message go on that was held back."""
    return await _one(request, Order.UNMUTE)


async def _one(request: Request, order: Order) -> Response:
    who = await caller(request, SEND)
    message_id, _ = attempt_of(storable(request.path_params["id"]))
    store = who.services.store
    obeyed = await store.write(
        Steer(order=order, ids=[message_id], by=who.account.name, at=who.at, terms=_terms(who))
    )
    async with store.read() as connection:
        row = await told.get(connection, message_id)
        stories = await told.history(connection, [message_id])
        attempts = await pushing.attempts_of(connection, [message_id])
    if row is None:
        raise Problem(404, "Message not found")
    if not obeyed.moved:
        raise Problem(409, "The message was left as it is", details=obeyed.refused[message_id])
    return JSONResponse(sending.story(row, stories[message_id], attempts[message_id]))


async def bulk(request: Request) -> Response:
    """Give an order to every message a filter finds; only counts them unless told otherwise."""
    who = await caller(request, SEND)
    asked = await body.read_json_object(request, body.SMS_LIMIT)
    unknown = sorted(asked.keys() - {"action", "filter", "dry_run"})
    if unknown:
        raise Problem(400, "Only action, filter and dry_run are known", details=unknown)
    action = asked.get("action")
    if action not in list(Order):
        raise Problem(400, "action must be one of " + ", ".join(Order))
    order = Order(action)
    wanted = _filter(asked.get("filter"))
    dry_run = asked.get("dry_run", True)
    if not isinstance(dry_run, bool):
        raise Problem(400, "dry_run must be true or false")
    found = await steering.survey(who.services.store, order, wanted)
    answer = {"action": order, "dry_run": dry_run, "found": found.states}
    if dry_run:
        return JSONResponse({**answer, "would_move": found.would_move})
    done = await steering.steer_all(
        who.services.store,
        order,
        wanted,
        by=who.account.name,
        at=who.at,
        terms=_terms(who),
        most=_MOST,
    )
    return JSONResponse({**answer, "moved": done.moved, "refused": done.refused, "more": done.more})


def _terms(who: Caller) -> Terms:
    return Terms.of(who.programme)


def _filter(value: Any) -> Filter:
    if not isinstance(value, dict) or not value:
        raise Problem(400, "filter must be an object that names at least one condition")
    unknown = sorted(value.keys() - _FILTER)
    if unknown:
        raise Problem(
            400, "filter may have " + ", ".join(sorted(_FILTER)), details=storable(str(unknown))
        )
    states = value.get("state", [])
    states = [states] if isinstance(states, str) else states
    if not isinstance(states, list) or any(state not in list(State) for state in states):
        raise Problem(400, "filter.state must be one of " + ", ".join(State) + ", or a list")
    return Filter(
        states=states,
        to=_text(value, "to"),
        gateway=_text(value, "gateway"),
        since=_time(value, "since"),
        until=_time(value, "until"),
    )


def _text(value: Mapping[str, Any], key: str) -> str | None:
    text = value.get(key)
    if text is not None and not isinstance(text, str):
        raise Problem(400, f"filter.{key} must be a text")
    return None if text is None else storable(text)


def _time(value: Mapping[str, Any], key: str) -> datetime | None:
    text = _text(value, key)
    moment = None if text is None else from_iso(text)
    if text is not None and moment is None:
        raise Problem(400, f"filter.{key} must be an ISO 8601 time")
    return moment
