"""The use case of a polling phone: save what it brings, apply what it reports, offer what waits.

One poll is one job in one transaction, so that its replies are in its own answer and one fsync
covers it all. Many polls share a transaction and its statements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Self

import msgspec

from smsgate import intake, log, offering, settling, wire
from smsgate.idle import Idle
from smsgate.message import InboundMessage, StatusReport
from smsgate.offering import Offered, Terms
from smsgate.programme import Programme
from smsgate.shares import Ask
from smsgate.store import inbound, quarantine
from smsgate.store import outbox as store
from smsgate.store.database import Store
from smsgate.store.failures import attempted
from smsgate.store.inbound import Arrival, Saved
from smsgate.store.revisions import ORDERS
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

Row = dict[str, Any]

logger = log.get(__name__)


class Answer(msgspec.Struct, frozen=True):
    """What a poll is told, and what was done for it."""

    offers: Sequence[Offered] = ()
    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    quarantined: int = 0


class PollJob(Job[Answer]):
    """One poll's work. `messages` and `arrivals` belong together, place by place."""

    def __init__(
        self, said: wire.Poll, *, account: str, at: datetime, programme: Programme
    ) -> None:
        self.account = account
        self.at = at
        self.lease = programme.lease
        self.offers = programme.offers_to_phones
        self.reports = said.reports
        self.messages: list[InboundMessage] = []
        self.arrivals: list[Arrival] = []
        self.set_aside: list[Row] = []
        self._said = said
        self.programme = programme

    @property
    def weight(self) -> int:
        """Roughly how many rows it writes."""
        said = self._said
        return 1 + 4 * len(said.messages) + len(said.reports) + len(said.unreadable)

    def prepare(self) -> None:
        """Read the texts."""
        self.set_aside = [
            quarantine.item(
                source=wire.SOURCE,
                gateway=self.account,
                reason=item.reason,
                raw=item.raw,
                at=self.at,
            )
            for item in self._said.unreadable
        ]
        self.messages, self.arrivals, aside = intake.take_in_all(
            self._said.messages, self.programme
        )
        self.set_aside += aside

    @classmethod
    async def run_many(cls, connection: Connection, jobs: Sequence[Self]) -> list[Answer]:
        """Save, then settle, then offer, each for all jobs at once."""
        arrivals = [arrival for job in jobs for arrival in job.arrivals]
        replies: list[Row] = []

        async def put(_: Connection, rows: Sequence[Row]) -> None:
            replies.extend(rows)

        limits = jobs[-1].programme.limits
        saved = iter(await inbound.save(connection, arrivals, limits=limits, put=put))
        outcomes = [[next(saved) for _ in job.arrivals] for job in jobs]
        await quarantine.add(connection, [row for job in jobs for row in job.set_aside])
        await settling.settle(
            connection, [report for job in jobs for report in job.reports], source=wire.SOURCE
        )
        offers = await _offers(connection, jobs, replies)
        return [
            _answer(job, outcome, offer)
            for job, outcome, offer in zip(jobs, outcomes, offers, strict=True)
        ]

    async def rescue(self, connection: Connection, error: Exception) -> Answer:
        """Do it item by item: what cannot be stored is quarantined, the rest goes through."""
        logger.error("poll redone item by item", account=self.account, exc_info=error)
        outcomes: list[Saved] = []
        quarantined = list(self.set_aside)
        for message, arrival in zip(self.messages, self.arrivals, strict=True):
            limits = self.programme.limits
            saved = await attempted(
                connection, partial(inbound.save, connection, [arrival], limits=limits)
            )
            if isinstance(saved, Exception):
                reason = f"storing_failed: {type(saved).__name__}"
                quarantined.append(intake.set_aside(message, reason))
            else:
                outcomes += saved
        for report in self.reports:
            settle = partial(settling.settle, connection, [report], source=wire.SOURCE)
            fault = await attempted(connection, settle)
            if isinstance(fault, Exception):
                quarantined.append(_report_row(report, fault))
        await quarantine.add(connection, quarantined)
        offers = await _offers(connection, [self])
        return _answer(self, outcomes, offers[0], quarantined=len(quarantined))


class Gateway:
    """Answers the polls of phones."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._idle = Idle(store)

    async def poll(
        self,
        said: wire.Poll,
        *,
        account: str,
        at: datetime,
        programme: Programme,
        revisions: Mapping[str, int] | None = None,
    ) -> Answer:
        """Take in what a phone said and give it what waits.

        Args:
            said: the poll.
            account: whose it is.
            at: now.
            programme: the settings in force.
            revisions: the store's change counters as of this request.

        Raises:
            StoreBusy, StoreUnavailable: nothing was acknowledged; the phone will say it again.
        """
        offers = programme.offers_to_phones
        if not said.messages and not said.reports and not said.unreadable:
            orders = (revisions or {}).get(ORDERS, 0)
            if not offers or self._idle.holds(account, orders=orders, programme=programme, at=at):
                return Answer()
            glance = await self._glance(account, at, programme, orders)
            if not glance.work:
                return Answer(offers=glance.held)
        return await self._store.write(PollJob(said, account=account, at=at, programme=programme))

    async def _glance(
        self, account: str, at: datetime, programme: Programme, orders: int
    ) -> offering.Glance:
        version = self._idle.version()
        async with self._store.read() as connection:
            glance = await offering.glance(
                connection, account, now=at, lease=programme.lease, terms=_terms(programme)
            )
            if glance.work or glance.held:
                return glance
            until = await store.next_change(connection, at)
        self._idle.mark(
            account, version=version, orders=orders, programme=programme, at=at, until=until
        )
        return glance


async def _offers(
    connection: Connection, jobs: Sequence[PollJob], new: Sequence[Row] = ()
) -> list[Sequence[Offered]]:
    """What each job's phone is given; `new` replies are stored on the way."""
    asking = [job for job in jobs if job.offers]
    if not asking:
        await store.add_messages(connection, new)
        return [() for _ in jobs]
    asks = [
        Ask(job.account, frozenset(arrival.inbound["id"] for arrival in job.arrivals))
        for job in asking
    ]
    # One time for the group: the latest, so that a reply made a moment ago is due.
    now = max(job.at for job in asking)
    given = iter(
        await offering.offer(
            connection,
            asks,
            now=now,
            lease=asking[0].lease,
            terms=_terms(asking[-1].programme),
            new=new,
        )
    )
    return [next(given) if job.offers else () for job in jobs]


def _terms(programme: Programme) -> Terms:
    return Terms(programme.queue, programme.opted_out)


def _answer(
    job: PollJob,
    saved: Sequence[Saved],
    offers: Sequence[Offered],
    *,
    quarantined: int | None = None,
) -> Answer:
    outcomes = [outcome.outcome for outcome in saved]
    if "conflict" in outcomes:
        logger.warning(
            "id reused for another text", account=job.account, count=outcomes.count("conflict")
        )
    return Answer(
        offers=offers,
        stored=len(outcomes) - outcomes.count("duplicate"),
        duplicates=outcomes.count("duplicate"),
        conflicts=outcomes.count("conflict"),
        quarantined=len(job.set_aside) if quarantined is None else quarantined,
    )


def _report_row(report: StatusReport, fault: Exception) -> Row:
    return quarantine.item(
        source=wire.SOURCE,
        gateway=report.gateway,
        reason=f"report_failed: {type(fault).__name__}",
        raw=wire.raw_json(
            {"id": report.message_id, "status": report.status, "reason": report.reason}
        ),
        at=report.at,
    )
