"""Time passing: messages fall due, wait for the recipient's morning, expire, are tried again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from smsgate import states
from smsgate.message import State
from smsgate.optout import OPTED_OUT, OptedOut
from smsgate.outbox import end, entry
from smsgate.programme import Programme
from smsgate.rules import QueueRules
from smsgate.store import outbox as store
from smsgate.store.transact import Connection
from smsgate.tally import note_moved

Row = dict[str, Any]

SWEEP = 500
# Scheduled messages older than this are not sent any more (`spec/sms-protocol.md` §7.3).
LOOK_BACK = timedelta(days=7)
_EXPIRES_AFTER = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Pace:
    """What the passing of time goes by."""

    rules: QueueRules = field(default_factory=QueueRules)
    expires_after: timedelta = _EXPIRES_AFTER
    opted_out: OptedOut = field(default_factory=OptedOut)

    @classmethod
    def of(cls, programme: Programme) -> Pace:
        """The pace of the settings in force."""
        return cls(programme.queue, programme.expires_after, programme.opted_out)


async def any_to_sweep(connection: Connection, *, now: datetime, pace: Pace) -> bool:
    """Whether `sweep` would find anything; reads only."""
    window = pace.rules.window
    if (window is None or window.holds(now)) and await store.due_ids(connection, now, 1):
        return True
    return bool(await store.expired_ids(connection, now, 1))


async def sweep(connection: Connection, *, now: datetime, pace: Pace | None = None) -> int:
    """Make due what is due and end what may no longer be sent; at most `SWEEP` of each.

    Returns:
        How many messages changed; call again while that is not 0.
    """
    pace = pace or Pace()
    window = pace.rules.window
    due: Sequence[str] = ()
    if window is None or window.holds(now):
        due = await store.due_ids(connection, now, SWEEP)
    changed = await _fall_due(connection, due, now, pace) if due else 0
    late = await store.expired_ids(connection, now, SWEEP)
    return changed + (await _expire(connection, late, now) if late else 0)


async def _fall_due(connection: Connection, ids: Collection[str], now: datetime, pace: Pace) -> int:
    # Read again under the lock: another process may have been faster.
    current = await store.lock(connection, ids)
    rows = [row for _, row in sorted(current.items()) if row["state"] == State.SCHEDULED]
    pending: list[Row] = []
    put_off: list[Row] = []
    ended: list[tuple[Row, State, str]] = []
    for row in rows:
        morning = pace.rules.quiet_until(row, now)
        if row["due_at"] <= now - LOOK_BACK:
            ended.append((row, State.EXPIRED, "due_too_long_ago"))
        elif row["expires_fixed"] and row["expires_at"] <= now:
            ended.append((row, State.EXPIRED, "expired_before_due"))
        elif pace.opted_out.forbids(row):
            ended.append((row, State.DENIED, OPTED_OUT))
        elif morning is not None:
            put_off.append({"b_id": row["id"], "b_due": morning})
        else:
            expires = row["expires_at"] if row["expires_fixed"] else now + pace.expires_after
            pending.append({"b_id": row["id"], "b_expires": expires, "b_at": now})
    await store.put_off(connection, put_off)
    await store.fall_due(connection, pending)
    await store.add_history(
        connection, [entry(row["b_id"], State.PENDING, None, None, now) for row in pending]
    )
    note_moved([(State.SCHEDULED.value, State.PENDING.value)] * len(pending))
    await end(connection, ended, now)
    return len(rows)


async def _expire(connection: Connection, ids: Collection[str], now: datetime) -> int:
    current = await store.lock(connection, ids)
    ended = [
        (row, State.EXPIRED, "not_acknowledged" if row["lease_owner"] else "not_offered")
        for _, row in sorted(current.items())
        if State.EXPIRED in states.OWN.get(State(row["state"]), ())
        and row["expires_at"] <= now
        and not (row["state"] == State.PENDING and row["lease_owner"])
    ]
    await end(connection, ended, now)
    return len(ended)
