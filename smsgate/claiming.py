"""Taking messages that wait for an aggregator into a worker's hands.

A claim and its attempt's row are on disk before the first byte leaves, so that an attempt without
an outcome says: it may have been sent (reliability G6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from smsgate.offering import AGED, AGED_SHARE, Terms, fresh
from smsgate.outbox import wire_id
from smsgate.routing import Route
from smsgate.store import pushing, routes
from smsgate.store.routes import RouteRow
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

Row = dict[str, Any]

# Longer than a request may take (`smsgate.transport`), with time to write down how it ended.
LEASE: Final = timedelta(seconds=90)
_LEAST: Final = 0.001  # of a part; less is what arithmetic left over
# A message of unknown outcome older than this is not sent again, whatever the rule.
LOOK_BACK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message in a worker's hands, and which attempt this is."""

    id: str
    number: int
    route: str
    worker: str
    retries: int
    recipient: str = field(repr=False)
    text: str = field(repr=False)
    segments: int
    expires_at: datetime
    at: datetime

    @property
    def reference(self) -> str:
        """The id by which the aggregator may know it: one for each time it was opened."""
        return wire_id(self.id, self.retries)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a claim got; `again_at` is when the route lets more through, None for at once."""

    messages: Sequence[Claimed] = ()
    again_at: datetime | None = None


def shut_until(row: RouteRow, now: datetime) -> datetime | None:
    """Until when a route lets nothing through; None where it does, if only one message to try."""
    if row.paused_at is None:
        return None
    if row.paused_until is None:
        return datetime.max.replace(tzinfo=now.tzinfo)
    return row.paused_until if row.paused_until > now else None


def _parts(row: RouteRow, route: Route, now: datetime) -> float | None:
    """How many SMS parts may go out now, None for any number; below 0 they are owed."""
    if route.rate is None:
        return None
    most = max(route.rate, 1.0)
    if row.tokens is None or row.tokens_at is None:
        return most
    passed = max((_as_stored(now) - row.tokens_at).total_seconds(), 0.0)
    return min(row.tokens + passed * route.rate, most)


def _refilled(parts: float, route: Route, now: datetime) -> datetime:
    # A text may have more parts than there are: then they are owed, and paid back first.
    return now + timedelta(seconds=(_LEAST - parts) / (route.rate or 1.0))


def _as_stored(now: datetime) -> datetime:
    # As the database gives it back: what is cut off would be paid for at each claim.
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(frozen=True, slots=True)
class Found:
    """What a look without writing found; `again_at` is when time will bring something."""

    ready: bool
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look(Job[Found]):
    """Whether there is anything to claim; if not, until when there is nothing. Only reads."""

    route: Route
    at: datetime

    async def run(self, connection: Connection) -> Found:
        """See `Job.run`."""
        name, now = self.route.name, self.at
        row = await routes.get(connection, name)
        held = shut_until(row, now)
        parts = _parts(row, self.route, now)
        if held is None and parts is not None and parts < _LEAST:
            held = _refilled(parts, self.route, now)
        if held is None and await pushing.any_waiting(connection, now):
            return Found(ready=True)
        times = [held if held is not None else await pushing.next_due(connection, now)]
        times.append(await pushing.next_lapse(connection))
        if self.route.retry_unknown:
            since = now - LOOK_BACK
            unknown = await pushing.next_unknown(connection, name, now=now, after=since)
            times.append(None if unknown is None else unknown + self.route.unknown_after)
        return Found(ready=False, again_at=min(filter(None, times), default=None))


@dataclass(frozen=True, slots=True)
class Claim(Job[Claims]):
    """Take what waits into `worker`'s hands, at most `room` messages.

    `turn` counts what was claimed before: every fifth place goes to what has waited long.
    """

    route: Route
    worker: str
    room: int
    turn: int
    at: datetime
    terms: Terms

    @property
    def weight(self) -> int:
        """Roughly how many rows it writes."""
        return 2 * self.room

    async def run(self, connection: Connection) -> Claims:
        """See `Job.run`."""
        row = await routes.get(connection, self.route.name)
        if row.paused_at is not None or self.route.rate is not None:
            row = await routes.lock(connection, self.route.name)
        shut = shut_until(row, self.at)
        if shut is not None:
            return Claims(again_at=shut)
        parts = _parts(row, self.route, self.at)
        if parts is not None and parts < _LEAST:
            return Claims(again_at=_refilled(parts, self.route, self.at))
        # The first one through a route that was shut says whether it goes again.
        room = self.room if row.paused_at is None else 1
        found = await self._found(connection, room)
        taken, parts = _within(found, parts)
        await self._take(connection, taken)
        await self._note(connection, row, parts, tried=bool(taken))
        spent = parts is not None and parts < _LEAST
        again = _refilled(parts or 0.0, self.route, self.at) if spent else None
        return Claims([self._claimed(row) for row in taken], again)

    async def _found(self, connection: Connection, room: int) -> list[Row]:
        share = (self.turn + room) // AGED_SHARE - self.turn // AGED_SHARE
        found = await fresh(
            connection,
            room,
            self.at,
            self.terms,
            waiting=lambda limit: pushing.waiting(connection, self.at, limit),
            aged=lambda limit: pushing.aged(connection, self.at, self.at - AGED, limit),
            look=room,
            aged_room=share,
        )
        return found[:room]

    async def _take(self, connection: Connection, rows: Sequence[Row]) -> None:
        ordered = sorted(rows, key=lambda row: str(row["id"]))
        await pushing.take(
            connection,
            [
                {
                    "b_id": row["id"],
                    "b_owner": self.worker,
                    "b_until": self.at + LEASE,
                    "b_attempts": row["attempts"] + 1,
                    "b_route": self.route.name,
                }
                for row in ordered
            ],
        )
        await pushing.begin(
            connection,
            [
                {
                    "message_id": row["id"],
                    "number": row["attempts"] + 1,
                    "route": self.route.name,
                    "worker": self.worker,
                    "started_at": self.at,
                }
                for row in ordered
            ],
        )

    async def _note(
        self, connection: Connection, row: RouteRow, parts: float | None, *, tried: bool
    ) -> None:
        if not tried:
            return
        changed = row
        if parts is not None:
            # Never back: or a claim that waited for its turn is paid twice for the same time.
            now = _as_stored(self.at)
            counted = max(row.tokens_at or now, now)
            changed = replace(changed, tokens=parts, tokens_at=counted)
        if row.paused_at is not None:  # nobody else tries while this one does
            changed = replace(changed, paused_until=self.at + LEASE)
        if changed != row:
            await routes.save(connection, changed)

    def _claimed(self, row: Row) -> Claimed:
        return Claimed(
            id=row["id"],
            number=row["attempts"] + 1,
            route=self.route.name,
            worker=self.worker,
            retries=row["retries"],
            recipient=row["recipient"] or "",
            text=row["text"] or "",
            segments=row["segments"],
            expires_at=row["expires_at"],
            at=self.at,
        )


def _within(rows: Sequence[Row], parts: float | None) -> tuple[list[Row], float | None]:
    """As many of `rows` as there are parts left for; the last may owe some."""
    if parts is None:
        return list(rows), None
    taken: list[Row] = []
    for row in rows:
        if parts < _LEAST:
            break
        taken.append(row)
        parts -= row["segments"]
    return taken, parts
