"""Handing messages to phones: who is offered what, for how long (decision 13)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec

from smsgate.message import State
from smsgate.optout import OPTED_OUT, OptedOut
from smsgate.outbox import end, entry, wire_id
from smsgate.rules import QueueRules
from smsgate.shares import BATCH, Ask, Shares
from smsgate.store import outbox as store
from smsgate.store import usage
from smsgate.store.transact import Connection
from smsgate.tally import note_moved

Row = dict[str, Any]
Find = Callable[[int], Awaitable[list[Row]]]

# Where phones have preferences: how far down the queue they look for what is theirs.
LOOK_AHEAD = 500
# What waits for this long shares one part in so many of a batch, whatever its priority.
AGED, AGED_SHARE = timedelta(minutes=30), 5
_LOOKS = 4  # how often a batch that was held back whole is looked for again


class Offered(msgspec.Struct, frozen=True):
    """A message as it is handed to a phone."""

    id: str
    recipient: str
    text: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What handing over goes by, beside the queue itself."""

    rules: QueueRules = field(default_factory=QueueRules)
    opted_out: OptedOut = field(default_factory=OptedOut)

    def verdict(self, row: Row, now: datetime) -> datetime | str | None:
        """None where a message may go out now; else until when it waits, or why it never does."""
        if self.opted_out.forbids(row):
            return OPTED_OUT
        return self.rules.quiet_until(row, now)


@dataclass(frozen=True, slots=True)
class Glance:
    """What a look without writing found for an account.

    `work` says that something must be written to answer (a hand-over, a lease to extend); if not,
    `held` is the whole answer: what the account holds already.
    """

    work: bool
    held: Sequence[Offered] = field(default_factory=tuple)


async def glance(
    connection: Connection,
    account: str,
    *,
    now: datetime,
    lease: timedelta,
    terms: Terms | None = None,
) -> Glance:
    """See, reading only, whether a poll of `account` would change anything."""
    if terms is not None and terms.rules.handset(account).paused:
        return Glance(work=False)
    if await store.any_to_hand_over(connection, account, now):
        return Glance(work=True)
    held = await store.held(connection, [account], now, BATCH)
    if any(_wants_extension(row, now, lease) for row in held):
        return Glance(work=True)
    return Glance(work=False, held=[_offered(row) for row in held])


async def offer(
    connection: Connection,
    asks: Sequence[Ask],
    *,
    now: datetime,
    lease: timedelta,
    terms: Terms | None = None,
    new: Sequence[Row] = (),
) -> list[list[Offered]]:
    """Hand messages to phones: for each ask at most `BATCH`, leased to its account (decision 13).

    First what was never offered, by priority and due time; then what this account was offered and
    has not acknowledged; then what another account let lapse. A phone that is paused is given
    nothing, one with a capacity no more than what is left of its hour.

    Args:
        connection: in a transaction.
        asks: who asks.
        now: the time.
        lease: how long an account holds what it is given.
        terms: who may be sent what.
        new: messages that are not stored yet. They stand in line as if they were, and are stored
            here, those that are handed out as handed out: most replies go out in the answer to the
            poll that caused them, and are then written once.
    """
    terms = terms or Terms()
    rules = terms.rules
    if any(terms.verdict(row, now) is not None for row in new):
        await store.add_messages(connection, new)  # what is held back is found in the queue
        new = ()
    accounts = sorted({ask.account for ask in asks if not rules.handset(ask.account).paused})
    if not accounts:
        await store.add_messages(connection, new)
        return [[] for _ in asks]
    limited = [name for name in accounts if rules.handset(name).capacity is not None]
    used = await usage.used(connection, limited, now) if limited else {}
    shares = Shares(asks, rules, used, reserved_since=now - lease)
    room = BATCH * len(asks)
    found = await fresh(
        connection,
        room,
        now,
        terms,
        waiting=lambda limit: _waiting(connection, accounts, now, limit, new),
        aged=lambda limit: store.aged(connection, accounts, now, now - AGED, limit),
        look=max(room, LOOK_AHEAD) if rules.has_preferences else room,
        aged_room=room // AGED_SHARE,
    )
    shares.deal_fresh(found)
    if shares.room:
        shares.deal_held(await store.held(connection, accounts, now, BATCH))
    if shares.room:
        lapsed = await store.lapsed(connection, accounts, now, shares.room)
        shares.deal([row for row in lapsed if terms.verdict(row, now) is None])
    given = Given(asks, shares.rows, now, lease)
    await given.store(connection, new)
    if limited:
        await usage.add(connection, shares.spent(limited), now)
    return [[_offered(row) for row in share] for share in shares.rows]


