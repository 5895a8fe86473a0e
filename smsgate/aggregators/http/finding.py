"""Finding values in what a service says: a path into JSON, or a pattern of text.

A path is names and places, `messages[0].status`. A pattern is the text as it comes, with `{id}`,
`{status}`, `{cost}` or `{parts}` where that stands and `{}` where anything may; it begins where
the answer begins. Both are read in time that grows no faster than the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

CAPTURES: Final = ("id", "status", "cost", "parts")
_STEP: Final = re.compile(r"\.?(?P<name>[^.\[\]]+)|\[(?P<place>[0-9]{1,6})\]")
_GAP: Final = re.compile(r"\{(?P<name>[a-z]*)\}")
_LONGEST_ANSWER: Final = 4096  # characters of a text answer that are looked at

Path = tuple[str | int, ...]


def parse_path(text: str) -> Path | None:
    """A path such as `a.b[0].c`, None where `text` is none."""
    steps: list[str | int] = []
    place = 0
    while place < len(text):
        match = _STEP.match(text, place)
        if match is None or (place == 0 and match[0].startswith(".")):
            return None
        if match["name"] is not None and place and not match[0].startswith("."):
            return None  # `a[0]b`
        steps.append(int(match["place"]) if match["place"] is not None else match["name"])
        place = match.end()
    return tuple(steps) or None


def at(value: Any, path: Path) -> Any:
    """What is at `path` in a JSON value, None where nothing is."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return None
            value = value[step]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


def word(value: Any) -> str | None:
    """A JSON value as a word: text without white space around it, a number, `true`, `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return (value.strip() or None) if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Pattern:
    """Text, and what stands after each piece of it: a name, "" for anything, None at the end."""

    pieces: tuple[tuple[str, str | None], ...]

    @property
    def names(self) -> frozenset[str]:
        """What it finds."""
        return frozenset(name for _, name in self.pieces if name)

    def read(self, answer: str) -> Mapping[str, str] | None:
        """What the answer says; None where it does not fit. No step is ever taken back."""
        text = answer[:_LONGEST_ANSWER].strip()
        literal, pending = self.pieces[0]
        if not text.startswith(literal):
            return None
        place = len(literal)
        found: dict[str, str] = {}
        for literal, following in self.pieces[1:]:
            end = text.find(literal, place) if literal else _end_of_line(text, place)
            if end < 0:
                return None
            if pending:
                found[pending] = text[place:end].strip()
            place, pending = end + len(literal), following
        return found


def _end_of_line(text: str, place: int) -> int:
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def parse_pattern(text: str) -> Pattern | str:
    """A pattern; or, as a text, why it is none."""
    pieces: list[tuple[str, str | None]] = []
    place = 0
    for match in _GAP.finditer(text):
        name = match["name"]
        if name and name not in CAPTURES:
            known = ", ".join(f"{{{each}}}" for each in ("", *CAPTURES))
            return f"{{{name}}} is not known here: known are {known}"
        if pieces and place == match.start():
            return "has two gaps with nothing between them: nobody can tell where one ends"
        pieces.append((text[place : match.start()], name))
        place = match.end()
    pieces.append((text[place:], None))
    named = [name for _, name in pieces if name]
    if len(named) != len(set(named)):
        return "names one gap twice"
    return Pattern(tuple(pieces))
