"""The grouped writer: together when all is well, apart when one is not, never an unkept answer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import pytest
import sqlalchemy as sa

from smsgate.errors import StoreBusy, StoreUnavailable
from smsgate.store.database import Store
from smsgate.store.engine import sqlite_path
from smsgate.store.tables import revisions
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from smsgate.tally import note_moved


@dataclass(frozen=True)
class Put(Job[str]):
    """Writes one row; told to, breaks a rule of the database, or fails in its own code."""

    name: str
    fault: str = ""
    groups: ClassVar[list[int]] = []

    @classmethod
    async def run_many(cls, connection: Connection, jobs: Sequence[Self]) -> list[str]:
        cls.groups.append(len(jobs))
        return [await job.run(connection) for job in jobs]

    async def run(self, connection: Connection) -> str:
        await connection.execute(sa.insert(revisions).values(name=self.name, value=1))
        if self.fault == "code":
            raise ZeroDivisionError
        if self.fault == "rule":
            await connection.execute(sa.insert(revisions).values(name=self.name, value=None))
        return self.name


@dataclass(frozen=True)
class Forgiving(Put):
    """A job that can do without what failed."""

    async def rescue(self, connection: Connection, error: Exception) -> str:
        await connection.execute(sa.insert(revisions).values(name=self.name, value=2))
        return f"rescued from {type(error).__name__}"


def _copy(template: Path, folder: Path) -> Path:
    path = folder / "copy.db"
    path.write_bytes(template.read_bytes())
    return path


async def _names(store: Store) -> set[str]:
    async with store.read() as connection:
        return set((await connection.execute(sa.select(revisions.c.name))).scalars())


async def test_those_who_wait_are_written_together(store: Store) -> None:
    Put.groups.clear()
    names = [f"n{i}" for i in range(100)]
    assert await asyncio.gather(*(store.write(Put(name)) for name in names)) == names
    assert await _names(store) == set(names)
    # The first goes alone, the rest gathers meanwhile: far fewer transactions than jobs.
    assert len(Put.groups) < 10
    assert sum(Put.groups) == 100
    assert max(Put.groups) <= store.writer.max_jobs


@pytest.mark.parametrize("fault", ["code", "rule"])
async def test_one_culprit_costs_nobody_else(store: Store, fault: str) -> None:
    jobs = [Put(f"n{i}", fault if i == 7 else "") for i in range(20)]
    results = await asyncio.gather(*(store.write(job) for job in jobs), return_exceptions=True)
    assert [i for i, result in enumerate(results) if isinstance(result, Exception)] == [7]
    assert await _names(store) == {f"n{i}" for i in range(20) if i != 7}


@dataclass(frozen=True)
class Move(Put):
    """Notes that a message moved; `fault` as before."""

    async def run(self, connection: Connection) -> str:
        note_moved([("pending", "sent")])
        return await super().run(connection)


async def test_what_is_rolled_back_is_not_counted(store: Store) -> None:
    results = await asyncio.gather(
        *(store.write(Move(f"n{i}", fault="code" if i == 3 else "")) for i in range(7)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, str) for result in results) == 6
    assert store.writer.changes.moved == {("pending", "sent"): 6}


async def test_a_job_may_rescue_what_it_can(store: Store) -> None:
    assert await store.write(Forgiving("x", "code")) == "rescued from ZeroDivisionError"
    assert await _names(store) == {"x"}


async def test_a_caller_that_leaves_does_not_undo_the_job(store: Store) -> None:
    task = asyncio.create_task(store.write(Put("gone")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.write(Put("after"))
    assert await _names(store) == {"gone", "after"}


async def test_a_full_queue_refuses_early(database_url: str) -> None:
    async with Store(database_url, max_waiting=3) as store:
        results = await asyncio.gather(
            *(store.write(Put(f"n{i}")) for i in range(10)), return_exceptions=True
        )
    refused = [result for result in results if isinstance(result, StoreBusy)]
    assert len(refused) == 7
    assert refused[0].retry_after > 0


async def test_stopping_writes_what_waits_and_refuses_what_comes(database_url: str) -> None:
    store = Store(database_url)
    await store.open()
    waiting = [asyncio.create_task(store.write(Put(f"n{i}"))) for i in range(5)]
    await asyncio.sleep(0)
    await store.close()
    assert [await task for task in waiting] == [f"n{i}" for i in range(5)]
    with pytest.raises(StoreBusy, match="shutting down"):
        await store.write(Put("late"))


async def test_a_lock_held_elsewhere_is_busy_then_recovers(
    sqlite_template: Path, tmp_path: Path
) -> None:
    path = _copy(sqlite_template, tmp_path)
    async with Store(f"sqlite+aiosqlite:///{path}", patience=0.2) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreBusy) as caught:
                await store.write(Put("x"))
            assert caught.value.retry_after == 30
            other.execute("ROLLBACK")
        for _ in range(100):  # the driver notices the free lock on its own schedule
            try:
                await store.write(Put("y"))
            except StoreBusy:
                continue
            break
        assert "y" in await _names(store)


async def test_a_full_disk_refuses_writes_and_keeps_reads(
    sqlite_template: Path, tmp_path: Path
) -> None:
    path = _copy(sqlite_template, tmp_path)
    store = Store(f"sqlite+aiosqlite:///{path}")
    assert sqlite_path(f"sqlite+aiosqlite:///{path}") == path
    async with store:
        await store._transactor.run(lambda c: c.exec_driver_sql("PRAGMA max_page_count=1"))
        results = await asyncio.gather(
            *(store.write(Put("n" * 3000 + str(i))) for i in range(40)), return_exceptions=True
        )
        assert any(isinstance(result, StoreUnavailable) for result in results)
        kept = {result for result in results if isinstance(result, str)}
        assert await _names(store) == kept
        await store._transactor.run(lambda c: c.exec_driver_sql("PRAGMA max_page_count=1000000"))
        assert await store.write(Put("room again")) == "room again"
