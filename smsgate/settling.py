"""What phones and aggregators say became of messages: applied forward only (decision 14)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from smsgate import states
from smsgate.message import State, StatusReport
from smsgate.outbox import attempt_of, entry
from smsgate.store import orphans, told
from smsgate.store import outbox as store
from smsgate.store.transact import Connection
from smsgate.tally import note_ignored, note_moved

Row = dict[str, Any]

_FORMER = -1  # the number of no present attempt


async def settle(connection: Connection, reports: Sequence[StatusReport], *, source: str) -> None:
    """Apply what phones and aggregators say became of messages, in the order given.

    A report moves its message forward or is kept as history; a repeat of what is known adds
    nothing; a report on a message that does not exist waits as an orphan. A report on an attempt
    that was given up moves the message only if it proves that the text left.
    """
    if not reports:
        return
    read = [(report, *_about(report)) for report in reports]
    current = await store.lock(connection, {id_ for _, id_, _ in read})
    stories = await told.history(
        connection,
        {
            id_
            for report, id_, attempt in read
            if id_ in current and not may_move(current[id_], report.state, attempt)
        },
    )
    moved: dict[str, Row] = {}
    history: list[Row] = []
    strange: list[Row] = []
    moves: list[tuple[str, str]] = []
    ignored: list[str] = []
    for report, id_, attempt in read:
        row = current.get(id_)
        if row is None:
            strange.append(_orphan(report, source))
            ignored.append("unknown_message")
            continue
        step = _step(id_, report)
        applied = may_move(row, report.state, attempt)
        if applied and report.state is not None:
            moves.append((row["state"], report.state.value))
            row["state"], row["details"] = report.state.value, step["details"]
            moved[id_] = {
                "b_id": id_,
                "b_state": row["state"],
                "b_details": row["details"],
                "b_at": report.at,
            }
        elif _said_before(step, [*stories.get(id_, ()), *history]):
            ignored.append("repeated")
            continue
        else:
            ignored.append(_why_ignored(row, report.state))
        history.append({**step, "applied": applied})
    await store.move(connection, [moved[id_] for id_ in sorted(moved)])
    await store.add_history(connection, history)
    await orphans.add(connection, strange)
    note_moved(moves)
    note_ignored(ignored)


def _why_ignored(row: Mapping[str, Any], reported: State | None) -> str:
    if reported is None:
        return "unknown_status"
    if states.may_report(State(row["state"]), reported):
        return "former_attempt"
    return "late"


def _about(report: StatusReport) -> tuple[str, int]:
    id_, attempt = attempt_of(report.message_id)
    return id_, _FORMER if report.former else attempt


def may_move(row: Mapping[str, Any], reported: State | None, attempt: int) -> bool:
    """Whether a report on one attempt moves the message that `row` is."""
    if reported is None or not states.may_report(State(row["state"]), reported):
        return False
    return attempt == row["retries"] or states.may_report_late(reported)


def _said_before(step: Row, history: Iterable[Row]) -> bool:
    return any(
        past["message_id"] == step["message_id"]
        and past["status"] == step["status"]
        and past["details"] == step["details"]
        for past in history
    )


def _step(id_: str, report: StatusReport) -> Row:
    details = {"reason": report.reason} if report.reason else None
    state = "unrecognised" if report.state is None else report.state
    return entry(id_, state, details, report.gateway, report.at, report.status)


def _orphan(report: StatusReport, source: str) -> Row:
    return orphans.orphan(
        source=source,
        reference=report.message_id,
        status=report.status,
        reason=report.reason,
        gateway=report.gateway,
        at=report.at,
    )
