"""What is left of a record, of an answer and of a remark once content has gone. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from smsgate import jsontext

# Keys of a record that say what it was, not what was in it.
_KEPT: Final = ("type", "content_type", "form", "reported_date")
# Keys of a message, as its answer shows it, that hold content.
_CONTENT: Final = ("to", "content", "original_content")
ERASED: Final = "[erased]"


def record(document: str) -> str:
    """A record's document without texts and numbers: its kind, its form, its time, its errors."""
    read = _object(document)
    left = {key: read[key] for key in _KEPT if isinstance(read.get(key), str | int | float)}
    errors = read.get("errors")
    stated = errors if isinstance(errors, list) else []
    codes = [one.get("code") for one in stated if isinstance(one, dict)]
    return jsontext.write(
        {**left, "errors": [{"code": code} for code in codes], "fields": {}, "blanked": True}
    )


def answer(text: str, concerns: Callable[[str], bool] | None = None) -> str:
    """The answer to a request for messages, without what they said and to whom.

    Args:
        text: JSON of a message or of several, as `smsgate.sending.story` shows them.
        concerns: whether a message to this number is meant; all are by default.
    """
    try:
        read = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return jsontext.write(_without(read, concerns))


def _without(value: Any, concerns: Callable[[str], bool] | None) -> Any:
    if isinstance(value, list):
        return [_without(one, concerns) for one in value]
    if not isinstance(value, dict):
        return value
    if "to" in value and "content" in value:
        meant = concerns is None or (isinstance(value["to"], str) and concerns(value["to"]))
        return {**value, **{key: None for key in _CONTENT if key in value}} if meant else value
    return {key: _without(one, concerns) for key, one in value.items()}


def remark(text: str | None, number: str) -> str | None:
    """A remark of an aggregator or a phone, without the number it may repeat."""
    digits = re.sub(r"\D", "", number)
    if text is None or not digits or digits not in text:
        return text
    return text.replace("+" + digits, ERASED).replace(digits, ERASED)


def _object(text: str) -> dict[str, Any]:
    try:
        read = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return read if isinstance(read, dict) else {}
