"""Looking at the change counters together: requests that come at the same time share one look.

A look costs little by itself, and much beside the rest of a poll: it leaves Python's code for
SQLite's and comes back, for each request anew. So requests wait for the end of the turn of the
event loop that brought them, and one look, begun after all of them had come, answers them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

Revisions = Mapping[str, int]


class Looks:
    """Shares one look among all who ask before it begins."""

    def __init__(self, look: Callable[[], Awaitable[Revisions]]) -> None:
        self._look = look
        self._waiting: list[asyncio.Future[Revisions]] = []
        self._looking: set[asyncio.Task[None]] = set()

    async def current(self) -> Revisions:
        """The counters, as a look that began after this call found them."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Revisions] = loop.create_future()
        self._waiting.append(found)
        if len(self._waiting) == 1:
            looking = loop.create_task(self._answer())
            self._looking.add(looking)
            looking.add_done_callback(self._looking.discard)
        return await found

    async def _answer(self) -> None:
        waiting, self._waiting = self._waiting, []
        try:
            found = await self._look()
        except Exception as error:  # noqa: BLE001 - it is handed to those who asked
            for one in waiting:
                if not one.done():
                    one.set_exception(error)
            return
        for one in waiting:
            if not one.done():
                one.set_result(found)
