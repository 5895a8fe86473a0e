"""What people and rules ask of messages that wait or failed: retry, cancel, mute, unmute.

Each order is obeyed where the state machine allows it, and is written into the message's history
with who gave it and into the audit; where it is refused, nothing changes and the answer says why.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from smsgate import states
from smsgate.deny import DenyRules
from smsgate.message import State
from smsgate.optout import OptedOut
from smsgate.outbox import entry
from smsgate.programme import Programme
from smsgate.rules import RetryRule
from smsgate.states import Order
from smsgate.store import audit, revisions, steering
from smsgate.store import outbox as queue
from smsgate.store.database import Store
from smsgate.store.steering import Filter
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from smsgate.tally import note_moved

Row = dict[str, Any]

MOST_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order is carried out under: how long a new attempt lives, and who gets none."""

    expires_after: timedelta
    deny: DenyRules = field(default_factory=DenyRules)
    opted_out: OptedOut = field(default_factory=OptedOut)

    @classmethod
    def of(cls, programme: Programme) -> Terms:
        """The terms of the settings in force."""
        return cls(programme.expires_after, programme.replies.deny, programme.opted_out)


@dataclass(frozen=True, slots=True)
class Obeyed:
    """Of the messages named: those that moved, and why the others did not, by id."""

    moved: Sequence[str]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Steer(Job[Obeyed]):
    """Give one order to some messages, at most `MOST_AT_ONCE`.

    `keep_expiry` leaves a message its time to live: so a rule cannot keep one alive for ever.
    """

    order: Order
    ids: Sequence[str]
    by: str
    at: datetime
    terms: Terms
    keep_expiry: bool = False

    @property
    def weight(self) -> int:
        """Roughly how many rows it writes."""
        return 2 * len(self.ids) + 1

    async def run(self, connection: Connection) -> Obeyed:
        """See `Job.run`."""
        current = await queue.lock(connection, self.ids)
        refused = {id_: "unknown" for id_ in self.ids if id_ not in current}
        rows: list[Row] = []
        for id_ in sorted(current):
            reason = self._refusal(current[id_])
            if reason is None:
                rows.append(current[id_])
            else:
                refused[id_] = reason
        await self._move(connection, rows)
        if rows:
            await revisions.bump(connection, revisions.ORDERS)
            await audit.note(
                connection,
                at=self.at,
                actor=self.by,
                action=f"message.{self.order}",
                target=rows[0]["id"] if len(rows) == 1 else None,
                details={"count": len(rows)},
            )
        return Obeyed([row["id"] for row in rows], refused)

    def _refusal(self, row: Mapping[str, Any]) -> str | None:
        sources, _ = states.ORDERS[self.order]
        if State(row["state"]) not in sources:
            return f"a message that is {row['state']} cannot be given the order {self.order}"
        if row["state"] == State.PENDING and row["lease_owner"] is not None:
            return "it is on its way to the aggregator: ask again in a moment"
        return self._denial(row) if self.order is Order.RETRY else None

    def _denial(self, row: Mapping[str, Any]) -> str | None:
        if row["recipient"] is None:
            return "its number and text have been deleted"
        denial = self.terms.deny.denies(row["recipient"])
        if denial is not None:
            return f"the recipient is still denied: {denial}"
        if self.terms.opted_out.holds(row["recipient"]):
            return "the recipient opted out"
        if self.keep_expiry and row["expires_at"] <= self.at:
            return "it has expired"
        return None

    async def _move(self, connection: Connection, rows: Sequence[Row]) -> None:
        _, to = states.ORDERS[self.order]
        details = {"by": self.by, "reason": f"{self.order} asked for"}
        history = [entry(row["id"], to, details, None, self.at) for row in rows]
        if self.order is Order.RETRY:
            await steering.reopen(connection, [self._attempt(row) for row in rows])
        else:
            await queue.move(
                connection,
                [
                    {
                        "b_id": row["id"],
                        "b_state": to.value,
                        "b_details": json.dumps(details),
                        "b_at": self.at,
                    }
                    for row in rows
                ],
            )
        await queue.add_history(connection, history)
        note_moved([(row["state"], to.value) for row in rows])

    def _attempt(self, row: Row) -> Row:
        expires = self.at + self.terms.expires_after
        return {
            "b_id": row["id"],
            "b_retries": row["retries"] + 1,
            "b_due": max(row["due_at"], self.at),
            "b_expires": row["expires_at"] if self.keep_expiry else max(row["expires_at"], expires),
            "b_at": self.at,
        }


async def to_retry(
    connection: Connection, rule: RetryRule, *, now: datetime, limit: int = MOST_AT_ONCE
) -> list[str]:
    """The failed messages that `rule` opens again now; reads only."""
    rows = await steering.failed(connection, now=now, before=now - rule.after, times=rule.times)
    return [row["id"] for row in rows if rule.wants(row["details"])][:limit]


@dataclass(frozen=True, slots=True)
class Count:
    """How many messages of each state a filter finds, and how many of them an order would move."""

    states: Mapping[str, int]
    would_move: int


def count(order: Order, found: Mapping[str, int]) -> Count:
    """What `order` would do to messages of these states, deny rules apart."""
    sources, _ = states.ORDERS[order]
    ordered = {state.value: found[state] for state in State if found.get(state)}
    return Count(ordered, sum(n for state, n in ordered.items() if state in sources))


def targets(order: Order, wanted: Collection[str]) -> frozenset[str]:
    """The states in which `order` does something, of those `wanted` (all where none is named)."""
    sources = frozenset(state.value for state in states.ORDERS[order][0])
    return sources & frozenset(wanted) if wanted else sources


@dataclass(frozen=True, slots=True)
class Done:
    """What a bulk order came to; `more` says that messages were left for the next one."""

    moved: int
    refused: Mapping[str, int]
    more: bool


async def survey(store: Store, order: Order, wanted: Filter) -> Count:
    """What `order` would do to the messages that `wanted` finds; changes nothing."""
    async with store.read() as connection:
        return count(order, await steering.counts(connection, wanted))


async def steer_all(
    store: Store, order: Order, wanted: Filter, *, by: str, at: datetime, terms: Terms, most: int
) -> Done:
    """Give `order` to every message that `wanted` finds, `most` of them at the most.

    It goes by ids upward, a transaction for each couple of hundred, so that phones are answered in
    between; a message that changes meanwhile is judged by the state it has when its turn comes.
    """
    narrowed = replace(wanted, states=targets(order, wanted.states))
    moved, refused, last, left = 0, Counter[str](), "", most
    while narrowed.states and left > 0:
        async with store.read() as connection:
            ids = await steering.ids(
                connection, narrowed, after=last, limit=min(MOST_AT_ONCE, left)
            )
        if not ids:
            return Done(moved, refused, more=False)
        obeyed = await store.write(Steer(order=order, ids=ids, by=by, at=at, terms=terms))
        moved += len(obeyed.moved)
        refused.update(obeyed.refused.values())
        last, left = ids[-1], left - len(ids)
    return Done(moved, refused, more=left <= 0)
