"""One look for all who asked before it began; each sees what was there when it asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from smsgate.errors import StoreUnavailable
from smsgate.web.looks import Looks


class Counters:
    """What is looked at; counts the looks, and fails or waits where it is told to."""

    def __init__(self) -> None:
        self.value = 0
        self.looks = 0
        self.away = False
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def read(self) -> Mapping[str, int]:
        self.looks += 1
        self.begun.set()
        found = {"settings": self.value}
        await self.gate.wait()
        if self.away:
            raise StoreUnavailable("away")
        return found


async def test_those_who_ask_together_share_a_look() -> None:
    counters = Counters()
    looks = Looks(counters.read)
    assert await asyncio.gather(*(looks.current() for _ in range(5))) == [{"settings": 0}] * 5
    assert counters.looks == 1
    assert await looks.current() == {"settings": 0}
    assert counters.looks == 2


async def test_a_look_under_way_is_too_early_for_who_comes_later() -> None:
    counters = Counters()
    looks = Looks(counters.read)
    counters.gate.clear()
    early = asyncio.create_task(looks.current())
    await counters.begun.wait()
    counters.value = 1
    late = asyncio.create_task(looks.current())
    counters.gate.set()
    assert await early == {"settings": 0}
    assert await late == {"settings": 1}


async def test_who_leaves_takes_nobody_along() -> None:
    looks = Looks(Counters().read)
    gone, stays = (asyncio.create_task(looks.current()) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == {"settings": 0}
    assert gone.cancelled()


async def test_a_failure_is_everybodys_and_passes() -> None:
    counters = Counters()
    looks = Looks(counters.read)
    counters.away = True
    results = await asyncio.gather(*(looks.current() for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, StoreUnavailable) for result in results)
    counters.away = False
    assert await looks.current() == {"settings": 0}
