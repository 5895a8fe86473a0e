"""Dealing messages out to phones that ask at the same time: pure, no database."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from smsgate.rules import QueueRules

Row = dict[str, Any]

BATCH = 25  # messages a phone is given at most in one answer (protocol section 1.5)


class Ask(msgspec.Struct, frozen=True):
    """One poll's wish for messages; replies to the inbound ids in `own` go first."""

    account: str
    own: Collection[str] = frozenset()


class Shares:
    """Deals rows out to asks, at most `BATCH` each: pins, pauses, capacities and tastes respected.

    A message whose number another phone is preferred for is left to that one until
    `reserved_since`: what has been due for longer anybody may take.
    """

    def __init__(
        self,
        asks: Sequence[Ask],
        rules: QueueRules,
        used: Mapping[str, int],
        *,
        reserved_since: datetime,
    ) -> None:
        """Begin with empty hands; `used` are the parts each account sent within the hour."""
        self._asks = asks
        self._rules = rules
        self._reserved_since = reserved_since
        self._of_account: dict[str, list[int]] = {}
        for place, ask in enumerate(asks):
            self._of_account.setdefault(ask.account, []).append(place)
        self._left: dict[str, int] = {}
        self._untouched: set[str] = set()
        for account in self._of_account:
            capacity = rules.handset(account).capacity
            if capacity is not None:
                self._left[account] = max(capacity - used.get(account, 0), 0)
                if not used.get(account, 0):
                    self._untouched.add(account)
        self._spent: dict[str, int] = {}
        self.rows: list[list[Row]] = [[] for _ in asks]
        self.room = BATCH * sum(not rules.handset(ask.account).paused for ask in asks)

    def deal_fresh(self, rows: Sequence[Row]) -> None:
        """Give each ask the replies to what it brought, then the rest in order."""
        owners = {inbound: place for place, ask in enumerate(self._asks) for inbound in ask.own}
        rest: list[Row] = []
        for row in rows:
            place = owners.get(row["inbound_id"])
            if place is None or not self._give(row, place):
                rest.append(row)
        self.deal(rest)
        order = {row["id"]: place for place, row in enumerate(rows)}
        for share in self.rows:
            share.sort(key=lambda row: order[row["id"]])

    def deal_held(self, rows: Sequence[Row]) -> None:
        """Give an account what it holds: once, also where two of its polls came together."""
        for row in rows:
            for place in self._of_account[row["lease_owner"]]:
                if len(self.rows[place]) < BATCH:
                    self.rows[place].append(row)
                    self.room -= 1
                    break

    def deal(self, rows: Iterable[Row]) -> None:
        """Give each row to the first who may have it and has room."""
        first = 0  # the first ask that may have room
        picky = self._rules.has_preferences
        for row in rows:
            while first < len(self._asks) and len(self.rows[first]) >= BATCH:
                first += 1
            places: Iterable[int] = range(first, len(self._asks))
            for place in self._by_taste(row, places) if picky else places:
                if row["lease_owner"] != self._asks[place].account and self._give(row, place):
                    break

    def spent(self, accounts: Iterable[str]) -> dict[str, int]:
        """The parts that each of `accounts` was newly given."""
        return {name: self._spent[name] for name in accounts if self._spent.get(name)}

    def _by_taste(self, row: Row, places: Iterable[int]) -> list[int]:
        recipient = row["recipient"] or ""
        reserved = row["due_at"] > self._reserved_since
        loving, others = [], []
        for place in places:
            account = self._asks[place].account
            if self._rules.handset(account).prefers(recipient):
                loving.append(place)
            elif not (reserved and self._rules.preferred_elsewhere(recipient, account)):
                others.append(place)
        return loving + others

    def _give(self, row: Row, place: int) -> bool:
        account = self._asks[place].account
        if len(self.rows[place]) >= BATCH or self._rules.handset(account).paused:
            return False
        if row["gateway"] is not None and row["gateway"] != account:
            return False
        if account in self._left and not self._pay(account, row["segments"]):
            return False
        self.rows[place].append(row)
        self.room -= 1
        return True

    def _pay(self, account: str, segments: int) -> bool:
        # A text longer than a whole hour's capacity goes first in an hour, or it never would.
        if segments > self._left[account] and account not in self._untouched:
            return False
        self._untouched.discard(account)
        self._left[account] = max(self._left[account] - segments, 0)
        self._spent[account] = self._spent.get(account, 0) + segments
        return True
