"""What a simulated phone shows: one line while it runs, and the account at the end."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TextIO

from smsgate.simulate.handset import Phone
from smsgate.simulate.rows import Outgoing, Status

_PLAIN_LINE_EVERY = 5.0
_REWRITE_EVERY = 0.1
_SHOWN_IDS = 5


class Expect(StrEnum):
    """Whether every SMS must be replied to. AUTO: yes, as soon as one was."""

    AUTO = "auto"
    YES = "yes"
    NO = "no"


@dataclass(slots=True)
class RunCounts:
    """What happened on the line in this run; what is known of messages is in the phone."""

    polls: int = 0
    unheard: int = 0
    dropped: int = 0
    repeated: int = 0
    messages_again: int = 0
    unreadable: int = 0
    refusals: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Tally:
    """The account of a run.

    `lost` names inbound SMS that nobody answered, `doubled` outbound messages that say the same to
    the same person once more than that person wrote, `corrupted` outbound messages that came again
    with another text or recipient. `strangers` are outbound messages to people who sent nothing:
    counted, never judged, since nothing here knows how many were meant.
    """

    sent: int
    acknowledged: int
    offers: int
    replies: int
    strangers: int
    delivered: int
    failed: int
    late_offers: int
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    corrupted: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Nothing lost, doubled or changed, and everything the phone had was taken."""
        return not (self.lost or self.doubled or self.corrupted) and self.acknowledged == self.sent


def who(number: str) -> str:
    """A person, however the number is written: `0712…` and `+254712…` share nine digits."""
    digits = "".join(c for c in number if c.isdecimal())
    return digits[-9:] if len(digits) >= 7 else number.casefold()


def tally(phone: Phone, expect: Expect = Expect.AUTO) -> Tally:
    """Count and judge what the phone has seen so far. Each SMS is owed one reply."""
    owed: defaultdict[str, list[str]] = defaultdict(list)
    for sms in phone.sms.values():
        owed[who(sms.sender)].append(sms.id)
    replies: defaultdict[str, list[Outgoing]] = defaultdict(list)
    strangers = 0
    for outgoing in phone.outgoing.values():
        if who(outgoing.to) in owed:
            replies[who(outgoing.to)].append(outgoing)
        else:
            strangers += 1
    doubled: list[str] = []
    lost: list[str] = []
    counted = expect is Expect.YES or (expect is Expect.AUTO and bool(replies))
    for person, sent in owed.items():
        same: defaultdict[str, list[str]] = defaultdict(list)
        for reply in replies.get(person, ()):
            same[reply.content].append(reply.id)
        for ids in same.values():
            doubled.extend(ids[len(sent) :])
        if counted:
            lost.extend(sent[len(replies.get(person, ())) :])
    statuses = Counter(outgoing.status for outgoing in phone.outgoing.values())
    return Tally(
        sent=len(phone.sms),
        acknowledged=sum(sms.forwarded for sms in phone.sms.values()),
        offers=sum(outgoing.offers for outgoing in phone.outgoing.values()),
        replies=sum(map(len, replies.values())),
        strangers=strangers,
        delivered=statuses[Status.DELIVERED],
        failed=statuses[Status.FAILED],
        late_offers=sum(outgoing.late_offers for outgoing in phone.outgoing.values()),
        lost=tuple(lost),
        doubled=tuple(doubled),
        corrupted=tuple(o.id for o in phone.outgoing.values() if o.conflicts),
    )


def summary(result: Tally, counts: RunCounts) -> list[str]:
    """The lines printed at the end: counts and ids, never a number or a text."""
    lines = [
        f"sms sent: {result.sent}",
        f"sms acknowledged: {result.acknowledged}",
        f"messages received: {result.offers}",
        f"distinct message ids: {result.replies + result.strangers}",
        f"replies: {result.replies}",
        f"messages to others: {result.strangers}",
        f"delivered: {result.delivered}",
        f"failed: {result.failed}",
        f"polls: {counts.polls}",
        f"responses not read: {counts.unheard} (dropped on purpose {counts.dropped})",
        f"batches sent again: {counts.repeated} (with {counts.messages_again} sms)",
    ]
    lines += [f"refused: {count} x {why}" for why, count in counts.refusals.most_common()]
    if counts.unreadable:
        lines.append(f"unreadable entries: {counts.unreadable}")
    if result.late_offers:
        lines.append(f"offered again after their final status was taken: {result.late_offers}")
    for name in ("corrupted", "doubled", "lost"):
        ids: tuple[str, ...] = getattr(result, name)
        more = " …" if len(ids) > _SHOWN_IDS else ""
        shown = f" ({', '.join(i[:80] for i in ids[:_SHOWN_IDS])}{more})" if ids else ""
        lines.append(f"{name}: {len(ids)}{shown}")
    lines.append("result: " + ("ok" if result.clean else "FAILED"))
    return lines


class Progress:
    """One line, rewritten on a terminal; elsewhere a line every few seconds and at each trouble."""

    def __init__(self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._rewrites = stream.isatty()
        self._every = _REWRITE_EVERY if self._rewrites else _PLAIN_LINE_EVERY
        self._next = clock() + self._every
        self._trouble: str | None = None
        self._open = False

    def show(self, phone: Phone, *, total: int, counts: RunCounts, trouble: str | None) -> None:
        """Say where the run stands, and what went wrong at the last poll, if anything."""
        fresh, self._trouble = trouble not in (None, self._trouble), trouble
        if not fresh and self._clock() < self._next:
            return
        self._next = self._clock() + self._every
        now = tally(phone, Expect.NO)
        line = (
            f"sms {now.acknowledged}/{total} acknowledged, messages {len(phone.outgoing)} received,"
            f" {now.delivered} delivered, {now.failed} failed, polls {counts.polls}"
            + (f" | {trouble}" if trouble else "")
        )
        self._stream.write(f"\r{line}\x1b[K" if self._rewrites else f"{line}\n")
        self._stream.flush()
        self._open = self._rewrites

    def end(self) -> None:
        """Leave the rewritten line, so that what follows starts on its own."""
        if self._open:
            self._stream.write("\n")
            self._stream.flush()
            self._open = False
