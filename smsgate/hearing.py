"""The use case of a webhook: what an aggregator said becomes messages, states and wishes.

One call is one job in one transaction, and many calls share it. What cannot be stored is set aside
item by item, with its raw form and the reason; its neighbours go through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Self

from smsgate import intake, log, ordering, phone
from smsgate.aggregators.base import (
    Aggregator,
    BadCall,
    Call,
    Heard,
    Options,
    Order,
    Report,
    Taken,
    Unreadable,
    Wish,
)
from smsgate.consenting import PutConsent
from smsgate.jsontext import storable
from smsgate.message import InboundMessage
from smsgate.optout import Wish as Asked
from smsgate.programme import Programme
from smsgate.reporting import Said, take
from smsgate.store import inbound, quarantine
from smsgate.store.failures import attempted
from smsgate.store.inbound import Arrival, Saved
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from smsgate.tally import Tally
from smsgate.wire import raw_json

Row = dict[str, Any]

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call, and how many of its messages came under the id of another text."""

    taken: Taken
    conflicts: int = 0


class HeardJob(Job[Outcome]):
    """One call's work. `messages` and `arrivals` belong together, place by place."""

    def __init__(
        self, heard: Heard, aggregator: Aggregator, *, at: datetime, programme: Programme
    ) -> None:
        self.heard = heard
        self.aggregator = aggregator
        self.at = at
        self.programme = programme
        self.messages: list[InboundMessage] = []
        self.arrivals: list[Arrival] = []
        self.set_aside: list[Row] = []

    @property
    def source(self) -> str:
        """Whose call it is."""
        return self.aggregator.name

    @property
    def weight(self) -> int:
        """Roughly how many rows it writes."""
        heard = self.heard
        orders = 3 * len(heard.orders)
        return 1 + 4 * len(heard.messages) + 2 * len(heard.reports) + len(heard.unreadable) + orders

    def prepare(self) -> None:
        """Read the texts."""
        self.set_aside = [self._aside(item.reason, item.raw) for item in self.heard.unreadable]
        self.messages, self.arrivals, aside = intake.take_in_all(
            self.heard.messages, self.programme
        )
        self.set_aside += aside

    @classmethod
    async def run_many(cls, connection: Connection, jobs: Sequence[Self]) -> list[Outcome]:
        """Save, then settle, then keep the wishes, each for all jobs at once."""
        arrivals = [arrival for job in jobs for arrival in job.arrivals]
        saved = iter(await inbound.save(connection, arrivals, limits=jobs[-1].programme.limits))
        outcomes = [[next(saved) for _ in job.arrivals] for job in jobs]
        await quarantine.add(connection, [row for job in jobs for row in job.set_aside])
        found = await _reports(connection, jobs)
        wishes = [await job.keep_wishes(connection, job.heard.wishes) for job in jobs]
        await cls.take_orders(connection, [(job, one) for job in jobs for one in job.heard.orders])
        return [
            job.outcome(outcome, reports=reports, wishes=kept)
            for job, outcome, reports, kept in zip(jobs, outcomes, found, wishes, strict=True)
        ]

    async def rescue(self, connection: Connection, error: Exception) -> Outcome:
        """Do it item by item: what cannot be stored is quarantined, the rest goes through."""
        logger.error("call redone item by item", source=self.source, exc_info=error)
        saved: list[Saved] = []
        reports = wishes = 0
        aside = list(self.set_aside)
        for message, arrival in zip(self.messages, self.arrivals, strict=True):
            limits = self.programme.limits
            one = await attempted(
                connection, partial(inbound.save, connection, [arrival], limits=limits)
            )
            if isinstance(one, Exception):
                reason = f"storing_failed: {type(one).__name__}"
                aside.append(intake.set_aside(message, reason))
            else:
                saved += one
        for report in self.heard.reports:
            found = await attempted(connection, partial(self.take_reports, connection, [report]))
            if isinstance(found, Exception):
                aside.append(self._aside(f"report_failed: {type(found).__name__}", _raw(report)))
            else:
                reports += sum(found)
        for wish in self.heard.wishes:
            kept = await attempted(connection, partial(self.keep_wishes, connection, [wish]))
            if isinstance(kept, Exception):
                raw = raw_json({"phoneNumber": wish.number, "stop": wish.stop})
                aside.append(self._aside(f"storing_failed: {type(kept).__name__}", raw))
            else:
                wishes += kept
        for order in self.heard.orders:
            made = await attempted(
                connection, partial(self.take_orders, connection, [(self, order)])
            )
            if isinstance(made, Exception):
                raw = raw_json({"order": order.reference, "to": order.recipient})
                aside.append(self._aside(f"storing_failed: {type(made).__name__}", raw))
        await quarantine.add(connection, aside)
        return self.outcome(saved, reports=reports, wishes=wishes, aside=len(aside))

    @classmethod
    async def take_orders(
        cls, connection: Connection, orders: Sequence[tuple[HeardJob, Order]]
    ) -> None:
        """Put what is ordered into the queue, once for each order."""
        found = [
            ordering.ordered(order, job.programme, source=job.source, at=job.at)
            for job, order in orders
        ]
        _, conflicts = await ordering.take_in(connection, found)
        if conflicts:
            logger.warning("order repeated with another text", count=conflicts)

    async def take_reports(self, connection: Connection, reports: Sequence[Report]) -> list[bool]:
        """Apply reports; for each whether its message was found."""
        said = [Said(report, self.at) for report in reports]
        return await take(connection, said, source=self.source, routes=[self.source])

    async def keep_wishes(self, connection: Connection, wishes: Sequence[Wish]) -> int:
        """Put numbers on the consent list, or take them off it; how many that changed."""
        rules = self.programme.reading
        changed = 0
        for wish in wishes:
            number = storable(wish.number)
            read = phone.e164(number, rules.default_country_code, rules.phone_validation)
            changed += await PutConsent(
                read or number.strip(),
                Asked.STOP if wish.stop else Asked.START,
                by=self.source,
                at=self.at,
                source=self.source,
            ).run(connection)
        return changed

    def outcome(
        self, saved: Sequence[Saved], *, reports: int, wishes: int, aside: int | None = None
    ) -> Outcome:
        """What became of the call, told in numbers."""
        results = [one.outcome for one in saved]
        conflicts = results.count("conflict")
        if conflicts and not self.aggregator.content_identity:
            logger.warning("id reused for another text", source=self.source, count=conflicts)
        duplicates = results.count("duplicate")
        unknown = next((report for report in self.heard.reports if report.state is None), None)
        return Outcome(
            Taken(
                messages=len(results) - duplicates,
                reports=reports,
                wishes=wishes,
                duplicates=duplicates,
                unreadable=len(self.set_aside) if aside is None else aside,
                unknown=unknown,
            ),
            conflicts,
        )

    def _aside(self, reason: str, raw: bytes) -> Row:
        return quarantine.item(
            source=self.source, gateway=self.source, reason=reason, raw=raw, at=self.at
        )


