"""A settings document that is given to a command; no database is opened for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from smsgate import jsontext
from smsgate.document import Document
from smsgate.errors import CommandError


def read_document(name: str) -> Document:
    """The settings document in a file, or on standard input for `-`.

    Raises:
        CommandError: it cannot be read, or is no JSON object; the text says where.
    """
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from None
    value = jsontext.read(raw)
    if isinstance(value, jsontext.BadJson):
        raise CommandError(f"{name} is no JSON: {value.reason}{_where(raw)}")
    if not isinstance(value, dict):
        raise CommandError(f"{name} must hold one JSON object")
    return value


def _where(raw: bytes) -> str:
    try:
        json.loads(raw)
    except json.JSONDecodeError as error:
        return f" at line {error.lineno}, column {error.colno}: {error.msg}"
    except (ValueError, RecursionError):
        pass
    return ""
