"""Whether a word is still anywhere: in any column of any table, in any byte of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from smsgate.store.database import Store
from smsgate.store.tables import metadata


async def in_tables(store: Store, *words: str) -> list[str]:
    """Where any of the words stands, as `table.column`."""
    found = []
    async with store.read() as connection:
        for table in metadata.sorted_tables:
            for row in (await connection.execute(sa.select(table))).mappings():
                found += [
                    f"{table.name}.{name}"
                    for name, value in row.items()
                    if any(word in _as_text(value) for word in words)
                ]
    return found


def in_files(folder: Path, *words: str) -> list[str]:
    """The files of a folder in which any of the words stands."""
    return [
        file.name
        for file in sorted(folder.rglob("*"))
        if file.is_file() and any(word.encode() in file.read_bytes() for word in words)
    ]


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
