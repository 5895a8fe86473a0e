"""What the queue, the phones and the quarantine look like now: counted when asked, kept a moment.

Whoever asks, and however often, costs the database a twentieth of its time at most: what took long
to count is kept longer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

from smsgate.aggregators.registry import installed
from smsgate.clock import Clock
from smsgate.heartbeat import Heartbeats
from smsgate.message import State
from smsgate.store import figures as store
from smsgate.store import gateways, milestones, routes, sizes
from smsgate.store.database import Store
from smsgate.store.gateways import Sighting
from smsgate.store.routes import RouteRow
from smsgate.store.sizes import Sizes

T = TypeVar("T")

KEPT: Final = timedelta(seconds=5)
_SHARE: Final = 20
RECENT: Final = timedelta(hours=1)
_CONFLICTS_KEPT: Final = timedelta(hours=24)
_SILENCE: Final = timedelta(hours=3)
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Messages that are due and that nobody was given yet, and since when the oldest waits."""

    count: int = 0
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """What came to an end within the last hour."""

    finished: int = 0  # sent, delivered, failed, denied
    failed: int = 0  # failed, denied
    unknown: int = 0

    @property
    def ratio(self) -> float:
        """The share that failed."""
        return self.failed / self.finished if self.finished else 0.0


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone: when it was last heard of, and what waits for it."""

    account: str
    last_poll_at: datetime | None
    app_version: str | None
    address: str | None
    address_changes: Sequence[datetime]
    held: int
    pinned: Waiting
    ended: Ended


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The figures of one moment. `shared` is what any phone may be given."""

    at: datetime
    by_state: Mapping[State, int]
    waiting: Waiting
    shared: int
    phones: Sequence[Phone]
    ended: Ended
    quarantined: int
    quarantined_since: datetime | None
    orphans: int
    conflicts: int
    last_conflict_at: datetime | None
    arrived: int  # within the last three hours
    arrived_last_week: int  # within the same three hours a week ago
    routes: Sequence[RouteRow] = ()
    installed_at: datetime | None = None
    backup_at: datetime | None = None  # as of when the last backup is
    purged: Mapping[str, int] = field(default_factory=dict)  # by retention, so far, by kind


@dataclass(frozen=True, slots=True)
class Review:
    """What takes longer to count: the CHT's seven days and last hundreds, and the database."""

    seven_days: Mapping[State, int]
    last_hundred: Mapping[str, Mapping[State, int]]
    sizes: Sizes


# The CHT's groups of its last hundreds, with smsgate's own states where they belong.
GROUPS: Final[Mapping[str, tuple[State, ...]]] = {
    "pending": (
        State.PENDING,
        State.FORWARDED_TO_GATEWAY,
        State.RECEIVED_BY_GATEWAY,
        State.FORWARDED_BY_GATEWAY,
        State.UNKNOWN,
    ),
    "final": (State.SENT, State.DELIVERED, State.FAILED, State.EXPIRED),
    "muted": (State.DENIED, State.CLEARED, State.MUTED, State.DUPLICATE),
}


