"""Several workers on one database: each message once, one rate for all, a command of its own."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from smsgate.store.database import Store
from tests import fake_services
from tests.pushes import Clock, Pushing, pushing_to

ROOT = Path(__file__).parents[2]
OUTGOING = "africastalking.com:outgoing"


async def test_four_workers_send_each_message_once(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has one worker")
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(fake_services.africastalking(latency=0.005))
        pushes: list[Pushing] = []
        for _ in range(4):
            store = await stack.enter_async_context(Store(database_url))
            pushes.append(await stack.enter_async_context(pushing_to(store, fake.url, parallel=4)))
        ids = await pushes[0].enqueue(200)
        await fake.service.until(lambda: len(fake.service.taken) == len(ids), seconds=60)
        for id_ in ids:
            row = await pushes[0].until_state(id_, "sent")
            assert row["attempts"] == 1
        assert not fake.service.doubled
        assert fake.service.most_in_flight <= 16
        assert len([push for push in pushes if push.tally.pushes]) > 1


async def test_one_rate_for_all(database_url: str) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("SQLite has one worker")
    async with AsyncExitStack() as stack:
        fake = await stack.enter_async_context(fake_services.africastalking())
        clock = Clock()
        clock.stop()
        pushes: list[Pushing] = []
        for _ in range(2):
            store = await stack.enter_async_context(Store(database_url))
            pushing = pushing_to(store, fake.url, clock=clock, segments_per_second=10)
            pushes.append(await stack.enter_async_context(pushing))
        await pushes[0].enqueue(40)
        for seconds in range(1, 5):
            await fake.service.until(lambda: len(fake.service.taken) >= seconds * 10)  # noqa: B023 - used at once
            assert len(fake.service.taken) == seconds * 10
            clock.move(seconds=1)
            for push in pushes:
                push.dispatcher.wake()


@pytest.mark.slow
async def test_work_sends_what_a_server_without_dispatch_leaves(
    database_url: str, tmp_path: Path
) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("`smsgate work` needs PostgreSQL")

    def smsgate(*words: str, **more: Any) -> Any:
        where = ["--data", str(tmp_path), "--database", database_url]
        command = [sys.executable, "-m", "smsgate", *words, *where]
        return asyncio.create_subprocess_exec(*command, cwd=ROOT, **more)

    async with fake_services.africastalking() as fake, Store(database_url) as store:
        async with pushing_to(store, fake.url, start=False) as push:
            (id_,) = await push.enqueue()
        async with asyncio.timeout(60):
            pipe = asyncio.subprocess.PIPE
            storing = await smsgate("credential", "put", OUTGOING, "--stdin", stdin=pipe)
            await storing.communicate(b"fake-key")
            assert storing.returncode == 0
            worker = await smsgate("work", stdout=pipe)
            assert await worker.stdout.readline() == b"smsgate works\n"
            await fake.service.until(lambda: bool(fake.service.taken), seconds=60)
            worker.send_signal(signal.SIGTERM)
            assert await worker.wait() == 0
        assert (await push.row(id_))["state"] == "sent"
