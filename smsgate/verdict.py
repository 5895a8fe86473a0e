"""What became of one attempt to hand a message over: pure, from the reply to what it means.

And what that means for the route: a service that does not answer is left alone for a while, and so
is one whose account is in trouble.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from smsgate.aggregators.base import Accepted, Answer, Outcome, Refused, Unclear, Unready
from smsgate.message import State
from smsgate.store.routes import RouteRow
from smsgate.transport import Forbidden, NotSent, Reply

# Svix's ladder, less its last step: messages expire after three days.
BACK_OFF: Final = (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
LONGEST_WAIT: Final = 86_400.0
TRIPS_AFTER: Final = 5  # faults in a row
_DOWN, _LONGEST_DOWN = timedelta(seconds=15), timedelta(minutes=5)
_TROUBLE, _LONGEST_TROUBLE = timedelta(minutes=5), timedelta(hours=1)
_LONGEST_STATUS: Final = 200
OURS: Final = "smsgate"  # who pauses a route that no person paused


class End(StrEnum):
    """How an attempt ended, as stored and counted."""

    OK = "ok"
    REFUSED = "refused"
    RETRY = "retry"
    PAUSED = "paused"
    UNKNOWN = "unknown"


class Health(StrEnum):
    """What an attempt says of its route."""

    UP = "up"
    DOWN = "down"
    TROUBLE = "trouble"  # an operator must act
    HOLD = "hold"  # they asked for a while without requests
    SILENT = "silent"  # nothing


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one attempt came to.

    Attributes:
        end: How it ended.
        state: Where the message goes from here.
        status: Why, in their words or in one of ours.
        health: What it says of the route.
        after: Seconds they want us to wait, with this message or (`HOLD`) with all.
        reference: Their id for the message.
        cost: What they charge, in their words.
        parts: How many parts they count.
    """

    end: End
    state: State
    status: str
    health: Health = Health.UP
    after: float | None = None
    reference: str | None = None
    cost: str | None = None
    parts: int | None = None


def of_unready(unready: Unready) -> Verdict:
    """The verdict where nothing could be asked."""
    return Verdict(End.PAUSED, State.PENDING, unready.reason, Health.TROUBLE)


def of_reply(reply: Reply, interpret: Callable[[Answer], Outcome], now: datetime) -> Verdict:
    """The verdict on what came back.

    Args:
        reply: an answer, or why there is none.
        interpret: the aggregator's reading of an answer.
        now: the time, for a `Retry-After` that is a date.
    """
    if isinstance(reply, NotSent):
        return Verdict(End.RETRY, State.PENDING, reply.reason, Health.DOWN)
    if isinstance(reply, Forbidden):
        return Verdict(End.PAUSED, State.PENDING, reply.reason, Health.TROUBLE)
    if isinstance(reply, Answer):
        verdict = _of_outcome(interpret(reply), reply, now)
        return replace(verdict, status=verdict.status[:_LONGEST_STATUS])
    return Verdict(End.UNKNOWN, State.UNKNOWN, reply.reason, Health.DOWN)


def _of_outcome(outcome: Outcome, answer: Answer, now: datetime) -> Verdict:
    health = Health.DOWN if answer.status >= 500 else Health.UP
    if isinstance(outcome, Accepted):
        return Verdict(
            End.OK,
            outcome.state,
            outcome.status,
            Health.UP,
            reference=outcome.reference,
            cost=outcome.cost,
            parts=outcome.parts,
        )
    if isinstance(outcome, Unclear):
        silent = Health.SILENT if health is Health.UP else health
        return Verdict(End.UNKNOWN, State.UNKNOWN, outcome.status, silent)
    reference = outcome.reference
    if outcome.pause:
        return Verdict(
            End.PAUSED, State.PENDING, outcome.status, Health.TROUBLE, reference=reference
        )
    if not outcome.retry:
        return Verdict(End.REFUSED, outcome.state, outcome.status, health, reference=reference)
    after = _asked_to_wait(outcome, answer, now)
    if after is not None and answer.status in (429, 503):
        health = Health.HOLD
    return Verdict(End.RETRY, State.PENDING, outcome.status, health, after, reference=reference)


def _asked_to_wait(refused: Refused, answer: Answer, now: datetime) -> float | None:
    after = refused.after if refused.after is not None else answer.retry_after
    if after is None:
        after = _until_date(answer.headers.get("retry-after", ""), now)
    return None if after is None or after <= 0 else min(after, LONGEST_WAIT)


def _until_date(text: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):  # each of them for odd texts
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - now).total_seconds()


def wait(verdict: Verdict, refusals: int, jitter: float) -> timedelta:
    """How long a message waits before its next attempt.

    Args:
        verdict: on the attempt that was made.
        refusals: how often it was refused for now before.
        jitter: from 0 to 1; spreads out what failed together.
    """
    if verdict.after is not None:
        return timedelta(seconds=verdict.after * (1 + jitter / 10))
    step = BACK_OFF[min(refusals, len(BACK_OFF) - 1)]
    return timedelta(seconds=step * (0.8 + 0.4 * jitter))


def after(row: RouteRow, verdict: Verdict, *, begun: datetime, now: datetime) -> RouteRow:
    """What is known of a route after one attempt.

    What was under way when it was paused says nothing new; a person's pause ends by a person.

    Args:
        row: what was known before.
        verdict: on the attempt.
        begun: when it was claimed.
        now: when it ended.
    """
    if verdict.health is Health.SILENT or (row.paused_at is not None and begun <= row.paused_at):
        return row
    if verdict.health is Health.UP:
        opened = opened_again(row) if row.paused_until is not None else row
        return replace(opened, failures=0)
    if verdict.health is Health.HOLD:
        held = timedelta(seconds=verdict.after or 0)
        return _shut(row, now, now + held, f"asked to wait: {verdict.status}")
    failures = row.failures + 1
    if verdict.health is Health.TROUBLE:
        failures = max(failures, TRIPS_AFTER)
        until = now + _ladder(_TROUBLE, failures, _LONGEST_TROUBLE)
        return replace(_shut(row, now, until, verdict.status), failures=failures)
    if failures < TRIPS_AFTER:
        return replace(row, failures=failures)
    until = now + _ladder(_DOWN, failures, _LONGEST_DOWN)
    return replace(_shut(row, now, until, f"no answer: {verdict.status}"), failures=failures)


def _shut(row: RouteRow, now: datetime, until: datetime, reason: str) -> RouteRow:
    if row.paused_at is not None and row.paused_until is None:
        return row
    return replace(
        row,
        # Kept over the tries in between, so that it says for how long nothing has gone out.
        paused_at=row.paused_at or now,
        paused_until=until,
        paused_by=OURS,
        reason=reason,
    )


def opened_again(row: RouteRow) -> RouteRow:
    """The route, open."""
    return replace(row, paused_at=None, paused_until=None, paused_by=None, reason=None, failures=0)


def _ladder(first: timedelta, failures: int, longest: timedelta) -> timedelta:
    doubled: int = 1 << min(failures - TRIPS_AFTER, 16)
    return min(first * doubled, longest)
