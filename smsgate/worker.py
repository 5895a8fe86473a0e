"""What runs beside the web, or alone: the passing of time, and what is handed to aggregators."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.asking import Asker
from smsgate.claiming import Secrets
from smsgate.clock import Clock
from smsgate.dispatch import Dispatcher
from smsgate.heartbeat import Heartbeats
from smsgate.programme import Programmes
from smsgate.purging import Keeper
from smsgate.store.database import Store
from smsgate.tally import Tally
from smsgate.telling import Teller
from smsgate.timekeeper import Timekeeper


@asynccontextmanager
async def working(
    store: Store,
    programmes: Programmes,
    vault: Secrets,
    registry: AggregatorRegistry,
    *,
    clock: Clock,
    tally: Tally,
    heartbeats: Heartbeats | None = None,
    dispatch: bool = True,
    alone: bool = False,
) -> AsyncIterator[None]:
    """Work until the block ends; what is on its way to an aggregator then ends first.

    Args:
        store: an open store.
        programmes: where the settings in force are.
        vault: where credentials are.
        registry: the aggregators there are.
        clock: what time it is.
        tally: where attempts are counted.
        heartbeats: what phones were last heard of, where this process hears of any.
        dispatch: whether messages are handed to aggregators here.
        alone: whether no other process does that.
    """
    tasks = [
        asyncio.create_task(Timekeeper(store, clock, heartbeats, programmes).run()),
        asyncio.create_task(Keeper(store, programmes, clock).run()),
    ]
    dispatcher = None
    if dispatch:
        dispatcher = Dispatcher(
            store, programmes, vault, registry, clock=clock, tally=tally, alone=alone
        )
        dispatcher.start()
        asker = Asker(store, programmes, vault, registry, clock=clock)
        tasks.append(asyncio.create_task(asker.run()))
        teller = Teller(store, programmes, vault, registry, clock=clock)
        tasks.append(asyncio.create_task(teller.run()))
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
