"""A sleeper wakes for what this process commits at once, and for what others commit soon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from smsgate import clock
from smsgate.store.database import Store
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from smsgate.waking import Waking
from tests import make
from tests.store.test_outbox import add


class Idle(Job[None]):
    """A job that brings the sleeper nothing."""

    async def run(self, connection: Connection) -> None:
        """See `Job.run`."""


@pytest.fixture
async def waking(store: Store) -> AsyncIterator[Waking]:
    """A sleeper that would look for itself once an hour."""
    sleeper = Waking(store, clock.now, own=(Idle,), tick=3600)
    sleeper.start()
    yield sleeper
    sleeper.stop()


async def test_a_commit_of_this_process_ends_the_sleep(store: Store, waking: Waking) -> None:
    waking.look()
    sleep = asyncio.create_task(waking.sleep(None))
    await asyncio.sleep(0)
    assert not sleep.done()
    await add(store, make.outbound())
    async with asyncio.timeout(5):
        await sleep


async def test_a_commit_between_looking_and_sleeping_is_not_lost(
    store: Store, waking: Waking
) -> None:
    waking.look()
    await add(store, make.outbound())
    async with asyncio.timeout(5):
        await waking.sleep(None)


async def test_its_own_jobs_do_not_end_it(store: Store, waking: Waking) -> None:
    waking.look()
    sleep = asyncio.create_task(waking.sleep(None))
    await store.write(Idle())
    await asyncio.sleep(0)
    assert not sleep.done()
    waking.wake()
    async with asyncio.timeout(5):
        await sleep


async def test_what_another_process_commits_is_seen_at_the_next_look(
    database_url: str, store: Store
) -> None:
    sleeper = Waking(store, clock.now, own=(Idle,), tick=0.01)
    sleeper.start()
    sleeper.look()
    async with Store(database_url) as other:
        sleep = asyncio.create_task(sleeper.sleep(None))
        await add(other, make.outbound())
        async with asyncio.timeout(5):
            await sleep
    sleeper.stop()


async def test_time_ends_it(store: Store) -> None:
    sleeper = Waking(store, clock.now, own=(Idle,), tick=3600)
    sleeper.look()
    async with asyncio.timeout(5):
        await sleeper.sleep(clock.now() + timedelta(milliseconds=20))


async def test_it_lasts_its_least(store: Store, waking: Waking) -> None:
    waking.look()
    await add(store, make.outbound())
    began = time.monotonic()
    await waking.sleep(None, least=0.05)
    assert time.monotonic() - began >= 0.05
