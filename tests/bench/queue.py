"""Offering 25 messages out of a million that wait, beside five million that are finished.

The same offer is measured in turns on a database where a thousand wait and nothing is finished.
Between two offers what was offered is reported delivered and as much is put in anew, as it goes in
practice; only the offer is timed.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select

from smsgate import offering, settling
from smsgate.outbox import row_of
from smsgate.shares import BATCH, Ask
from smsgate.store import outbox
from smsgate.store.database import Store
from smsgate.store.many import fetch
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from tests import make
from tests.bench import filling, scratch
from tests.make import LEASE, NOON

GATE = 1.3
SMALL = 1_000
INDEXES = {
    "ix_outbound_messages_waiting": outbox.WAITING,
    "ix_outbound_messages_expiring": outbox.AGED,
}
# What a message and its line of history take, indexes, log and room for a vacuum included.
_GIB_A_MILLION = 1.6
_BLOCK = (
    5  # offers of one database before the other has its turn: both share whatever noise there is
)
# All that waits falls due within two hours. Early in them nobody has waited for half an hour, and
# the look for those who have must find that out as quickly; at their end most have.
MOMENTS = {"none waits long": NOON - filling.SPREAD + timedelta(minutes=25), "most wait long": NOON}


@dataclass(frozen=True)
class _Do(Job[Any]):
    action: Callable[[Connection], Coroutine[Any, Any, Any]]

    async def run(self, connection: Connection) -> Any:
        return await self.action(connection)


@dataclass
class Times:
    """Milliseconds of each offer: with its commit, without, and of its first statement alone."""

    whole: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)


class Side:
    """One database under measurement."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def offers(self, number: int, now: datetime, times: Times) -> None:
        """Measure `number` offers."""
        for _ in range(number):
            times.alone.append(await self._statement(now))
            begun = time.perf_counter()
            given, inside = await self.store.write(_Do(lambda c: _offer(c, now)))
            times.whole.append((time.perf_counter() - begun) * 1000)
            times.inside.append(inside)
            if len(given) != BATCH:
                raise RuntimeError(f"offered {len(given)} messages, not {BATCH}")
            await self._replace(given, now)

    async def _statement(self, now: datetime) -> float:
        values = {"accounts": ["one"], "now": now, "limit": BATCH}
        async with self.store.read() as connection:
            begun = time.perf_counter()
            await fetch(connection, outbox.WAITING, values)
            return (time.perf_counter() - begun) * 1000

    async def _replace(self, given: Sequence[str], now: datetime) -> None:
        reports = [make.report(id_, "DELIVERED", gateway="one", at=now) for id_ in given]
        rows = [
            row_of(make.outbound(created_at=now, due_at=now, expires_at=now + filling.LIFE))
            for _ in given
        ]

        async def replace(connection: Connection) -> None:
            await settling.settle(connection, reports, source="cht-gateway")
            await outbox.add_messages(connection, rows)

        await self.store.write(_Do(replace))

    async def plans(self, query: Select[Any], now: datetime) -> list[str]:
        """How the engine would run `query`: with the values known, and for any values."""
        values = {"accounts": ["one"], "now": now, "limit": BATCH}
        if "aged" in query.compile().params:
            values["aged"] = now - offering.AGED
        async with self.store.read() as connection:
            compiled = query.params(values).compile(
                dialect=connection.dialect, compile_kwargs={"literal_binds": True}
            )
            if connection.dialect.name == "sqlite":
                return [await _explained(connection, f"EXPLAIN QUERY PLAN {compiled}")]
            known = await _explained(connection, f"EXPLAIN {compiled}")
            # The driver prepares its statements, and PostgreSQL may plan one once for all values.
            anything = str(compiled).replace(f"LIMIT {BATCH}", "LIMIT $1")
            await connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
            await connection.exec_driver_sql(f"PREPARE any_values (bigint) AS {anything}")
            generic = await _explained(connection, f"EXPLAIN EXECUTE any_values ({BATCH})")
            await connection.exec_driver_sql("DEALLOCATE any_values")
            return [known, generic]


async def _offer(connection: Connection, now: datetime) -> tuple[list[str], float]:
    begun = time.perf_counter()
    shares = await offering.offer(connection, [Ask("one")], now=now, lease=LEASE)
    return [given.id for given in shares[0]], (time.perf_counter() - begun) * 1000


async def _explained(connection: Any, statement: str) -> str:
    rows = (await connection.exec_driver_sql(statement)).all()
    return "\n".join(str(row[-1]) for row in rows)


def run(engine: str, *, waiting: int, finished: int, offers: int) -> bool:
    """Fill, measure, print; whether every gate is met."""
    scratch.need_room(engine, 1 + _GIB_A_MILLION * (waiting + finished) / 1e6)
    with ExitStack() as stack:
        small = stack.enter_context(scratch.database(engine, "small"))
        big = stack.enter_context(scratch.database(engine, "big"))
        return asyncio.run(_run(engine, small, big, waiting, finished, offers))


async def _run(engine: str, small: str, big: str, waiting: int, finished: int, offers: int) -> bool:
    print(f"{engine}: {waiting:,} waiting and {finished:,} finished, beside {SMALL:,} waiting")
    await filling.fill(small, waiting=SMALL, finished=0, now=NOON)
    await filling.fill(big, waiting=waiting, finished=finished, now=NOON)
    for url in (small, big):
        await filling.settle_down(url)
    async with Store(small) as one, Store(big) as other:
        sides = {"small": Side(one), "big": Side(other)}
        planned = await _plans(sides)
        passed = [await _compare(name, now, sides, offers) for name, now in MOMENTS.items()]
    return planned and all(passed)


async def _plans(sides: dict[str, Side]) -> bool:
    """Whether each query goes along its partial index and sorts nothing, at both sizes."""
    right = True
    for index, query in INDEXES.items():
        for size, side in sides.items():
            for plan in await side.plans(query, NOON):
                if index not in plan or any(word in plan for word in _ASTRAY):
                    right = False
                    print(f"  {size}: another plan than along {index}:\n{plan}")
        print(f"  plan along {index}, both sizes: {'yes' if right else 'NO'}")
    return right


_ASTRAY = ("TEMP B-TREE", "Sort", "Seq Scan", "SCAN outbound_messages\n")


async def _compare(name: str, now: datetime, sides: dict[str, Side], offers: int) -> bool:
    times = {size: Times() for size in sides}
    for side in sides.values():  # statements are prepared, pages come in
        await side.offers(_BLOCK // 2, now, Times())
    for _ in range(0, offers, _BLOCK):
        for size, side in sides.items():
            await side.offers(_BLOCK, now, times[size])
    print(f"  {name}, median of {len(times['small'].whole)} offers at each size:")
    passed = True
    for what in ("whole", "inside", "alone"):
        small, big = (getattr(times[size], what) for size in ("small", "big"))
        ratio = statistics.median(big) / statistics.median(small)
        gated = what != "alone"
        verdict = ("met" if ratio <= GATE else "MISSED") if gated else ""
        passed = passed and (ratio <= GATE or not gated)
        print(
            f"    {_NAMES[what]:<28} {_spread(small)}  ->  {_spread(big)}"
            f"   ratio {ratio:.2f} {verdict}",
            flush=True,
        )
    return passed


_NAMES = {"whole": "offer with its commit", "inside": "without", "alone": "its first statement"}


def _spread(values: list[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:7.2f} ms ({low:.2f} to {high:.2f})"
