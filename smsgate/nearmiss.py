"""The form a mistyped code was perhaps meant for: a hint for the answer, not a form to store as."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_SHORTEST = 3
_LONGEST = 64


def nearest(code: str, known_codes: Iterable[str]) -> str | None:
    """Return the one known code within one slip of `code`, None where there is none or several.

    A slip is one character too many, too few, another one, or two neighbours swapped; letter case
    and full width are none.

    Args:
        code: The code as sent, at least three characters: of shorter ones everything is near.
        known_codes: The codes of the programme's forms.
    """
    typed = _folded(code)
    if not _SHORTEST <= len(typed) <= _LONGEST:
        return None
    by_folded = {_folded(known): known for known in known_codes if len(known) >= _SHORTEST}
    if typed in by_folded:
        return by_folded[typed]
    found = {known for folded, known in by_folded.items() if _near(typed, folded)}
    return found.pop() if len(found) == 1 else None


def _folded(code: str) -> str:
    return unicodedata.normalize("NFKC", code).casefold()


def _near(typed: str, known: str) -> bool:
    """Say whether at most one slip parts two codes, in one walk from both ends."""
    if abs(len(typed) - len(known)) > 1:
        return False
    start = 0
    shorter = min(len(typed), len(known))
    while start < shorter and typed[start] == known[start]:
        start += 1
    left, right = typed[start:], known[start:]
    if len(left) == len(right):
        return left[1:] == right[1:] or (left[:2] == right[1::-1] and left[2:] == right[2:])
    return left[1:] == right or left == right[1:]
