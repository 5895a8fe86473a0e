"""What a backup says of itself, in a file beside it: `FILE.json`.

It is what a restore holds the file against before it replaces anything.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

FORMAT: Final = 1
_CHUNK: Final = 1 << 20


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest of a backup.

    Attributes:
        format: Of the manifest itself.
        smsgate: The version that made the backup.
        engine: `sqlite` or `postgresql`.
        schema: The revision of the database.
        at: As of when; what was committed before is in it.
        size: Of the file, in bytes.
        sha256: Of the file, hexadecimal.
        rows: How many rows each table has.
    """

    format: int = FORMAT
    smsgate: str
    engine: str
    schema: str
    at: datetime
    size: int
    sha256: str
    rows: dict[str, int]


def beside(file: Path) -> Path:
    """Where the manifest of `file` is."""
    return file.with_name(file.name + ".json")


def write(manifest: Manifest) -> bytes:
    """A manifest as JSON, for people too."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def read(text: bytes) -> Manifest | None:
    """A manifest, or None where this is none that can be understood."""
    try:
        found = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return None
    return found if found.format == FORMAT and found.at.tzinfo is not None else None


def digest(file: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file.

    Raises:
        OSError: it cannot be read.
    """
    seen = hashlib.sha256()
    size = 0
    with file.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            size += len(chunk)
            seen.update(chunk)
    return size, seen.hexdigest()
