"""Reading what strangers send over HTTP, for aggregators: forms, JSON, numbers, times. Pure."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from smsgate import jsontext
from smsgate.aggregators.base import Secret

_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\Z")
_ADDRESS = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#@]*)?\Z", re.ASCII)
_DIGITS = re.compile(r"[0-9]{1,9}\Z")
_UNENCODED_PLUS = re.compile(r" [1-9][0-9]{6,14}\Z")


def pairs(raw: bytes) -> list[tuple[str, str]]:
    """The pairs of a query string or of a form, in order; what is no UTF-8 as U+FFFD."""
    text = raw.decode("utf-8", "replace")
    return parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace")


def form(raw: bytes) -> dict[str, str] | None:
    """A form's fields; None where a field is given twice with different values."""
    found: dict[str, str] = {}
    for name, value in pairs(raw):
        if found.setdefault(name, value) != value:
            return None
    return found


def number(text: str) -> str:
    """A phone number from a form, with the `+` that a sender forgot to encode.

    In a form `+` means a space, so `from=+254…` arrives as ` 254…`.
    """
    return f"+{text[1:]}" if _UNENCODED_PLUS.match(text) else text


def json_object(raw: bytes) -> dict[str, Any] | None:
    """The JSON object in `raw`, None where there is none."""
    value = jsontext.read(raw)
    return value if isinstance(value, dict) else None


def text(value: Any) -> str | None:
    """A JSON value as text; a number as its digits, None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(value)


def raw_json(value: Any) -> bytes:
    """`value` as JSON, escaped so that any text survives: how unreadable items are kept."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()


def time(said: str | None) -> datetime | None:
    """A time in ISO 8601, with `T` or a space; without a zone it is UTC (decision 23)."""
    try:
        read = datetime.fromisoformat(said or "")
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # year 1 in the far east has no UTC
        return None


def whole(value: Any) -> int | None:
    """A count or a code as a whole number, also where it came as text."""
    if isinstance(value, str) and _DIGITS.match(value):
        return int(value)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def address(value: Any) -> str | None:
    """An `http(s)` address without a slash at its end; None where `value` is none."""
    return value.rstrip("/") if isinstance(value, str) and _ADDRESS.match(value) else None


def fits_a_header(secret: Secret) -> bool:
    """Whether a header can carry it: a line break at its end, as `curl -d @file` leaves, cannot."""
    return _HEADER.match(secret) is not None
