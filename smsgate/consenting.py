"""The use case of an operator, or of an aggregator's opt-out: whether a number may be texted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from smsgate.optout import Wish
from smsgate.store import audit, consent
from smsgate.store.transact import Connection
from smsgate.store.writer import Job


@dataclass(frozen=True, slots=True)
class PutConsent(Job[bool]):
    """Put a number on the consent list, or take it off; False where that changes nothing.

    `source` is who told us; an operator's word is recorded under the operator's name.
    """

    number: str
    wish: Wish
    by: str
    at: datetime
    source: str = ""

    async def run(self, connection: Connection) -> bool:
        """See `Job.run`."""
        row = consent.wish_row(
            self.number, self.wish, source=self.source or f"operator:{self.by}", at=self.at
        )
        if not await consent.record(connection, [row]):
            return False
        # The audit keeps no number: which one it was is in the list, by the time.
        await audit.note(connection, at=self.at, actor=self.by, action=f"consent.{self.wish.value}")
        return True
