"""What aggregators report of messages, by their own ids for them.

Such an id is stored when the aggregator's answer is; a report may be faster. It then waits as an
orphan, and attaches when the id appears (decision 15).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from smsgate.aggregators.base import Aggregator, Report
from smsgate.jsontext import storable
from smsgate.message import StatusReport
from smsgate.outbox import wire_id
from smsgate.settling import settle
from smsgate.store import orphans, references
from smsgate.store.references import Known
from smsgate.store.transact import Connection

_LONGEST: Final = 500  # what an index still takes


@dataclass(frozen=True, slots=True)
class Said:
    """A report, and when it came."""

    report: Report
    at: datetime


async def take(
    connection: Connection, said: Sequence[Said], *, source: str, routes: Sequence[str]
) -> list[bool]:
    """Apply reports in the order given; those on unknown references wait as orphans.

    Args:
        connection: in a transaction.
        said: the reports.
        source: the aggregator's name.
        routes: the ways out that lead to it.

    Returns:
        For each report whether its message was found.
    """
    if not said:
        return []
    wanted = {_reference(one.report) for one in said if one.report.message_id is None}
    known = await references.find(connection, routes, wanted)
    found = [_resolved(one, known, source) for one in said]
    # Rows are locked before references, here as where references are stored: never in a circle.
    await settle(connection, [report for report in found if report is not None], source=source)
    strangers = [place for place, report in enumerate(found) if report is None]
    if not strangers:
        return [True] * len(said)
    # Their messages may be on their way to being stored: wait for that, then look again.
    missing = {_reference(said[place].report) for place in strangers}
    await references.hold(connection, source, missing)
    late = await references.find(connection, routes, missing)
    for place in strangers:
        found[place] = _resolved(said[place], late, source)
    appeared = [report for place in strangers if (report := found[place]) is not None]
    await settle(connection, appeared, source=source)
    await orphans.add(
        connection, [_orphan(said[place], source) for place in strangers if found[place] is None]
    )
    return [report is not None for report in found]


async def attach(connection: Connection, aggregator: Aggregator, stored: Mapping[str, str]) -> None:
    """Apply the reports that came before their references did.

    Call it in the transaction that stores references, after they are stored and after what the
    aggregator's answer said was applied.

    Args:
        connection: in a transaction.
        aggregator: whose references they are.
        stored: by reference, our message's id as `outbox.wire_id` has it for the attempt.
    """
    if not stored:
        return
    by_reference = {_short(reference): id_ for reference, id_ in stored.items()}
    await references.hold(connection, aggregator.name, by_reference)
    rows = await orphans.take(connection, aggregator.name, by_reference)
    await settle(
        connection,
        [
            StatusReport(
                message_id=by_reference[row["reference"]],
                status=row["status"],
                state=aggregator.meaning(row["status"]),
                reason=row["reason"],
                gateway=row["gateway"],
                at=row["received_at"],
            )
            for row in rows
        ],
        source=aggregator.name,
    )


def _resolved(one: Said, known: Mapping[str, Known], source: str) -> StatusReport | None:
    report = one.report
    former = False
    message_id = report.message_id
    if message_id is None:
        behind = known.get(_reference(report))
        if behind is None:
            return None
        message_id, former = wire_id(behind.message_id, behind.retries), behind.former
    return StatusReport(
        message_id=storable(message_id),
        status=_short(report.status),
        state=report.state,
        reason=_short(report.reason) if report.reason else None,
        gateway=source,
        at=one.at,
        former=former,
    )


def _orphan(one: Said, source: str) -> dict[str, Any]:
    return orphans.orphan(
        source=source,
        reference=_reference(one.report),
        status=_short(one.report.status),
        reason=_short(one.report.reason) if one.report.reason else None,
        gateway=source,
        at=one.at,
    )


def _reference(report: Report) -> str:
    return _short(report.reference)


def _short(text: str) -> str:
    return storable(text)[:_LONGEST]
