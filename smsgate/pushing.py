"""How handing messages to an aggregator ended: settled, lapsed, given back, opened again.

The number of an attempt is what fences it: its outcome counts while it is the message's last, and
is history from then on.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from smsgate import reporting, states
from smsgate.aggregators.base import Aggregator
from smsgate.claiming import Claimed
from smsgate.message import State
from smsgate.outbox import entry, wire_id
from smsgate.store import outbox, pushing, routes
from smsgate.store.routes import RouteRow
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from smsgate.tally import note_moved
from smsgate.verdict import End, Verdict, after, wait

Row = dict[str, Any]

SWEEP: Final = 200
LAPSED: Final = "no_outcome"


@dataclass(frozen=True, slots=True)
class Settle(Job[None]):
    """Write down what an attempt came to. Doing it twice is doing it once."""

    claimed: Claimed
    verdict: Verdict
    aggregator: Aggregator
    at: datetime
    jitter: float

    @property
    def weight(self) -> int:
        """Roughly how many rows it writes."""
        return 3

    @classmethod
    async def run_many(cls, connection: Connection, jobs: Sequence[Self]) -> list[None]:
        """Settle each, then the route as they leave it."""
        rows = await pushing.lock(connection, {job.claimed.id for job in jobs})
        # Whoever holds the lease has the last attempt, and it is under way; of others ask.
        ends = await pushing.ended(
            connection,
            [
                (job.claimed.id, job.claimed.number)
                for job in jobs
                if job.claimed.id in rows
                and rows[job.claimed.id]["lease_owner"] != job.claimed.worker
            ],
        )
        waiting = {job.claimed.id for job in jobs if job.verdict.end is End.RETRY}
        refusals = await pushing.refusals(connection, waiting)
        counted: list[Self] = []
        steps = _Steps()
        for job in jobs:
            end = ends.get((job.claimed.id, job.claimed.number))
            row = rows.get(job.claimed.id)
            if row is None or end == job.verdict.end or end not in (None, End.UNKNOWN):
                continue  # it is written down already
            if row["attempts"] == job.claimed.number:
                job.apply(row, refusals.get(row["id"], 0), steps)
                counted.append(job)
            else:
                job.too_late(steps)
        await steps.write(connection)
        await cls._attach(connection, counted, rows)
        await _tell_route(connection, counted)
        return [None for _ in jobs]

    def apply(self, row: Row, refusals: int, steps: _Steps) -> None:
        """Move the message as the verdict says, where its state allows it."""
        verdict, to = self.verdict, self.verdict.state
        before = State(row["state"])
        # Of an attempt that somebody replaced by a new one, only that it went well counts.
        counts = row["retries"] == self.claimed.retries or verdict.end is End.OK
        moves = counts and (to == before or states.may_settle(before, to))
        if moves:
            if verdict.end is End.RETRY:
                row["due_at"] = max(row["due_at"], self.at + wait(verdict, refusals, self.jitter))
            if to != before:
                row["changed_at"] = self.at
                steps.moves.append((before.value, to.value))
            row["state"], row["details"] = to.value, self._details()
        row["gateway_ref"] = verdict.reference or row["gateway_ref"]
        if row["lease_owner"] == self.claimed.worker:
            row["lease_owner"] = row["leased_until"] = None
        steps.rows[row["id"]] = row
        steps.finish(self.claimed, verdict, self.at)
        if to is not State.PENDING:
            steps.say(self.claimed, to, verdict.status, None, self.at, applied=moves)

    def _details(self) -> str | None:
        reason = None if self.verdict.end is End.OK else {"reason": self.verdict.status}
        return json.dumps(reason) if reason else None

    def too_late(self, steps: _Steps) -> None:
        """Keep what came when there was a newer attempt."""
        steps.finish(self.claimed, self.verdict, self.at)
        steps.say(
            self.claimed,
            self.verdict.state,
            self.verdict.status,
            {"reason": "too_late", "attempt": self.claimed.number},
            self.at,
            applied=False,
        )

    @classmethod
    async def _attach(
        cls, connection: Connection, jobs: Sequence[Self], rows: Mapping[str, Row]
    ) -> None:
        for aggregator in {job.aggregator.name: job.aggregator for job in jobs}.values():
            stored = {
                job.verdict.reference: wire_id(job.claimed.id, rows[job.claimed.id]["retries"])
                for job in jobs
                if job.verdict.reference and job.aggregator.name == aggregator.name
            }
            if stored:
                await reporting.attach(connection, aggregator, stored)


class _Steps:
    """Rows to be written, gathered over a group."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.moves: list[tuple[str, str]] = []
        self._ends: list[Row] = []
        self._history: list[Row] = []

    def finish(self, claimed: Claimed, verdict: Verdict, at: datetime) -> None:
        self.end(
            claimed.id,
            claimed.number,
            verdict.end,
            verdict.status,
            at,
            reference=verdict.reference,
            cost=verdict.cost,
            parts=verdict.parts,
        )

    def end(
        self,
        id_: str,
        number: int,
        end: End,
        status: str,
        at: datetime,
        *,
        reference: str | None = None,
        cost: str | None = None,
        parts: int | None = None,
    ) -> None:
        self._ends.append(
            {
                "b_id": id_,
                "b_number": number,
                "b_at": at,
                "b_outcome": end.value,
                "b_status": status,
                "b_reference": reference,
                "b_cost": cost,
                "b_parts": parts,
            }
        )

    def say(
        self,
        about: Claimed | Row,
        state: State,
        status: str | None,
        details: Mapping[str, Any] | None,
        at: datetime,
        *,
        applied: bool = True,
    ) -> None:
        id_, route = (
            (about.id, about.route) if isinstance(about, Claimed) else (about["id"], about["route"])
        )
        self._history.append({**entry(id_, state, details, route, at, status), "applied": applied})

    async def write(self, connection: Connection) -> None:
        await pushing.settle(
            connection,
            [
                {
                    "b_id": id_,
                    "b_state": row["state"],
                    "b_details": row["details"],
                    "b_reference": row["gateway_ref"],
                    "b_due": row["due_at"],
                    "b_changed": row["changed_at"],
                    "b_owner": row["lease_owner"],
                    "b_until": row["leased_until"],
                    "b_taken_over": row["taken_over"],
                }
                for id_, row in sorted(self.rows.items())
            ],
        )
        await pushing.finish(connection, self._ends)
        await outbox.add_history(connection, self._history)
        note_moved(self.moves)


