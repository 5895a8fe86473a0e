"""An empty poll costs no query while nothing can have changed, and misses nothing that did."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgate import wire
from smsgate.gateway import Gateway
from smsgate.message import State
from smsgate.programme import Programme, build
from smsgate.registry import FormSet
from smsgate.store.database import Store
from tests import make
from tests.make import NOON
from tests.store.test_outbox import add

SECOND = timedelta(seconds=1)


class Counted(Store):
    """A store that counts how often it is read."""

    reads = 0

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        self.reads += 1
        async with super().read() as connection:
            yield connection


class Phone:
    """One account's polls, and whether they cost a look at the database."""

    def __init__(self, store: Counted) -> None:
        self.store, self.gateway = store, Gateway(store)
        self.programme: Programme = build({}, version=1, files=FormSet())

    async def poll(self, seconds: float = 0) -> tuple[list[str], bool]:
        before = self.store.reads
        answer = await self.gateway.poll(
            wire.Poll(), account="one", at=NOON + seconds * SECOND, programme=self.programme
        )
        return [given.id for given in answer.offers], self.store.reads > before


@pytest.fixture
async def phone(database_url: str) -> AsyncIterator[Phone]:
    store = Counted(database_url)
    async with store:
        await listening(store)
        yield Phone(store)


async def listening(store: Store) -> None:
    """On PostgreSQL: what other processes commit is heard from here on."""
    store.version()
    if store._notices is not None:
        await store._notices.proved()


async def test_an_empty_poll_is_remembered(phone: Phone) -> None:
    assert await phone.poll() == ([], True)
    for second in range(3):
        assert await phone.poll(second) == ([], False)
    assert await phone.poll(-1) == ([], True)  # a clock that was set back proves nothing


async def test_what_this_process_writes_is_seen_at_once(phone: Phone) -> None:
    await phone.poll()
    ids = await add(phone.store, make.outbound())
    assert (await phone.poll())[0] == ids
    assert (await phone.poll(1))[0] == ids  # held, so there is no mark
    assert await phone.poll(2) == (ids, True)


async def test_a_due_time_and_a_lease_end_the_mark(phone: Phone) -> None:
    later, other = await add(
        phone.store,
        make.outbound(due_at=NOON + 60 * SECOND),
        make.outbound(gateway="two"),
    )
    await phone.poll()
    assert await phone.poll(59) == ([], False)
    assert (await phone.poll(60))[0] == [later]
    assert other not in (await phone.poll(61))[0]


async def test_other_settings_end_the_mark(phone: Phone) -> None:
    await phone.poll()
    phone.programme = build({}, version=2, files=FormSet())
    assert await phone.poll() == ([], True)


async def test_what_another_process_writes_is_seen(phone: Phone, database_url: str) -> None:
    async with Store(database_url) as elsewhere:
        await phone.poll()
        ids = await add(elsewhere, make.outbound(), make.outbound(state=State.SCHEDULED))
        await listening(phone.store)
        assert (await phone.poll())[0] == ids[:1]
