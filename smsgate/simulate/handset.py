"""A phone running cht-gateway, as a state machine: what it stores, says and makes of an answer.

No I/O and no clock here: time is passed in as epoch milliseconds, answers as status and bytes.
Source of every rule: the Android client's behaviour (protocol specification §1.7).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass

from smsgate.simulate.rows import (
    MESSAGES_PER_POLL,
    UPDATES_PER_POLL,
    Batch,
    Outgoing,
    Report,
    Row,
    Sms,
    Status,
)

SENT_PER_TIMER = 10

# Only these characters can be dialled; anything else is FAILED without going to the radio.
_DIALABLE = re.compile(r"\+?[0-9.\-]++")
_INVALID_DESTINATION = "destination.invalid"
_UNDELIVERED = "Delivery failed: "
FAILURES = (
    "generic; errorCode=38",
    "generic; no errorCode supplied",
    "no-service",
    "null-pdu",
    "radio-off",
    "unknown; resultCode=137",
    _UNDELIVERED + "GSM status 0x41",
)
_REFUSALS = {
    401: "user or password refused",
    403: "the account may not be a gateway",
    404: "nothing there: is the path right?",
    413: "batch too large for the server",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the phone made of a response.

    `accepted`: the batch counts as delivered. `problem`: one line without content, None if all was
    well. `new`, `known` and `unreadable` count the outbound entries in it.
    """

    accepted: bool
    problem: str | None = None
    new: int = 0
    known: int = 0
    unreadable: int = 0


