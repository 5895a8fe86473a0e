"""What runs beside the web, or alone: the passing of time, and what is handed to aggregators."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from smsgate.asking import Asker
from smsgate.dispatch import Dispatcher
from smsgate.heartbeat import Heartbeats
from smsgate.outside import Outside
from smsgate.purging import Keeper
from smsgate.tally import Tally
from smsgate.telling import Teller
from smsgate.timekeeper import Timekeeper


@asynccontextmanager
async def working(
    outside: Outside,
    *,
    tally: Tally,
    heartbeats: Heartbeats | None = None,
    dispatch: bool = True,
    alone: bool = False,
) -> AsyncIterator[None]:
    """Work until the block ends; what is on its way to an aggregator then ends first.

    Args:
        outside: the way to aggregators, with the store and the settings.
        tally: where attempts are counted.
        heartbeats: what phones were last heard of, where this process hears of any.
        dispatch: whether messages are handed to aggregators here.
        alone: whether no other process does that.
    """
    store, programmes, clock = outside.store, outside.programmes, outside.clock
    tasks = [
        asyncio.create_task(Timekeeper(store, clock, heartbeats, programmes).run()),
        asyncio.create_task(Keeper(store, programmes, clock).run()),
    ]
    dispatcher = None
    if dispatch:
        dispatcher = Dispatcher(outside, tally=tally, alone=alone)
        dispatcher.start()
        tasks.append(asyncio.create_task(Asker(outside).run()))
        tasks.append(asyncio.create_task(Teller(outside).run()))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        if dispatcher is not None:
            await dispatcher.stop()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
