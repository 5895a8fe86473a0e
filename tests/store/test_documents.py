"""The settings document: versions that no race loses."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa

from smsgate.document import Mode
from smsgate.programme import PutSettings
from smsgate.store import documents
from smsgate.store.database import Store
from smsgate.store.tables import settings_versions
from tests.make import NOON


def _put(key: str) -> PutSettings:
    return PutSettings(document={key: 1}, mode=Mode.MERGE, by="test", at=NOON)


async def test_two_processes_put_at_once_and_neither_is_lost(database_url: str) -> None:
    async with Store(database_url) as left, Store(database_url) as right:
        # Two at a time: a job alone in its group is not tried a second time.
        done = [
            await asyncio.gather(left.write(_put(f"left{n}")), right.write(_put(f"right{n}")))
            for n in range(20)
        ]
        async with left.read() as connection:
            document = documents.parsed(await documents.newest(connection))
            versions = (
                await connection.execute(sa.select(sa.func.count()).select_from(settings_versions))
            ).scalar_one()
    assert all(all(pair) for pair in done)
    assert {f"{name}{n}" for n in range(20) for name in ("left", "right")} <= document.keys()
    assert versions == 40