class Phone:
    """One phone and its database.

    Give it the rows of an earlier run to carry on. `fail_rate` is the share of outbound SMS that
    will fail; `rng` decides which. Usage: `receive` what arrives, send `request().body()`, give the
    response to `answered` (or nothing, if none was heard: the same batch comes again), let `radio`
    move what is being sent, and save `changes()` before each request.
    """

    def __init__(
        self,
        rows: Iterable[Row] = (),
        *,
        fail_rate: float = 0.0,
        rng: random.Random | None = None,
    ) -> None:
        self.sms: dict[str, Sms] = {}
        self.outgoing: dict[str, Outgoing] = {}
        self._fail_rate = fail_rate
        self._rng = rng or random.Random()  # noqa: S311  which SMS fails is no secret
        self._waiting: dict[str, Sms] = {}
        self._walking: dict[str, Outgoing] = {}
        self._open: dict[str, Outgoing] = {}
        self._untold: dict[tuple[str, Status], tuple[Outgoing, Report]] = {}
        self._held: Batch | None = None
        self._changed: dict[tuple[type[Row], str], Row] = {}
        for row in rows:
            self._load(row)
        for outgoing, report in sorted(self._reports(), key=lambda pair: pair[1].at):
            self._untold[outgoing.id, report.status] = outgoing, report

    def _load(self, row: Row) -> None:
        if isinstance(row, Sms):
            self.sms[row.id] = row
            if not row.forwarded:
                self._waiting[row.id] = row
            return
        self.outgoing[row.id] = row
        if not row.final:
            self._walking[row.id] = row
        if not row.final or not row.reports[-1].told:
            self._open[row.id] = row

    def _reports(self) -> list[tuple[Outgoing, Report]]:
        return [(o, r) for o in self.outgoing.values() for r in o.reports if not r.told]

    @property
    def settled(self) -> bool:
        """Every SMS was acknowledged, and so was a final status of every outbound one."""
        return not self._waiting and not self._open

    def receive(self, sms: Sms) -> None:
        """An SMS came in over the air: store it for the next poll."""
        self.sms[sms.id] = self._waiting[sms.id] = sms
        self._touch(sms)

    def request(self) -> Batch:
        """What the next poll says: oldest first, or the last batch again if it was not heard."""
        if self._held is None or not (self._held.messages or self._held.updates):
            messages = tuple(self._waiting.values())[:MESSAGES_PER_POLL]
            updates = tuple(self._untold.values())[:UPDATES_PER_POLL]
            self._held = Batch(messages, updates)
            return self._held
        return Batch(self._held.messages, self._held.updates, again=True)

    def answered(self, status: int, body: bytes, *, now: int) -> Answer:
        """Take in the response to the last `request`.

        Success is a 2xx whose body is a JSON object, whatever its Content-Type says; then the whole
        batch is done with, before `messages` is looked at. Anything else marks nothing.
        """
        if not 200 <= status <= 299:
            return Answer(accepted=False, problem=_refusal(status))
        document = read_json(body)
        if not isinstance(document, dict):
            what = "no body" if not body.strip() else "something else than a JSON object"
            return Answer(accepted=False, problem=f"HTTP {status} with {what}")
        self._acknowledge()
        offered = document.get("messages")
        if offered is None:
            return Answer(accepted=True)
        if not isinstance(offered, list):
            return Answer(accepted=True, problem="`messages` in the answer is no array")
        counts = {"new": 0, "known": 0, "unreadable": 0}
        for entry in offered:
            counts[self._take(entry, now)] += 1
        problem = f"{counts['unreadable']} unreadable entries" if counts["unreadable"] else None
        return Answer(accepted=True, problem=problem, **counts)

    def _acknowledge(self) -> None:
        if self._held is None:
            return
        for sms in self._held.messages:
            sms.forwarded = True
            self._waiting.pop(sms.id, None)
            self._touch(sms)
        for outgoing, report in self._held.updates:
            report.told = True
            self._untold.pop((outgoing.id, report.status), None)
            if report is outgoing.reports[-1] and outgoing.final:
                self._open.pop(outgoing.id, None)
            self._touch(outgoing)
        self._held = None

    def _take(self, entry: object, now: int) -> str:
        """Store one offered entry; a known id has its latest status reported again instead."""
        if not isinstance(entry, dict):
            return "unreadable"
        ref, to, content = (_as_text(entry.get(key)) for key in ("id", "to", "content"))
        if ref is None or to is None or content is None:
            return "unreadable"
        to = to.replace(" ", "").replace("-", "")
        known = self.outgoing.get(ref)
        if known is None:
            fate = self._rng.choice(FAILURES) if self._rng.random() < self._fail_rate else None
            fresh = Outgoing(id=ref, to=to, content=content, fate=fate, reports=[])
            self.outgoing[ref] = self._walking[ref] = self._open[ref] = fresh
            self._move(fresh, Status.UNSENT, now)
            return "new"
        known.offers += 1
        known.conflicts += (known.to, known.content) != (to, content)
        known.late_offers += ref not in self._open
        latest = known.reports[-1]
        latest.told = False
        self._untold[ref, latest.status] = known, latest
        self._touch(known)
        return "known"

    def radio(self, *, now: int) -> None:
        """What happens between two timer polls: each SMS moves one stage, ten at most set out."""
        setting_out = 0
        for outgoing in list(self._walking.values()):
            if outgoing.status is Status.UNSENT:
                if setting_out == SENT_PER_TIMER:
                    continue
                setting_out += 1
                dialable = _DIALABLE.fullmatch(outgoing.to) is not None
                if dialable:
                    self._move(outgoing, Status.PENDING, now)
                else:
                    self._move(outgoing, Status.FAILED, now, _INVALID_DESTINATION)
            else:
                on_the_way = outgoing.status is Status.PENDING
                fate = outgoing.fate
                if fate is not None and fate.startswith(_UNDELIVERED) is not on_the_way:
                    self._move(outgoing, Status.FAILED, now, fate)
                else:
                    self._move(outgoing, Status.SENT if on_the_way else Status.DELIVERED, now)

    def _move(
        self, outgoing: Outgoing, status: Status, now: int, reason: str | None = None
    ) -> None:
        report = Report(status=status, at=now, reason=reason)
        outgoing.reports.append(report)
        self._untold[outgoing.id, status] = outgoing, report
        if outgoing.final:
            self._walking.pop(outgoing.id, None)
        self._touch(outgoing)

    def _touch(self, row: Row) -> None:
        self._changed[type(row), row.id] = row

    def changes(self) -> list[Row]:
        """The rows that changed since this was last asked: what the database has to write."""
        rows = list(self._changed.values())
        self._changed.clear()
        return rows


def read_json(body: bytes) -> object:
    """A response body as the phone reads it: UTF-8 whatever was declared; None if no JSON."""
    try:
        document: object = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return document


def _as_text(value: object) -> str | None:
    """Text, or a number as text; anything else makes the entry unreadable."""
    if isinstance(value, str):
        # JSON can spell half a surrogate pair, which neither a file nor a request can carry.
        return value.encode("utf-8", "replace").decode()
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _refusal(status: int) -> str:
    if 300 <= status <= 399:
        return f"HTTP {status}: a redirect, which a phone must never get (silent loss)"
    if status in _REFUSALS:
        return f"HTTP {status}: {_REFUSALS[status]}"
    return f"HTTP {status}: {'the server failed' if status >= 500 else 'not accepted'}"
