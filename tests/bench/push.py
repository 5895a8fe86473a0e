"""Ten thousand queued messages through a stand-in for Africa's Talking that takes 5 ms to answer.

The dispatcher runs as `smsgate serve` runs it, on uvloop, sixteen messages under way at a time; the
stand-in is a process of its own. Measured is from the first claim to the last outcome on disk, and
how much memory the dispatcher's process takes at a tenth of the way and at its end.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
import uvloop

from smsgate.store.database import Store
from smsgate.store.tables import outbound
from tests.bench import scratch
from tests.pushes import Pushing, pushing_to

GATE = 300.0
_FIRST = 500_000  # the stand-in reads numbers that end in 000 and a code as an order
GROWTH_MIB = 16.0
_SETTLED = sa.select(sa.func.count()).where(outbound.c.state == "sent")


def run(engine: str, *, messages: int) -> bool:
    """Measure one engine; print; whether the gates are met."""
    with scratch.database(engine, "push") as url, _fake() as fake:
        seconds, grown, calls = uvloop.run(_measure(url, fake, messages))
    rate = messages / seconds
    print(
        f"{engine}: {messages:,} messages in {seconds:.1f} s: {rate:,.0f}/s, {calls:,} attempts,"
        f" memory {grown:+.1f} MiB after the first tenth"
    )
    met = rate >= GATE and grown <= GROWTH_MIB and calls == messages
    print(
        f"gate: all sent by one attempt each, at least {GATE:.0f}/s, at most {GROWTH_MIB:.0f} MiB"
        f" more: {'met' if met else 'MISSED'}\n"
    )
    return met


@contextlib.contextmanager
def _fake() -> Iterator[str]:
    command = [sys.executable, "-m", "smsgate", "fake", "africastalking", "--port", "0"]
    with subprocess.Popen(
        [*command, "--latency", "5", "--quiet"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"http://127\.0\.0\.1:[0-9]+", line):
                    yield found[0]
                    break
            else:
                raise RuntimeError("the stand-in did not start")
        finally:
            process.terminate()
            process.communicate()  # what it says at its end


async def _measure(url: str, fake: str, messages: int) -> tuple[float, float, int]:
    async with Store(url) as store, pushing_to(store, fake, start=False, parallel=16) as push:
        for start in range(0, messages, 500):
            await push.add(
                *(
                    push.message(n)
                    for n in range(_FIRST + start, _FIRST + min(start + 500, messages))
                )
            )
        push.dispatcher.start()
        began = time.perf_counter()
        await _until(push, messages // 10)
        early = _resident_mib()
        await _until(push, messages)
        seconds = time.perf_counter() - began
        async with store.read() as connection:
            sent = (await connection.execute(_SETTLED)).scalar_one()
        if sent != messages:
            raise RuntimeError(f"only {sent} of {messages} were sent")
        return seconds, _resident_mib() - early, sum(push.tally.pushes.values())


async def _until(push: Pushing, number: int) -> None:
    """Wait until so many outcomes are on disk, without asking the database all the time."""

    async def there() -> bool:
        if sum(push.tally.pushes.values()) < number:
            return False
        async with push.store.read() as connection:
            return bool((await connection.execute(_SETTLED)).scalar_one() >= number)

    await push.until(there, 120)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
