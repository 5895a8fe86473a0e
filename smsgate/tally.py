"""Counting while serving: plain numbers, so that counting costs less than what is counted.

Nothing here knows how the figures are shown. Labels are few and fixed: never a phone number, an id
or anything else a stranger can choose.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate

PUSH_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
COMMIT_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Distribution:
    """How often a value fell under each of some bounds, and the sum of them all."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count `value`; a bound is part of what is under it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def total(self) -> int:
        """How many values were counted."""
        return sum(self.counts)

    def cumulated(self, bounds: Sequence[float] | None = None) -> Iterator[tuple[str, int]]:
        """How many values were at most each bound, as Prometheus has it: `("0.5", 12)`.

        Args:
            bounds: which of the bounds to tell of; all of them by default.
        """
        upto = dict(zip(self.bounds, accumulate(self.counts), strict=False))
        for bound in self.bounds if bounds is None else bounds:
            yield repr(float(bound)), upto[bound]
        yield "+Inf", self.total


class Changes:
    """What transactions did to outbound messages.

    `moved` counts by (state before, state after), `ignored` counts reports that moved nothing, by
    why.
    """

    __slots__ = ("ignored", "moved")

    def __init__(self) -> None:
        self.moved: Counter[tuple[str, str]] = Counter()
        self.ignored: Counter[str] = Counter()

    def add(self, others: Changes) -> None:
        """Count what others counted."""
        self.moved.update(others.moved)
        self.ignored.update(others.ignored)


# Of the transaction under way. What is rolled back, or done again, must not count twice; and who
# moves a message takes a connection and knows nothing of the process that counts.
_under_way: ContextVar[Changes | None] = ContextVar("smsgate_changes", default=None)


@contextmanager
def noting() -> Iterator[Changes]:
    """Collects what is noted inside: to be counted once it is committed."""
    changes = Changes()
    token = _under_way.set(changes)
    try:
        yield changes
    finally:
        _under_way.reset(token)


def note_moved(moves: Iterable[tuple[str, str]]) -> None:
    """Note that messages went from one state to another."""
    changes = _under_way.get()
    if changes is not None:
        changes.moved.update(moves)


def note_ignored(reasons: Iterable[str]) -> None:
    """Note that reports moved nothing, and why: one of a few words of ours."""
    changes = _under_way.get()
    if changes is not None:
        changes.ignored.update(reasons)


@dataclass(slots=True)
class Tally:
    """What one process counted since it started."""

    inbound: Counter[tuple[str, str]] = field(default_factory=Counter)  # (source, result)
    auth_failures: Counter[str] = field(default_factory=Counter)  # kind
    redirected_polls: int = 0
    last_redirected_at: datetime | None = None
    pushes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (route, how it ended)
    push_seconds: dict[str, Distribution] = field(default_factory=dict)  # route

    def pushed(self, route: str, end: str, seconds: float) -> None:
        """A message was handed to an aggregator, or could not be."""
        self.pushes[route, end] += 1
        if route not in self.push_seconds:
            self.push_seconds[route] = Distribution(PUSH_BOUNDS)
        self.push_seconds[route].observe(seconds)
