"""Drives one simulated phone against a server until there is nothing left to do.

Several may run side by side in one event loop, each with its own phone, line and traffic.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from smsgate.errors import CommandError
from smsgate.simulate.handset import Phone
from smsgate.simulate.line import Line, NotHeard
from smsgate.simulate.report import Expect, Progress, RunCounts, Tally, tally
from smsgate.simulate.rows import Batch
from smsgate.simulate.state import Journal
from smsgate.simulate.traffic import Traffic

# A reply may take a while (another process sends it, the server restarts): wait longer for one.
_PATIENCE_WHILE_MISSING = 3
_SECONDS_WHILE_MISSING = 1.5
# A server that offers the same for ever fills every batch; the radio must still have its turn.
_POLLS_AT_ONCE = 50


class GaveUpError(CommandError):
    """Nothing was acknowledged for as long as the operator allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast, and when to stop.

    `interval` is the seconds between two timer polls; `quiet` polls without news end the run;
    `give_up` seconds without an accepted poll break it off (None: never, as the phone).
    """

    interval: float = 30.0
    quiet: int = 3
    give_up: float | None = None


class Driver:
    """One phone, its line, and the traffic it carries; `counts` tells what happened on the line.

    `journal` and `progress` may be left out.
    """

    def __init__(
        self,
        phone: Phone,
        line: Line,
        traffic: Traffic,
        *,
        pace: Pace,
        expect: Expect = Expect.AUTO,
        journal: Journal | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.counts = RunCounts()
        self._phone = phone
        self._line = line
        self._traffic = traffic
        self._pace = pace
        self._expect = expect
        self._journal = journal
        self._progress = progress
        self._quiet = 0
        self._total = len(phone.sms) + traffic.left
        self._heard_at = self._news_at = time.monotonic()

    async def run(self) -> Tally:
        """Poll until all is carried and walked and nothing more comes; the account of it.

        What the phone knows is saved before each request, as the real one commits before it speaks:
        an id that was sent is never forgotten, nor a message whose status was reported.

        Raises:
            GaveUpError: see `Pace`.
            OSError: the journal cannot be written.
        """
        try:
            while True:
                for sms in self._traffic.arriving(now=_now()):
                    self._phone.receive(sms)
                for _ in range(_POLLS_AT_ONCE):
                    if not await self._poll():
                        break
                self._phone.radio(now=_now())
                if self._finished():
                    return tally(self._phone, self._expect)
                await asyncio.sleep(self._pace.interval)
        finally:
            self._save()

    async def _poll(self) -> bool:
        """One poll; whether another follows at once, because a full batch was accepted."""
        self._save()
        settled = self._phone.settled and not self._traffic.left
        batch = self._phone.request()
        self._count(batch)
        heard = await self._line.post(batch.body())
        if isinstance(heard, NotHeard):
            self.counts.unheard += 1
            self.counts.dropped += heard.dropped
            # A response dropped on purpose is the plan, not a trouble to tell the operator of.
            self._show(None if heard.dropped else heard.why)
            self._check_patience()
            return False
        answer = self._phone.answered(heard.status, heard.body, now=_now())
        self.counts.unreadable += answer.unreadable
        self._show(answer.problem)
        if not answer.accepted:
            self.counts.refusals[answer.problem or ""] += 1
            self._check_patience()
            return False
        self._heard_at = time.monotonic()
        self._quiet = self._quiet + 1 if settled and not answer.new else 0
        if not self._quiet:
            self._news_at = self._heard_at
        return batch.full

    def _count(self, batch: Batch) -> None:
        self.counts.polls += 1
        if batch.again:
            self.counts.repeated += 1
            self.counts.messages_again += len(batch.messages)

    def _finished(self) -> bool:
        if self._quiet < self._pace.quiet:
            return False
        if self._expect is Expect.NO or not tally(self._phone, Expect.YES).lost:
            return True
        waited = time.monotonic() - self._news_at
        enough = self._pace.quiet * _PATIENCE_WHILE_MISSING
        return self._quiet >= enough and waited >= _SECONDS_WHILE_MISSING

    def _check_patience(self) -> None:
        limit = self._pace.give_up
        if limit is not None and time.monotonic() - self._heard_at > limit:
            raise GaveUpError(f"no poll was accepted for {limit:g} seconds")

    def _save(self) -> None:
        rows = self._phone.changes()
        if self._journal is not None:
            self._journal.write(rows)

    def _show(self, trouble: str | None) -> None:
        if self._progress is not None:
            self._progress.show(self._phone, total=self._total, counts=self.counts, trouble=trouble)


def _now() -> int:
    return time.time_ns() // 1_000_000
