"""What processes that share a PostgreSQL database tell each other: that something was committed.

Every transaction that writes sends a notification with its commit (`NOTIFY`), and a server listens
on a connection of its own. So it may keep in memory that nothing waits for a phone, for as long as
nothing is heard. Silence must prove something, though: a connection can be dead without a word, and
a pooler in between may swallow notifications. So the listener sends itself a beat every second over
that same connection; silence counts for two seconds after the last beat that came back, no longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from smsgate import log
from smsgate.store.transact import Connection, Transactor, Work

T = TypeVar("T")

CHANNEL: Final = "smsgate"
BEAT_SECONDS: Final = 1.0
PROOF_SECONDS: Final = 2.0
_GOODBYE_SECONDS: Final = 1.0
_TELL: Final = f"SELECT pg_notify('{CHANNEL}', $1)"
# A beat need not survive a crash, so it spares the disk the flush; `LOCAL`, because behind a pooler
# the next transaction on this connection may be somebody else's.
_BEAT: Final = (
    f"BEGIN; SET LOCAL synchronous_commit = off; NOTIFY {CHANNEL}, '{{name}} {{number}}'; COMMIT"
)

logger = log.get(__name__)


class Telling:
    """A transactor whose every commit is told to the other processes."""

    def __init__(self, transactor: Transactor, name: str) -> None:
        self._transactor = transactor
        self._name = name

    async def run(self, work: Work[T]) -> T:
        """See `Transactor`."""

        async def and_tell(connection: Connection) -> T:
            result = await work(connection)
            await connection.exec_driver_sql(_TELL, (self._name,))
            return result

        return await self._transactor.run(and_tell)

    async def close(self) -> None:
        """See `Transactor`."""
        await self._transactor.close()


class Notices:
    """The listening side of one process. `heard` grows with whatever others commit."""

    def __init__(self, url: str, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self.name = secrets.token_hex(8)
        self.heard = 0
        self._url = url
        self._seconds = seconds
        self._proved_until = -1.0
        self._beats = 0
        self._beat_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._proofs = asyncio.Event()
        self._gone = asyncio.Event()
        self._ending = asyncio.Event()

    @property
    def live(self) -> bool:
        """Whether all that was committed until a moment ago has been heard."""
        return self._seconds() < self._proved_until

    def start(self) -> None:
        """Begin to listen, if that has not begun yet."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep_listening(), name="smsgate-notices")

    async def stop(self) -> None:
        """Hang up."""
        # Asked to end, not cancelled: a connection that is being made would stay open.
        self._ending.set()
        self._gone.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def proved(self) -> None:
        """Wait for the next beat that comes back."""
        self._proofs.clear()
        await self._proofs.wait()

    async def _keep_listening(self) -> None:
        engine = create_async_engine(self._url, hide_parameters=True, poolclass=NullPool)
        try:
            while not self._ending.is_set():
                try:
                    await self._listen(engine)
                except Exception as error:
                    # Whatever it is: a driver whose server went away in mid-word says anything.
                    logger.warning("not told of other processes", exc_info=error)
                finally:
                    self._lost()
                await _wait(self._ending, BEAT_SECONDS)
        finally:
            await engine.dispose()

    async def _listen(self, engine: AsyncEngine) -> None:
        """Until the connection is lost."""
        self._gone.clear()
        async with asyncio.timeout(PROOF_SECONDS):
            connection = await engine.connect()
        raw: Any = (await connection.get_raw_connection()).driver_connection
        try:
            raw.add_termination_listener(self._lost)
            async with asyncio.timeout(PROOF_SECONDS):
                await raw.add_listener(CHANNEL, self._hear)
            self.heard += 1  # by whatever was committed while nobody listened
            while not (self._gone.is_set() or self._ending.is_set()):
                await self._beat(raw)
                await _wait(self._gone, BEAT_SECONDS)
            if not raw.is_closed():
                await raw.close(timeout=_GOODBYE_SECONDS)
        finally:
            raw.terminate()
            await connection.invalidate()
            await connection.close()

    async def _beat(self, raw: Any) -> None:
        self._beats += 1
        self._beat_at = self._seconds()
        async with asyncio.timeout(PROOF_SECONDS):
            await raw.execute(_BEAT.format(name=self.name, number=self._beats))

    def _hear(self, _connection: object, _process: int, _channel: str, said: str) -> None:
        name, _, beat = said.partition(" ")
        if name == self.name:  # our own commits are counted where they are made
            if beat == str(self._beats):
                self._proved_until = self._beat_at + PROOF_SECONDS
                self._proofs.set()
        elif not beat:
            self.heard += 1

    def _lost(self, _connection: object = None) -> None:
        self._proved_until = -1.0
        self.heard += 1
        self._gone.set()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
