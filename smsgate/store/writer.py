"""The grouped writer: many requests, one transaction, one fsync (DESIGN rule 9).

Requests hand in finished `Job`s and wait. One task drains whatever has gathered while the last
transaction was written, writes it as the next one, commits, and only then wakes the waiters: what
is answered is on disk. There is no timer: a lone job is written at once.

When a group fails because of one of its jobs, it is rolled back and redone job by job, so that
only the culprit is told; a job made of several items isolates its own culprit in `rescue`. When
the database itself refuses (locked, full, gone), everybody is told to come back.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Self, TypeVar

from smsgate import log
from smsgate.errors import StoreBusy
from smsgate.store.failures import as_refusal
from smsgate.store.transact import Connection, Transactor
from smsgate.tally import COMMIT_BOUNDS, Changes, Distribution, noting

T = TypeVar("T")

logger = log.get(__name__)


class Job(Generic[T]):
    """A piece of writing that is done whole or not at all.

    A class whose jobs can share statements overrides `run_many`; one whose items can be taken
    apart overrides `rescue`.
    """

    @property
    def weight(self) -> int:
        """Roughly how many rows it writes."""
        return 1

    def prepare(self) -> None:
        """Compute what needs no database, once, before it is handed to the writer."""

    async def run(self, connection: Connection) -> T:
        """Do it on `connection`, inside a transaction that the writer commits."""
        raise NotImplementedError  # a job class defines run or run_many

    @classmethod
    async def run_many(cls, connection: Connection, jobs: Sequence[Self]) -> list[T]:
        """Do several jobs of this class; one result for each, in order."""
        return [await job.run(connection) for job in jobs]

    async def rescue(self, connection: Connection, error: Exception) -> T:  # noqa: ARG002 - a class that overrides it needs the connection
        """Do what can be done of a job that failed alone; by default nothing can."""
        raise error


class Writer:
    """Writes jobs in groups. One per process; start it before the first `submit`."""

    max_jobs: ClassVar[int] = 64
    max_weight: ClassVar[int] = 500

    def __init__(
        self, transactor: Transactor, *, max_waiting: int = 1024, patience: float = 10.0
    ) -> None:
        """Write through `transactor`.

        Args:
            transactor: what runs a transaction (`smsgate.store.engine.transactor`).
            max_waiting: jobs that may wait; one more is refused.
            patience: seconds a caller waits for its commit before it is told to come back.
        """
        self._transactor = transactor
        self.transactions = 0  # committed; grows with whatever this process changes
        self._max_waiting = max_waiting
        self._waiting: deque[tuple[Job[Any], asyncio.Future[Any]]] = deque()
        self._callers = _Patience(patience)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        # Told of the jobs of each commit; they must be quick.
        self.listeners: list[Callable[[Sequence[Job[Any]]], None]] = []
        self.commits = Distribution(COMMIT_BOUNDS)
        self.refused = 0
        self.changes = Changes()  # of outbound messages, committed

    @property
    def waiting(self) -> int:
        """How many jobs wait for a transaction."""
        return len(self._waiting)

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._work(), name="smsgate-writer")

    async def stop(self) -> None:
        """Write what waits, then end."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
            self._task = None
        self._callers.stop()

    async def submit(self, job: Job[T]) -> T:
        """Have `job` written and return its result once that is on disk.

        A caller that is cancelled or runs out of patience does not undo the job: its outcome is
        unknown to the caller, which must ask again (every request is made so that it may).

        Raises:
            StoreBusy: no room, no lock, or no answer within the writer's patience.
            StoreUnavailable: the database refuses to write.
        """
        if self._closing or self._task is None:
            raise StoreBusy("shutting down")
        if len(self._waiting) >= self._max_waiting:
            self.refused += 1
            raise StoreBusy("too many writes are waiting")
        # Now, while the group before it may be on its way to the disk.
        job.prepare()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append((job, future))
        self._wake.set()
        # The job is the writer's from here on: cancelling the future ends only the waiting.
        self._callers.wait(future, loop)
        return await future

    async def _work(self) -> None:
        while True:
            if not self._waiting:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            # Requests that are ready to hand in their job do so first: no waiting, larger groups.
            await asyncio.sleep(0)
            group = self._take()
            await self._write(group)

    def _take(self) -> list[tuple[Job[Any], asyncio.Future[Any]]]:
        group = [self._waiting.popleft()]
        weight = group[0][0].weight
        while self._waiting and len(group) < self.max_jobs:
            weight += self._waiting[0][0].weight
            if weight > self.max_weight:
                break
            group.append(self._waiting.popleft())
        return group

    async def _write(self, group: list[tuple[Job[Any], asyncio.Future[Any]]]) -> None:
        started = time.perf_counter()
        try:
            results = await self._transact([job for job, _ in group])
            self.transactions += 1
            self.commits.observe(time.perf_counter() - started)
        except Exception as error:
            refusal = as_refusal(error)
            if refusal is not None:
                self.refused += 1
                logger.warning(
                    "write refused", reason=str(refusal), count=len(group), exc_info=error
                )
                for _, future in group:
                    _fail(future, refusal)
            elif len(group) > 1:
                logger.warning("group redone one by one", count=len(group), exc_info=error)
                for one in group:
                    await self._write([one])
            else:
                await self._rescue(*group[0], error)
            return
        for (_, future), result in zip(group, results, strict=True):
            if not future.done():
                future.set_result(result)
        self._tell([job for job, _ in group])

    def _tell(self, jobs: Sequence[Job[Any]]) -> None:
        for listener in self.listeners:
            listener(jobs)

    async def _transact(self, jobs: list[Job[Any]]) -> list[Any]:
        kinds: dict[type[Job[Any]], list[int]] = {}
        for place, job in enumerate(jobs):
            kinds.setdefault(type(job), []).append(place)

        async def work(connection: Connection) -> list[Any]:
            results: list[Any] = [None] * len(jobs)
            for kind, places in kinds.items():
                answers = await kind.run_many(connection, [jobs[place] for place in places])
                for place, answer in zip(places, answers, strict=True):
                    results[place] = answer
            return results

        with noting() as changes:
            results = await self._transactor.run(work)
        self.changes.add(changes)
        return results

    async def _rescue(self, job: Job[Any], future: asyncio.Future[Any], error: Exception) -> None:
        try:
            with noting() as changes:
                result = await self._transactor.run(lambda c: job.rescue(c, error))
            self.changes.add(changes)
            self.transactions += 1
        except Exception as final:  # noqa: BLE001 - it is handed to the caller
            _fail(future, as_refusal(final) or final)
        else:
            if not future.done():
                future.set_result(result)
            self._tell([job])


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


class _Patience:
    """Ends waiting that takes too long. One timer for all: each costs as much as a row written."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, future: asyncio.Future[Any], loop: asyncio.AbstractEventLoop) -> None:
        """Fail `future` if it is not done in time."""
        waiting = self._waiting
        while waiting and waiting[0][1].done():
            waiting.popleft()
        waiting.append((loop.time() + self._seconds, future))
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        while self._waiting:
            end, future = self._waiting[0]
            if end > now and not future.done():
                self._timer = loop.call_at(end, self._look, loop)
                return
            self._waiting.popleft()
            _fail(future, StoreBusy("the database did not answer in time", retry_after=30))

    def stop(self) -> None:
        """Let go of the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