class Figures:
    """Counts, for a whole process."""

    def __init__(self, store: Store, heartbeats: Heartbeats, clock: Clock) -> None:
        self._store = store
        self._heartbeats = heartbeats
        self._clock = clock
        self._snapshot = _Kept(self._count, clock)
        self._review = _Kept(self._look_back, clock)
        self._midnight: datetime | None = None

    async def snapshot(self) -> Snapshot:
        """The figures as of now, or of a moment ago."""
        return await self._snapshot.get()

    async def review(self, midnight: datetime) -> Review:
        """The longer look; `midnight` begins its seven days."""
        if midnight != self._midnight:
            self._midnight = midnight
            self._review.forget()
        return await self._review.get()

    async def _count(self) -> Snapshot:
        now = self._clock()
        async with self._store.read() as connection:
            by_state = await store.by_state(connection)
            pending, due, oldest = await store.pending(connection, now)
            held = await store.held(connection)
            pinned = await store.pinned(connection, now)
            finished = await store.finished(connection, now - RECENT)
            quarantined, quarantined_since = await store.quarantined(connection)
            conflicts, last_conflict = await store.conflicts(
                connection,
                now - _CONFLICTS_KEPT,
                [one.name for one in installed().aggregators if one.content_identity],
            )
            backup = await milestones.get(connection, milestones.BACKUP)
            purge = await milestones.get(connection, milestones.PURGE)
            sightings = self._heartbeats.overlay(await gateways.all_of_them(connection))
            return Snapshot(
                at=now,
                by_state={
                    **dict.fromkeys(State, 0),
                    **by_state,
                    State.PENDING: pending,
                    State.FORWARDED_TO_GATEWAY: sum(held.values()),
                },
                waiting=Waiting(due, oldest),
                # Counted one after the other: what was handed over in between is in one only.
                shared=max(due - sum(count for count, _ in pinned.values()), 0),
                phones=_phones(sightings, held, pinned, finished),
                ended=_ended(finished),
                quarantined=quarantined,
                quarantined_since=quarantined_since,
                orphans=await store.orphans(connection),
                conflicts=conflicts,
                last_conflict_at=last_conflict,
                arrived=await store.arrived(connection, now - _SILENCE, now),
                arrived_last_week=await store.arrived(
                    connection, now - _WEEK - _SILENCE, now - _WEEK
                ),
                routes=await routes.all_of_them(connection),
                installed_at=await milestones.installed_at(connection),
                backup_at=backup.at if backup is not None else None,
                purged=purge.details.get("total", {}) if purge is not None else {},
            )

    async def _look_back(self) -> Review:
        now = self._clock()
        async with self._store.read() as connection:
            return Review(
                seven_days=await store.due_between(connection, self._midnight or now, now),
                last_hundred={
                    group: await store.newest(connection, states, now)
                    for group, states in GROUPS.items()
                },
                sizes=await sizes.read(connection),
            )


def _phones(
    sightings: Sequence[Sighting],
    held: Mapping[str, int],
    pinned: Mapping[str, tuple[int, datetime]],
    finished: Sequence[tuple[State, str | None, int]],
) -> list[Phone]:
    known = {sighting.account: sighting for sighting in sightings}
    phones = []
    for account in sorted({*known, *held, *pinned}):
        seen = known.get(account)
        phones.append(
            Phone(
                account=account,
                last_poll_at=seen.last_poll_at if seen else None,
                app_version=seen.app_version if seen else None,
                address=seen.address if seen else None,
                address_changes=seen.address_changes if seen else (),
                held=held.get(account, 0),
                pinned=Waiting(*pinned.get(account, ())),
                ended=_ended([one for one in finished if one[1] == account]),
            )
        )
    return phones


def _ended(finished: Sequence[tuple[State, str | None, int]]) -> Ended:
    counts = dict.fromkeys(State, 0)
    for state, _, number in finished:
        counts[state] += number
    failed = counts[State.FAILED] + counts[State.DENIED]
    return Ended(
        finished=failed + counts[State.SENT] + counts[State.DELIVERED],
        failed=failed,
        unknown=counts[State.UNKNOWN],
    )


class _Kept(Generic[T]):
    """What was made last, for as long as it is fresh. Those who ask at once share the making."""

    def __init__(self, make: Callable[[], Awaitable[T]], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._value: T | None = None
        self._fresh_from: datetime | None = None
        self._fresh_until: datetime | None = None
        self._turn = asyncio.Lock()

    def forget(self) -> None:
        """Make it anew the next time."""
        self._fresh_from = None

    async def get(self) -> T:
        """What was made last, or anew."""
        async with self._turn:
            now = self._clock()
            if self._value is None or not self._is_fresh(now):
                started = time.perf_counter()
                self._value = await self._make()
                took = timedelta(seconds=time.perf_counter() - started)
                self._fresh_from, self._fresh_until = now, now + max(KEPT, took * _SHARE)
            return self._value

    def _is_fresh(self, now: datetime) -> bool:
        # A clock that was set back makes nothing fresh for hours.
        if self._fresh_from is None or self._fresh_until is None:
            return False
        return self._fresh_from <= now < self._fresh_until
