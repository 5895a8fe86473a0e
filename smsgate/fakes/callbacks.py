"""What a fake posts to smsgate: delivery reports, incoming messages, opt-outs."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

import httpcore2

# An aggregator waits no longer for an answer (RapidPro: 15 s), and none of them posts again.
_PATIENCE = 15.0
_IDLE = 2.0
_FAILURES = (TimeoutError, httpcore2.NetworkError, httpcore2.ProtocolError)


@dataclass(frozen=True, slots=True)
class Post:
    """A callback to make. The repr shows only `what` it is: the address holds the key."""

    what: str
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Heard:
    """How a callback was answered; status 0: not at all."""

    status: int
    body: str = ""


class Callbacks:
    """Posts callbacks, some at once, in order, doubled or shuffled. An async context manager.

    Attributes:
        answers: How often each status was answered; 0 for no answer.
    """

    def __init__(
        self,
        *,
        parallel: int = 8,
        duplicates: float = 0.0,
        shuffle: int = 1,
        delay: float = 0.0,
        rng: random.Random | None = None,
        told: Callable[[Post, Heard], None] = lambda _post, _heard: None,
    ) -> None:
        """Nothing is posted yet.

        Args:
            parallel: how many are under way at once; 1 keeps their order.
            duplicates: share of callbacks that are posted twice, 0 to 1.
            shuffle: how many are held back and left in any order; 1 keeps theirs.
            delay: seconds before each.
            rng: where chance comes from.
            told: called with each callback and its answer.
        """
        self.answers: Counter[int] = Counter()
        self._parallel = parallel
        self._duplicates = duplicates
        self._shuffle = max(1, shuffle)
        self._delay = delay
        self._rng = rng or random.Random()  # noqa: S311 - which report comes twice is no secret
        self._told = told
        self._queue: asyncio.Queue[Post] = asyncio.Queue()
        self._held: list[Post] = []
        # The pool alone: what a whole client adds is twice the work for each of many reports.
        self._pool = httpcore2.AsyncConnectionPool(
            max_connections=max(parallel, 2), keepalive_expiry=_IDLE
        )
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Callbacks:
        self._workers = [asyncio.create_task(self._work()) for _ in range(self._parallel)]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self._pool.aclose()

    def later(self, post: Post) -> None:
        """Post this soon, perhaps twice, perhaps not in its turn."""
        self._held += [post] * (2 if self._rng.random() < self._duplicates else 1)
        if len(self._held) >= self._shuffle:
            self.flush()

    def flush(self) -> None:
        """Hold nothing back any more."""
        if self._shuffle > 1:
            self._rng.shuffle(self._held)
        for held in self._held:
            self._queue.put_nowait(held)
        self._held.clear()

    async def settled(self) -> None:
        """Wait until everything that was to be posted is answered."""
        self.flush()
        await self._queue.join()

    async def now(self, post: Post) -> Heard:
        """Post this and wait for its answer."""
        try:
            async with asyncio.timeout(_PATIENCE):
                response = await self._pool.request(
                    post.method, post.url, headers=_headers(post), content=post.body
                )
            heard = Heard(response.status, response.content.decode("utf-8", "replace"))
        except _FAILURES:
            heard = Heard(0)
        self.answers[heard.status] += 1
        self._told(post, heard)
        return heard

    async def _work(self) -> None:
        while True:
            post = await self._queue.get()
            try:
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self.now(post)
            finally:
                self._queue.task_done()


def _headers(post: Post) -> list[tuple[bytes | str, bytes | str]]:
    host = urlsplit(post.url).netloc.rpartition("@")[2]
    return [("Host", host), ("Content-Length", str(len(post.body))), *post.headers.items()]
