"""Sleeping until there may be something to do: a commit, ours or another's, or a moment in time.

What this process commits wakes at once; for what others commit a counter is looked at twice a
second, and where it cannot be trusted the sleep is short.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from smsgate.clock import Clock
from smsgate.store.database import Store
from smsgate.store.writer import Job

TICK_SECONDS: Final = 0.5
_BLIND_SECONDS: Final = 2.0  # where other processes' commits cannot be seen


class Waking:
    """One sleeper; start it before the first `look`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        own: tuple[type[Job[Any]], ...],
        tick: float = TICK_SECONDS,
    ) -> None:
        """Wake for what is committed to `store`.

        Args:
            store: an open store.
            clock: what time it is.
            own: kinds of jobs whose commits bring nothing to do.
            tick: seconds between two looks at what others commit.
        """
        self._store = store
        self._clock = clock
        self._own = own
        self._tick = tick
        self._woken = asyncio.Event()
        self._version = -1

    def start(self) -> None:
        """Begin to listen."""
        self._store.writer.listeners.append(self._committed)

    def stop(self) -> None:
        """Hear no more."""
        self._store.writer.listeners.remove(self._committed)

    def wake(self) -> None:
        """Something changed: end the sleep, or skip the next."""
        self._woken.set()

    def _committed(self, jobs: Sequence[Job[Any]]) -> None:
        if any(not isinstance(job, self._own) for job in jobs):
            self._woken.set()

    def look(self) -> None:
        """Call it before looking for work: what changes from here on ends the next sleep."""
        self._woken.clear()
        self._version = self._store.version()

    async def sleep(self, until: datetime | None, *, least: float = 0.0) -> None:
        """Sleep until something may have changed since `look`, or until `until`.

        Args:
            until: when time alone brings something; None for never.
            least: seconds to sleep in any case.
        """
        if least > 0:
            await asyncio.sleep(least)
        began = time.monotonic()
        while not self._woken.is_set():
            left = self._tick
            if until is not None:
                left = min(left, (until - self._clock()).total_seconds())
            if left <= 0 or self._store.version() != self._version:
                return
            if not self._store.sees_all and time.monotonic() - began > _BLIND_SECONDS:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), left)
