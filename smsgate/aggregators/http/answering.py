"""What a described service answers when it is asked to send: `send.answer`, read and put to use.

What it says is found first, by paths (`json`) or patterns (`text`). Then its word decides, then its
HTTP status written as a word (`HTTP 503`), then the class of the HTTP status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from smsgate import jsontext
from smsgate.aggregators import reading
from smsgate.aggregators.base import Accepted, Answer, Outcome, Refused, Unclear
from smsgate.aggregators.http import finding
from smsgate.aggregators.http.sheet import Sheet
from smsgate.message import State

Kind = Literal["accepted", "retry", "pause", "denied", "failed"]
KINDS: Final[tuple[Kind, ...]] = ("accepted", "retry", "pause", "denied", "failed")
ACCEPTING: Final = (
    State.RECEIVED_BY_GATEWAY,
    State.FORWARDED_BY_GATEWAY,
    State.SENT,
    State.DELIVERED,
)
_RETRYING_HTTP: Final = frozenset({408, 425, 429})
_ONE_MESSAGE_HTTP: Final = frozenset({400, 413, 422})
# What may be kept of words that nobody described: short, and without a number that could be a
# recipient's.
_HARMLESS: Final = re.compile(r"(?!.*[0-9]{6})[A-Za-z0-9][A-Za-z0-9 _.:'-]{0,79}\Z")


@dataclass(frozen=True, slots=True)
class Answers:
    """How answers are understood.

    Attributes:
        json: Where `id`, `status`, `cost` and `parts` are in an answer of JSON.
        text: What an answer of text looks like; the first that fits counts.
        kinds: What words mean.
        states: What an accepted message is, by word; `received-by-gateway` otherwise.
    """

    json: Mapping[str, finding.Path] = field(default_factory=dict)
    text: tuple[finding.Pattern, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    states: Mapping[str, State] = field(default_factory=dict)

    def interpret(self, answer: Answer) -> Outcome:
        """See `Aggregator.interpret`."""
        found = self._found(answer)
        status, http = found.get("status"), f"HTTP {answer.status}"
        kind = self.kinds.get(status) if status is not None else None
        if kind is None and http in self.kinds:
            return self._as(self.kinds[http], answer, found, status or http)
        fine = 200 <= answer.status < 300
        if kind == "accepted" and not fine:
            return Unclear(f"{http} with a word for success")
        if kind is None:
            kind = self._class_of(answer.status)
        if kind is None:
            return Unclear(self._shown(status) if status is not None else f"{http} without a word")
        return self._as(kind, answer, found, status or http)

    def _class_of(self, http: int) -> Kind | None:
        """What an HTTP status alone means; None where it leaves open whether they took it."""
        if http in _RETRYING_HTTP or http >= 500:
            return "retry"
        if http in _ONE_MESSAGE_HTTP:
            return "failed"
        if http >= 300:  # a wrong key, a wrong address: no message goes
            return "pause"
        words_decide = any(
            kind == "accepted" and not word.startswith("HTTP ") for word, kind in self.kinds.items()
        )
        return "accepted" if http >= 200 and not words_decide else None

    def _as(self, kind: Kind, answer: Answer, found: Mapping[str, str], word: str) -> Outcome:
        status, reference = self._shown(word), found.get("id")
        if kind != "accepted":
            return Refused(
                status,
                retry=kind == "retry",
                pause=kind == "pause",
                state=State.DENIED if kind == "denied" else State.FAILED,
                after=answer.retry_after if kind == "retry" else None,
                reference=reference,
            )
        if reference is None and self._names_ids:
            return Unclear(f"{status} without an id")
        return Accepted(
            self.states.get(word, State.RECEIVED_BY_GATEWAY),
            status,
            reference=reference,
            cost=found.get("cost"),
            parts=reading.whole(found.get("parts")),
        )

    @property
    def _names_ids(self) -> bool:
        return "id" in self.json or any("id" in pattern.names for pattern in self.text)

    def _found(self, answer: Answer) -> Mapping[str, str]:
        if self.json:
            value = jsontext.read(answer.body)
            words = {key: finding.word(finding.at(value, path)) for key, path in self.json.items()}
            found = {key: word for key, word in words.items() if word is not None}
            if found:
                return found
        text = answer.body.decode("utf-8", "replace")
        fitting = (pattern.read(text) for pattern in self.text)
        return next((found for found in fitting if found is not None), {})

    def _shown(self, word: str) -> str:
        known = word in self.kinds or word in self.states
        return word if known or _HARMLESS.match(word) else "an unknown word"


def read_answers(sheet: Sheet) -> Answers:
    """The `send.answer` object; what is wrong is noted in the sheet."""
    inner = sheet.object("json")
    paths = {key: inner.path(key) for key in finding.CAPTURES}
    inner.close()
    patterns = []
    for place, text in enumerate(sheet.words("text")):
        found = finding.parse_pattern(text)
        if isinstance(found, str):
            sheet.fault(f"text[{place}]", found)
        else:
            patterns.append(found)
    kinds: dict[str, Kind] = {}
    for kind in KINDS:
        for word in sheet.words(kind):
            if word in kinds:
                sheet.fault(kind, f'has "{word}", which is in {kinds[word]} too')
            kinds[word] = kind
    states = read_states(sheet, "states", ACCEPTING)
    sheet.close()
    return Answers(
        json={key: path for key, path in paths.items() if path is not None},
        text=tuple(patterns),
        kinds=kinds,
        states=states,
    )


def read_states(sheet: Sheet, key: str, allowed: tuple[State, ...]) -> dict[str, State]:
    """An object that says which of our states their words mean."""
    inner = sheet.object(key)
    names = tuple(state.value for state in allowed)
    return {word: State(inner.choice(word, names, names[0])) for word in inner.keys}