def heard_in(aggregator: Aggregator, call: Call, options: Options) -> Heard | BadCall:
    """What a call says. A plugin that fails over it costs nobody the call: it is set aside."""
    try:
        return aggregator.read(call, options)
    except Exception as error:
        logger.error("call set aside", stage="read", source=aggregator.name, exc_info=error)
        reason = f"reading_failed: {type(error).__name__}"
        return Heard(unreadable=[Unreadable(reason, call.body)])


def promised(heard: Heard) -> Taken:
    """What a call that is kept for later is answered by: the numbers of what it says."""
    return Taken(
        messages=len(heard.messages),
        reports=len(heard.reports),
        wishes=len(heard.wishes),
        unreadable=len(heard.unreadable),
        unknown=next((report for report in heard.reports if report.state is None), None),
        spooled=True,
    )


def count(tally: Tally, source: str, outcome: Outcome) -> None:
    """Count the messages of a call."""
    taken = outcome.taken
    for result, number in (
        ("stored", taken.messages - outcome.conflicts),
        ("conflict", outcome.conflicts),
        ("duplicate", taken.duplicates),
        ("quarantined", taken.unreadable),
    ):
        if number:
            tally.inbound[source, result] += number


async def _reports(connection: Connection, jobs: Sequence[HeardJob]) -> list[int]:
    found = [0] * len(jobs)
    for source in sorted({job.source for job in jobs if job.heard.reports}):
        asked = [
            (place, Said(report, job.at))
            for place, job in enumerate(jobs)
            if job.source == source
            for report in job.heard.reports
        ]
        said = [one for _, one in asked]
        results = await take(connection, said, source=source, routes=[source])
        for (place, _), known in zip(asked, results, strict=True):
            found[place] += known
    return found


def _raw(report: Report) -> bytes:
    return raw_json(
        {
            "id": report.message_id or report.reference,
            "status": report.status,
            "reason": report.reason,
        }
    )