async def _tell_route(connection: Connection, jobs: Sequence[Settle]) -> None:
    """What the attempts say of their routes, in the order in which they ended."""
    for name in sorted({job.claimed.route for job in jobs}):
        mine = [job for job in jobs if job.claimed.route == name]
        before = await routes.get(connection, name)
        if _told(before, mine) != before:
            locked = await routes.lock(connection, name)
            await routes.save(connection, _told(locked, mine))


def _told(row: RouteRow, jobs: Sequence[Settle]) -> RouteRow:
    for job in jobs:
        row = after(row, job.verdict, begun=job.claimed.at, now=job.at)
    return row


@dataclass(frozen=True, slots=True)
class Lapse(Job[int]):
    """Say of pushes whose worker never said how they ended that nobody knows.

    `ids` are looked at again under the lock. With `worker` a lease counts as lapsed that is not
    this worker's, whatever its time: where there is one worker only, the others are dead.
    """

    ids: Sequence[str]
    at: datetime
    worker: str | None = None

    async def run(self, connection: Connection) -> int:
        """See `Job.run`."""
        steps = _Steps()
        for row in (await pushing.lock(connection, self.ids)).values():
            if row["state"] != State.PENDING or row["lease_owner"] is None:
                continue
            dead = self.worker is not None and row["lease_owner"] != self.worker
            if not dead and row["leased_until"] > self.at:
                continue
            row["state"], row["changed_at"] = State.UNKNOWN.value, self.at
            row["details"] = json.dumps({"reason": LAPSED})
            row["lease_owner"] = row["leased_until"] = None
            steps.rows[row["id"]] = row
            steps.moves.append((State.PENDING.value, State.UNKNOWN.value))
            steps.end(row["id"], row["attempts"], End.UNKNOWN, LAPSED, self.at)
            steps.say(row, State.UNKNOWN, LAPSED, None, self.at)
        await steps.write(connection)
        return len(steps.rows)


@dataclass(frozen=True, slots=True)
class GiveBack(Job[int]):
    """Let go of what is in `worker`'s hands and not in `busy`: nothing of it was ever sent.

    Only the worker itself knows that.
    """

    worker: str
    busy: Collection[str]
    at: datetime

    async def run(self, connection: Connection) -> int:
        """See `Job.run`."""
        mine = set(await pushing.held(connection, self.worker)) - set(self.busy)
        steps = _Steps()
        for row in (await pushing.lock(connection, mine)).values():
            if row["lease_owner"] == self.worker and row["state"] == State.PENDING:
                row["lease_owner"] = row["leased_until"] = None
                steps.rows[row["id"]] = row
                steps.end(row["id"], row["attempts"], End.PAUSED, "not_sent", self.at)
        await steps.write(connection)
        return len(steps.rows)


@dataclass(frozen=True, slots=True)
class SendAgain(Job[int]):
    """Open messages again of which no report said what became of them, by the route's rule."""

    ids: Sequence[str]
    before: datetime
    at: datetime

    async def run(self, connection: Connection) -> int:
        """See `Job.run`."""
        steps = _Steps()
        for row in (await pushing.lock(connection, self.ids)).values():
            if row["state"] != State.UNKNOWN or row["changed_at"] > self.before:
                continue
            details = {"by": "rule", "reason": "unknown_outcome", "possible_duplicate": True}
            row["state"], row["details"] = State.PENDING.value, json.dumps(details)
            row["due_at"] = row["changed_at"] = self.at
            row["taken_over"] += 1
            steps.rows[row["id"]] = row
            steps.moves.append((State.UNKNOWN.value, State.PENDING.value))
            steps.say(row, State.PENDING, None, details, self.at)
        await steps.write(connection)
        return len(steps.rows)
