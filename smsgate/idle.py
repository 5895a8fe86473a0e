"""Remembering that nothing waits for a phone, so that asking again costs nothing.

Most polls find nothing. A mark says so of one account, and holds only while nothing can have
changed: no commit since before the look, the same settings, no due time or lease reached. On SQLite
the database itself tells of every commit, also by another process. On PostgreSQL this process knows
its own commits, and the others tell of theirs (`smsgate.store.notices`). While they cannot be heard
a mark lasts two seconds at most, and orders that a person gave elsewhere (such as `smsgate message
retry`) end it by a counter.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from smsgate.programme import Programme
from smsgate.store.database import Store

SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Mark:
    version: int
    orders: int
    programme: Programme
    since: datetime
    until: datetime | None
    best_before: float


class Idle:
    """The marks of one process."""

    def __init__(self, store: Store, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._seconds = seconds
        self._marks: dict[str, _Mark] = {}

    def version(self) -> int:
        """What to hand to `mark`: to be taken before the look that finds nothing."""
        return self._store.version()

    def mark(
        self,
        account: str,
        *,
        version: int,
        orders: int,
        programme: Programme,
        at: datetime,
        until: datetime | None,
    ) -> None:
        """Remember that at `at` nothing waited for `account`, nor will by itself before `until`."""
        best_before = self._seconds() + SECONDS
        self._marks[account] = _Mark(version, orders, programme, at, until, best_before)

    def holds(self, account: str, *, orders: int, programme: Programme, at: datetime) -> bool:
        """Whether there is certainly nothing for `account` now; `orders` counts orders given."""
        mark = self._marks.get(account)
        if mark is None:
            return False
        if (
            mark.programme is programme
            and mark.orders == orders
            and mark.since <= at
            and (mark.until is None or at < mark.until)
            and (self._store.sees_all or self._seconds() < mark.best_before)
            and mark.version == self._store.version()
        ):
            return True
        del self._marks[account]
        return False
