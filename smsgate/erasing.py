"""Erasing everything about one phone number, because its owner asks for it.

The same is blanked as by retention, and nothing is forgotten that keeps a promise: a text that is
replayed is still known by its hash, and who opted out is not texted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from smsgate.message import State
from smsgate.outbox import end
from smsgate.spelling import Spelling
from smsgate.store import audit, blanking, erasing, outbox, repeats, revisions
from smsgate.store.database import Store
from smsgate.store.erasing import Traces
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

BATCH: Final = 500
REASON: Final = "erased"
_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Erase(Job[None]):
    """Erase some of the traces of a number."""

    number: Spelling
    part: Traces
    by: str
    at: datetime

    @property
    def weight(self) -> int:
        """Roughly how many rows it writes."""
        return sum(self.part.counts.values()) + 1

    async def run(self, connection: Connection) -> None:
        """See `Job.run`."""
        part = self.part
        if part.inbound:
            await blanking.arrivals(connection, part.inbound)
        if part.references:
            await blanking.references(connection, part.references)
        if part.records:
            rows = await erasing.documents(connection, part.records)
            await blanking.documents(connection, rows)
        if part.outbound:
            await self._messages(connection, part.outbound)
        if part.quarantine:
            await erasing.close_aside(connection, part.quarantine, by=self.by, at=self.at)
            await blanking.set_aside(connection, part.quarantine)
        if part.answers:
            kept = await erasing.answers(connection, part.answers)
            await blanking.answers(connection, kept, self.number.means)
        if part.orphans:
            await blanking.orphans(connection, part.orphans)
        if part.consent:
            await erasing.forget_consent(connection, part.consent)
        await repeats.forget_number(connection, self.number.name)
        await revisions.bump(connection, revisions.BLANKED)

    async def _messages(self, connection: Connection, ids: Sequence[str]) -> None:
        current = await outbox.lock(connection, ids)
        ended: list[tuple[erasing.Row, State, str]] = []
        for row in current.values():
            state = State(row["state"])
            free = state in _WAITING and row["lease_owner"] is None
            if free:
                ended.append((row, State.CLEARED, REASON))
            elif state in (State.PENDING, State.FORWARDED_TO_GATEWAY):
                # Somebody has it in hand and may have sent it: proof of that may still come.
                ended.append((row, State.EXPIRED, REASON))
        await end(connection, ended, self.at)
        await erasing.end_patience(connection, ids, self.at)
        await blanking.messages(
            connection, {id_: row["recipient"] or "" for id_, row in current.items()}
        )
        if ended:
            await revisions.bump(connection, revisions.ORDERS)


_WAITING: Final = frozenset({State.SCHEDULED, State.PENDING, State.MUTED})


@dataclass(frozen=True, slots=True)
class Erased(Job[None]):
    """Write down that a number was erased: its hash, and how much it was."""

    number: Spelling
    counts: dict[str, int]
    by: str
    at: datetime

    async def run(self, connection: Connection) -> None:
        """See `Job.run`."""
        await audit.note(
            connection,
            at=self.at,
            actor=self.by,
            action="erase",
            target=erasing.hash_of(self.number),
            details=self.counts,
        )


@dataclass(frozen=True, slots=True)
class Done:
    """What was erased, by kind, and what is left, which is nothing unless more kept coming."""

    counts: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)


async def survey(store: Store, number: Spelling) -> Traces:
    """What there is about a number; changes nothing."""
    async with store.read() as connection:
        return await erasing.find(connection, number)


async def erase(store: Store, number: Spelling, *, by: str, at: datetime) -> Done:
    """Erase all there is about a number, batch by batch, beside whatever else is written."""
    total: dict[str, int] = {}
    traces = await survey(store, number)
    for _ in range(_ROUNDS):  # a text that arrives meanwhile is found the next time
        if not any(traces.counts.values()):
            break
        for part in _parts(traces):
            await store.write(Erase(number, part, by, at))
        for kind, count in traces.counts.items():
            total[kind] = total.get(kind, 0) + count
        traces = await survey(store, number)
    counts = {kind: count for kind, count in total.items() if count}
    await store.write(Erased(number, counts, by, at))
    return Done(counts, {kind: count for kind, count in traces.counts.items() if count})


def _parts(traces: Traces) -> list[Traces]:
    """The traces, a batch each. A record follows its message, which keeps nothing it points to."""
    parts: list[Traces] = []
    for name in _KINDS:
        keys = getattr(traces, name)
        parts += [
            Traces(**{name: keys[start : start + BATCH]}) for start in range(0, len(keys), BATCH)
        ]
    return parts


# `references` first: they are found by their senders.
_KINDS: Final = (
    "references", "outbound", "records", "inbound", "quarantine", "answers", "orphans", "consent",
)  # fmt: skip
