"""Two processes on one PostgreSQL: what one commits ends the other's idle marks, come what may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from smsgate.store import notices
from smsgate.store.database import Store
from smsgate.store.notices import Notices
from tests import make
from tests.store.test_idle import Counted, Phone
from tests.store.test_outbox import Do, add, settle

# SQLite itself tells of every commit.
pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("database_url", ["postgres"], indirect=True),
]
KILL = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND query LIKE 'BEGIN; SET LOCAL%'"""


class Pair:
    """A process with a phone that polls it, and another process; marks last for ever by the clock.

    What ends a mark here is what was heard, or that nothing can be heard.
    """

    def __init__(self, phone: Phone, elsewhere: Store, url: str) -> None:
        self.phone, self.elsewhere, self.url = phone, elsewhere, url
        self.clock = 0.0

    @property
    def notices(self) -> Notices:
        found = self.phone.store._notices
        assert found is not None
        return found

    async def marked(self) -> None:
        """Poll until nothing waits and the next poll costs no look."""
        while (await self.phone.poll())[1]:
            pass

    async def heard(self) -> None:
        """Whatever was committed before this has been heard."""
        await asyncio.wait_for(self.notices.proved(), 10)

    async def lost(self) -> None:
        """The listener's connection was ended by the database, and it noticed."""
        before = self.notices.heard
        await self.sql(KILL)
        async with asyncio.timeout(10):
            while self.notices.heard == before:  # noqa: ASYNC110 - turns of the loop
                await asyncio.sleep(0)

    def deaf(self) -> asyncio.Event:
        """From the next connection on nobody listens, until the event is set."""
        again, listen = asyncio.Event(), self.notices._listen

        async def later(engine: AsyncEngine) -> None:
            await again.wait()
            await listen(engine)

        self.notices._listen = later  # type: ignore[method-assign]
        return again

    async def sql(self, statement: str) -> None:
        """Run it as an outsider."""
        connection = await asyncpg.connect(self.url.replace("+asyncpg", ""))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture
async def pair(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr(notices, "BEAT_SECONDS", 0.02)
    store = Counted(database_url)
    async with store, Store(database_url) as elsewhere:
        found = Pair(Phone(store), elsewhere, database_url)
        found.phone.gateway._idle._seconds = lambda: found.clock
        store.version()
        await found.heard()
        yield found


async def test_what_another_process_puts_in_is_offered_at_the_next_poll(pair: Pair) -> None:
    await pair.marked()
    ids = await add(pair.elsewhere, make.outbound())
    await pair.heard()
    assert (await pair.phone.poll())[0] == ids


async def test_what_this_process_commits_is_not_heard_a_second_time(pair: Pair) -> None:
    await add(pair.phone.store, make.outbound(gateway="two"))
    await pair.marked()
    before = pair.notices.heard
    await pair.heard()
    assert pair.notices.heard == before
    assert await pair.phone.poll() == ([], False)


async def test_nothing_is_heard_of_what_was_rolled_back(pair: Pair) -> None:
    await pair.marked()

    async def broken(_connection: object) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await pair.elsewhere.write(Do(broken))
    await pair.heard()
    assert await pair.phone.poll() == ([], False)


async def test_a_lost_connection_misses_nothing(pair: Pair) -> None:
    await pair.marked()
    again = pair.deaf()
    await pair.lost()
    assert not pair.phone.store.sees_all
    first = await add(pair.elsewhere, make.outbound())
    assert (await pair.phone.poll())[0] == first

    again.set()
    await pair.heard()
    await add(pair.elsewhere, make.outbound(gateway="two"))
    done = [make.report(id_, "DELIVERED", gateway="one") for id_ in first]
    await settle(pair.phone.store, *done)
    await pair.marked()
    second = await add(pair.elsewhere, make.outbound())
    await pair.heard()
    assert (await pair.phone.poll())[0] == second


async def test_a_mark_made_while_nobody_listens_ends_when_somebody_does(pair: Pair) -> None:
    again = pair.deaf()
    await pair.lost()
    await pair.marked()
    ids = await add(pair.elsewhere, make.outbound())
    assert await pair.phone.poll() == ([], False)  # the two seconds are not over
    again.set()
    await pair.heard()
    assert (await pair.phone.poll())[0] == ids


async def test_without_a_listener_a_mark_lasts_two_seconds(pair: Pair) -> None:
    again = pair.deaf()
    await pair.lost()
    await pair.marked()
    ids = await add(pair.elsewhere, make.outbound())
    assert await pair.phone.poll() == ([], False)
    pair.clock += 2
    assert (await pair.phone.poll())[0] == ids
    again.set()


async def test_a_connection_that_fell_silent_proves_nothing(pair: Pair) -> None:
    assert pair.phone.store.sees_all
    seconds = pair.notices._seconds
    pair.notices._seconds = lambda: seconds() + notices.PROOF_SECONDS
    assert not pair.phone.store.sees_all


async def test_notifications_that_do_not_come_through_prove_nothing(pair: Pair) -> None:
    pair.notices._hear = lambda *_: None  # type: ignore[method-assign]  # as behind a pooler
    await pair.lost()
    beats = pair.notices._beats
    async with asyncio.timeout(10):
        while pair.notices._beats < beats + 3:  # noqa: ASYNC110 - turns of the loop
            await asyncio.sleep(0)
    assert not pair.phone.store.sees_all