async def fresh(
    connection: Connection,
    room: int,
    now: datetime,
    terms: Terms,
    *,
    waiting: Find,
    aged: Find,
    look: int,
    aged_room: int,
) -> list[Row]:
    """What was never handed over, in the order in which it is to be dealt.

    What may not go out now (its recipient opted out, or sleeps) is ended or put off and does not
    stand in the way of what may. Where more waits than there is room for, part of the room goes to
    what would expire first, so that nothing starves behind what matters more.

    Args:
        connection: in a transaction.
        room: how many messages may be dealt.
        now: the time.
        terms: who may be sent what.
        waiting: finds so many of those that wait, best first.
        aged: finds so many of those that have waited since before `AGED`, the nearest to expiry
            first.
        look: how far down the queue to look.
        aged_room: the part of `room` that goes to what has waited long.
    """
    rows: list[Row] = []
    for _ in range(_LOOKS):
        found = await waiting(look)
        rows = await _without_held_back(connection, found, now, terms)
        if len(rows) == len(found):
            break
    if len(rows) < room:
        return rows
    known = {row["id"] for row in rows[: room - aged_room]}
    old = await aged(aged_room) if aged_room else []
    old = [row for row in old if row["id"] not in known and terms.verdict(row, now) is None]
    place, first = room - len(old), {row["id"] for row in old}
    rest = [row for row in rows if row["id"] not in first]
    return [*rest[:place], *old, *rest[place:]]


async def _without_held_back(
    connection: Connection, rows: list[Row], now: datetime, terms: Terms
) -> list[Row]:
    if terms.rules.quiet is None and not terms.opted_out.hashes:
        return rows
    judged = [(row, terms.verdict(row, now)) for row in rows]
    await store.put_off(
        connection,
        [{"b_id": row["id"], "b_due": v} for row, v in judged if isinstance(v, datetime)],
    )
    await end(connection, [(row, State.DENIED, v) for row, v in judged if isinstance(v, str)], now)
    return [row for row, verdict in judged if verdict is None]


async def _waiting(
    connection: Connection,
    accounts: Sequence[str],
    now: datetime,
    limit: int,
    new: Sequence[Row],
) -> list[Row]:
    """What waits, in line, and with it those of `new` that will."""
    found = await store.waiting(connection, accounts, now, limit)
    joining = [{**_NEW, **row} for row in new if store.would_wait(row, accounts, now)]
    if not joining:
        return found
    return sorted([*found, *joining], key=store.place_in_line)[:limit]


_HANDED_OUT = (State.PENDING.value, State.FORWARDED_TO_GATEWAY.value)
# What a message has been through that is not stored yet.
_NEW: Row = {
    "lease_owner": None,
    "leased_until": None,
    "attempts": 0,
    "taken_over": 0,
    "retries": 0,
}


class Given:
    """What each ask was given, to be written down."""

    def __init__(
        self,
        asks: Sequence[Ask],
        shares: Sequence[Sequence[Row]],
        now: datetime,
        lease: timedelta,
    ) -> None:
        self._now, self._until = now, now + lease
        self._taken: dict[str, tuple[Row, str]] = {}
        self._extend: list[str] = []
        for ask, share in zip(asks, shares, strict=True):
            for row in share:
                if row["lease_owner"] != ask.account or row["leased_until"] is None:
                    self._taken[row["id"]] = row, ask.account
                elif _wants_extension(row, now, lease):
                    self._extend.append(row["id"])

    async def store(self, connection: Connection, new: Sequence[Row]) -> None:
        """Write it down, and `new` with it."""
        # A row that is handed out is a copy: the writer may have to do the same rows again.
        history = [store.first_entry(row) for row in new]
        history += [self._entry(*taken) for taken in self._taken.values()]
        fresh = sum(row["lease_owner"] is None for row, _ in self._taken.values())
        await store.insert_messages(connection, [self._of_new(row) for row in new])
        for row in new:
            self._taken.pop(row["id"], None)
        await store.lease(connection, [self._leased(id_) for id_ in sorted(self._taken)])
        await store.extend(connection, sorted(self._extend), self._until)
        await store.add_history(connection, history)
        note_moved([_HANDED_OUT] * fresh)

    def _of_new(self, row: Row) -> Row:
        taken = self._taken.get(row["id"])
        if taken is None:
            return {**row, "lease_owner": None, "leased_until": None, "attempts": 0}
        return {
            **row,
            "state": State.FORWARDED_TO_GATEWAY.value,
            "changed_at": self._now,
            "lease_owner": taken[1],
            "leased_until": self._until,
            "attempts": 1,
        }

    def _leased(self, id_: str) -> Row:
        row, account = self._taken[id_]
        return {
            "b_id": id_,
            "b_owner": account,
            "b_until": self._until,
            "b_at": self._now,
            "b_attempts": row["attempts"] + 1,
            "b_taken_over": row["taken_over"] + (row["lease_owner"] is not None),
        }

    def _entry(self, row: Row, account: str) -> Row:
        details = {"taken_over_from": row["lease_owner"]} if row["lease_owner"] else None
        return entry(row["id"], State.FORWARDED_TO_GATEWAY, details, account, self._now)


def _wants_extension(row: Row, now: datetime, lease: timedelta) -> bool:
    # Renewed in its second half only: a phone that polls twice a minute costs no write a poll.
    left: timedelta = row["leased_until"] - now
    return left < lease / 2


def _offered(row: Row) -> Offered:
    return Offered(wire_id(row["id"], row["retries"]), row["recipient"], row["text"])
