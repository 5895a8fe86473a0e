"""The SMS that reach a simulated phone: who sends what, and how they are spread over the run."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import phonenumbers

from smsgate.simulate.rows import Sms

_NAMES = (
    *("Sam", "Amina", "Grace", "Wanjiru", "Akinyi", "Achieng", "Halima", "Fatuma", "Njeri"),
    *("Mercy", "Faith", "Esther", "Naomi", "Ruth", "Zawadi", "Neema", "Rehema", "Pendo"),
    *("Salome", "Lydia", "Agnes", "Beatrice", "Doris", "Edith", "Florence", "Irene", "Jane"),
    *("Khadija", "Leah", "Mary", "Nancy", "Olive", "Purity", "Rose", "Sarah", "Tabitha"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a messages file: the text, and its sender where the line names one."""

    text: str
    sender: str | None = None


def read_lines(path: Path) -> list[Line]:
    """The messages of a file: a text a line, or sender, tab, text. Blank lines are skipped.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not UTF-8, or has no message in it.
    """
    try:
        raw = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None
    lines = []
    # Not splitlines(): an SMS may hold a form feed or U+2028.
    for row in raw.replace("\r\n", "\n").split("\n"):
        if not row.strip():
            continue
        sender, tab, text = row.partition("\t")
        lines.append(Line(text, sender.strip() or None) if tab else Line(row))
    if not lines:
        raise ValueError(f"{path} has no message in it")
    return lines


class Traffic:
    """Up to `count` SMS from distinct senders, handed out a few at a time.

    `lines` are taken in turn, again from the first when they run out; without them each text is a
    valid message for the demo form. `carried` are those of an earlier run, which count.
    """

    def __init__(
        self,
        count: int,
        *,
        lines: list[Line] | None = None,
        carried: Iterable[Sms] = (),
        rng: random.Random | None = None,
    ) -> None:
        self._rng = rng or random.Random()  # noqa: S311  made-up numbers are no secrets
        self._lines = lines
        self._count = count
        earlier = [sms.sender for sms in carried]
        self._senders = set(earlier) | {line.sender for line in lines or () if line.sender}
        self._made = len(earlier)
        # About a hundred intervals for 500 SMS; a larger run gets larger bursts, not more time.
        self._mean = max(5, count // 200)

    @property
    def left(self) -> int:
        """How many have still to arrive."""
        return max(0, self._count - self._made)

    def arriving(self, *, now: int) -> list[Sms]:
        """The SMS that reach the phone in one interval, at `now` (epoch milliseconds)."""
        size = self._rng.randint(1, 2 * self._mean - 1)
        return [self._next(now) for _ in range(min(size, self.left))]

    def _next(self, now: int) -> Sms:
        if self._lines:
            line = self._lines[self._made % len(self._lines)]
        else:
            week = self._rng.randint(1, 52)
            line = Line(f"1!ANC!{self._rng.choice(_NAMES)}#{week}#2015")
        self._made += 1
        # A text of several parts carries no SMSC time on the phone (protocol §1.7).
        single = len(line.text) <= (160 if line.text.isascii() else 70)
        return Sms(
            id=str(uuid.uuid4()),
            sender=line.sender or self._new_sender(),
            text=line.text,
            sms_sent=now - self._rng.randint(1_000, 20_000) if single else 0,
            sms_received=now,
        )

    def _new_sender(self) -> str:
        """A Kenyan mobile number that nobody else in this run has.

        Random, not counted up: a second run against the same server must not meet the duplicate
        limit, which suppresses the sixth identical reply to one number.
        """
        while True:
            number = f"+2547{self._rng.randrange(10**8):08d}"
            valid = phonenumbers.is_valid_number(phonenumbers.parse(number, None))
            if valid and number not in self._senders:
                self._senders.add(number)
                return number
