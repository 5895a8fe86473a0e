"""One attempt to hand a message over: the aggregator's questions around one request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from smsgate import log
from smsgate.aggregators.base import (
    Aggregator,
    Answer,
    Options,
    Outcome,
    Push,
    Secret,
    Unclear,
    Unready,
)
from smsgate.claiming import Claimed
from smsgate.clock import Clock
from smsgate.message import State
from smsgate.routing import Route
from smsgate.transport import Transport
from smsgate.verdict import End, Health, Verdict, of_reply, of_unready

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Way:
    """A route with all that it takes to go there."""

    route: Route
    options: Options
    secret: Secret | Unready | None
    transport: Transport


async def attempt(way: Way, claimed: Claimed, left: asyncio.Event, clock: Clock) -> Verdict:
    """Ask the aggregator to send a message; a fault of its code is an outcome as well.

    Args:
        way: where to.
        claimed: the message.
        left: set as soon as a byte may have left, for a caller that may be cancelled.
        clock: what time it is.
    """
    if isinstance(way.secret, Unready):
        return of_unready(way.secret)
    aggregator = way.route.aggregator
    push = Push(
        claimed.reference,
        claimed.recipient,
        claimed.text,
        claimed.segments,
        claimed.expires_at,
        clock(),
    )
    try:
        ask = aggregator.compose(push, way.secret, way.options)
    except Exception as error:
        logger.error("compose failed", route=claimed.route, exc_info=error)
        return of_unready(Unready(f"the aggregator's code failed: {type(error).__name__}"))
    if isinstance(ask, Unready):
        return of_unready(ask)
    reply = await way.transport.ask(ask, left=left)
    return of_reply(reply, lambda answer: _interpreted(aggregator, answer), clock())


def _interpreted(aggregator: Aggregator, answer: Answer) -> Outcome:
    try:
        return aggregator.interpret(answer)
    except Exception as error:
        logger.error("interpret failed", aggregator=aggregator.name, exc_info=error)
        return Unclear(f"the aggregator's code failed: {type(error).__name__}")


def broken_off(reason: str, left: asyncio.Event) -> Verdict:
    """The verdict on an attempt that did not come to its end here."""
    if left.is_set():
        return Verdict(End.UNKNOWN, State.UNKNOWN, reason, Health.SILENT)
    return Verdict(End.PAUSED, State.PENDING, reason, Health.SILENT)
