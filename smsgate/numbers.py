"""Numbers as the CHT's forms know them: those of JSON and of ECMAScript's `Number(text)` (§5.8).

`int()` and `float()` alone are wrong both ways: they take `1_000`, `nan` and digits of any script,
and refuse `0x10`.
"""

from __future__ import annotations

import re

from smsgate.text import WHITE_SPACE

_DECIMAL = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?+")
_RADIX = re.compile(r"0(?:[xX][0-9a-fA-F]++|[oO][0-7]++|[bB][01]++)")
_WHOLE_AS_INTEGER = 1e21  # from here on ECMAScript itself writes an exponent


def read_number(text: str) -> int | float | None:
    """Read the whole of `text` as a number, None where it is not one or not finite.

    Args:
        text: Already cleaned (`smsgate.text.clean`): digits are 0-9.

    Returns:
        An `int` where the value is whole (as JSON makes no difference), else a `float`. White
        space around is ignored, and white space alone is 0, as in ECMAScript.
    """
    if len(text) < 16 and text.isdigit() and text.isascii():
        return int(text)
    text = text.strip(WHITE_SPACE)
    if not text:
        return 0
    if _DECIMAL.fullmatch(text):
        return _finite(float(text))
    if _RADIX.fullmatch(text):
        # Longer than 1024 bits is infinite anyway; the cut keeps this linear.
        return _finite(float(int(text[:270], 0))) if len(text) < 270 else None
    return None


def _finite(value: float) -> int | float | None:
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN is not itself
        return None
    if value.is_integer() and abs(value) < _WHOLE_AS_INTEGER:
        return int(value)
    return value


def is_whole(value: object) -> bool:
    """Say whether a JSON value is a whole number (§5.9); true and false are not numbers."""
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and value.is_integer())


def number_text(value: float) -> str:
    """Return a definition's number as the text a person would send for it (decision 20)."""
    return str(int(value)) if is_whole(value) else repr(value)
