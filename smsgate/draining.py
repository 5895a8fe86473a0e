"""Calls that were kept while the database was away, and their way into it.

They go in the order they came, each forgotten only after its commit. One that goes in twice,
because the process ended in between, changes nothing: messages are known by their identity, and
reports and wishes say what is so already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from smsgate import hearing, log
from smsgate.aggregators.base import Aggregator, Heard, Unreadable
from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.errors import StoreBusy, StoreUnavailable
from smsgate.hearing import HeardJob
from smsgate.programme import Programme, Programmes
from smsgate.store.database import Store
from smsgate.store.spool import Spool, Spooled
from smsgate.tally import Tally

BATCH: Final = 64  # what the writer takes as one group
_SHORTEST: Final = 0.25
_LONGEST: Final = 5.0

logger = log.get(__name__)


class Drain:
    """Empties the spool whenever there is something in it and the database is there."""

    def __init__(
        self,
        spool: Spool,
        store: Store,
        programmes: Programmes,
        aggregators: AggregatorRegistry,
        tally: Tally,
    ) -> None:
        self._spool = spool
        self._store = store
        self._programmes = programmes
        self._aggregators = aggregators
        self._tally = tally

    async def run(self) -> None:
        """Drain until cancelled."""
        pause = _SHORTEST
        while True:
            if not self._spool.depth:
                self._spool.filled.clear()
                await self._spool.filled.wait()
            try:
                count = await self.drain()
            except (StoreBusy, StoreUnavailable):  # still away
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST)
            except Exception as error:  # nobody foresaw it; the calls stay where they are
                logger.error("kept calls cannot be taken in", exc_info=error)
                await asyncio.sleep(_LONGEST)
            else:
                logger.info("kept calls taken in", count=count)
                pause = _SHORTEST

    async def drain(self) -> int:
        """Take in all that waits; how many calls that were.

        Raises:
            StoreBusy, StoreUnavailable: the database is away; what was not taken in waits on.
        """
        drained = 0
        while batch := await self._spool.first(BATCH):
            await self._take_in(batch)
            drained += len(batch)
        return drained

    async def _take_in(self, batch: Sequence[Spooled]) -> None:
        programme = await self._programmes.current(await self._store.revisions())
        # Handed in one after the other, in the order they came; the writer keeps to it.
        results = await asyncio.gather(
            *(self._one(call, programme) for call in batch), return_exceptions=True
        )
        done = [
            call.seq
            for call, result in zip(batch, results, strict=True)
            if not isinstance(result, BaseException)
        ]
        await self._spool.remove(done)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _one(self, kept: Spooled, programme: Programme) -> None:
        registry = self._aggregators.described(programme.options().own)
        aggregator = registry.named(kept.aggregator)
        if aggregator is None:  # its plugin was taken out in the meantime
            await self._set_aside(_gone(kept.aggregator), kept, programme)
            return
        heard = hearing.heard_in(aggregator, kept.call, programme.options())
        if not isinstance(heard, Heard):
            await self._set_aside(aggregator, kept, programme)
            return
        try:
            await self._write(HeardJob(heard, aggregator, at=kept.call.at, programme=programme))
        except (StoreBusy, StoreUnavailable):
            raise
        except Exception as error:
            logger.error("kept call set aside", source=aggregator.name, exc_info=error)
            await self._set_aside(aggregator, kept, programme)

    async def _set_aside(self, aggregator: Aggregator, kept: Spooled, programme: Programme) -> None:
        heard = Heard(unreadable=[Unreadable("unreadable_call", kept.call.body)])
        await self._write(HeardJob(heard, aggregator, at=kept.call.at, programme=programme))

    async def _write(self, job: HeardJob) -> None:
        hearing.count(self._tally, job.source, await self._store.write(job))


def _gone(name: str) -> Aggregator:
    stand_in = Aggregator()
    stand_in.name = name
    return stand_in
