"""Reading strangers' JSON: strictly UTF-8, numbers that fit, no NaN, bounded depth.

The fast reader (msgspec) refuses a lone surrogate anywhere in a body. One odd character must not
cost a phone its whole batch, so such a body is read again by the slow one, which lets it through:
the store writes U+FFFD in its place (decision 5).
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

MAX_DEPTH = 200

_DECODER = msgspec.json.Decoder()
_LONGEST_INTEGER = 19  # digits; what int64 can hold


@dataclass(frozen=True, slots=True)
class BadJson:
    """The body is no JSON we can take; `reason` says why, without quoting it."""

    reason: str


def read(body: bytes) -> Any | BadJson:
    """The JSON value in `body`, or `BadJson`. Integers beyond 64 bits come out as text."""
    try:
        value = _DECODER.decode(body)
    except RecursionError:
        return BadJson("nested too deeply")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        value = _read_slowly(body)
    # What has few brackets needs no walk.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _too_deep(value):
        return BadJson("nested too deeply")
    return value


def _read_slowly(body: bytes) -> Any | BadJson:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return BadJson("not UTF-8")
    try:
        return json.loads(
            text, parse_int=_integer, parse_float=_finite, parse_constant=_refuse_constant
        )
    except RecursionError:
        return BadJson("nested too deeply")
    except ValueError:
        return BadJson("malformed")


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits.lstrip("-")) <= _LONGEST_INTEGER else digits


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):  # 1e999
        raise ValueError(digits)
    return value


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(word)


def _too_deep(value: Any) -> bool:
    # Level by level rather than by recursion: the input chooses the depth.
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def write(value: Any) -> str:
    """`value` as JSON text, key order kept."""
    return msgspec.json.encode(value).decode()


def storable(text: str) -> str:
    """`text` with what PostgreSQL refuses and SQLite hides (NUL, lone surrogates) as U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    return text.replace("\0", "\ufffd") if "\0" in text else text


def storable_tree(value: Any) -> Any:
    """A JSON value with every text in it storable; keys too."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [storable_tree(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): storable_tree(item) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > sys.maxsize:
        return str(value)
    return value
