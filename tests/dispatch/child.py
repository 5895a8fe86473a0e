"""A worker in a process of its own, to be killed: ends by itself when everything is sent."""

from __future__ import annotations

import asyncio
import sys

import sqlalchemy as sa

from smsgate.store.database import Store
from smsgate.store.tables import outbound
from tests.pushes import Clock, pushing_to
from tests.targets import BY_NAME


async def main(database: str, fake: str, ahead: str, name: str) -> None:
    clock = Clock()
    clock.move(seconds=float(ahead))
    left = sa.select(sa.func.count()).where(outbound.c.state.in_(["pending", "unknown"]))
    async with (
        Store(database) as store,
        pushing_to(
            store,
            fake,
            target=BY_NAME[name],
            clock=clock,
            unknown="retry",
            unknown_minutes=0.1,
            parallel=4,
        ) as push,
    ):

        async def nothing_left() -> bool:
            clock.move(seconds=7)  # patience with what is unknown ends
            push.dispatcher.wake()
            async with store.read() as connection:
                return not (await connection.execute(left)).scalar_one()

        while True:
            try:
                return await push.until(nothing_left, 0.5)
            except TimeoutError:
                continue


asyncio.run(main(*sys.argv[1:]))
