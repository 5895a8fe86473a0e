"""Several phones: whom a message is for, how much one may carry, pause, take-over, what waits."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smsgate import outbox
from smsgate.message import OutboundMessage, State
from smsgate.offering import Terms, glance, offer
from smsgate.optout import OptedOut, number_hash
from smsgate.rules import QueueRules
from smsgate.shares import BATCH, Ask
from smsgate.store import outbox as queue
from smsgate.store import told
from smsgate.store.database import Store
from smsgate.store.transact import Connection
from tests import make
from tests.make import LEASE, NOON
from tests.store.test_outbox import Do, add

KENYA, NEPAL = "+254712000001", "+9779841000001"


def terms(**gateways: dict[str, Any]) -> Terms:
    return Terms(QueueRules.from_settings({"smsgate": {"gateways": gateways}}, warnings=[]))


async def give(
    store: Store, *accounts: str, by: Terms | None = None, minutes: float = 0
) -> list[list[str]]:
    asks = [Ask(account) for account in accounts]
    now = NOON + timedelta(minutes=minutes)
    shares = await store.write(Do(lambda c: offer(c, asks, now=now, lease=LEASE, terms=by)))
    return [[given.id for given in share] for share in shares]


async def row(store: Store, id_: str) -> dict[str, Any]:
    async with store.read() as connection:
        found = await told.get(connection, id_)
    assert found is not None
    return found


async def test_a_take_over_is_counted(store: Store) -> None:
    (id_,) = await add(store, make.outbound())
    for minutes, account in enumerate(("one", "two", "three")):
        assert await give(store, account, minutes=11 * minutes) == [[id_]]
    assert (await row(store, id_))["taken_over"] == 2
    assert (await row(store, id_))["attempts"] == 3


async def test_a_phone_gets_first_what_it_is_best_for(store: Store) -> None:
    by = terms(kenyan={"prefixes": ["+254"]})
    nepal = await add(store, *(make.outbound(recipient=NEPAL) for _ in range(30)))
    kenya = await add(store, *(make.outbound(recipient=KENYA) for _ in range(3)))
    (first,) = await give(store, "other", by=by)
    assert set(first) < set(nepal)
    (second,) = await give(store, "kenyan", by=by)
    assert second[:5] == nepal[25:]
    assert second[5:] == kenya
    more = await add(store, make.outbound(recipient=KENYA))
    assert more[0] not in (await give(store, "other", by=by, minutes=9))[0]
    assert more[0] in (await give(store, "other", by=by, minutes=10))[0]


async def test_asking_together_each_gets_its_own(store: Store) -> None:
    by = terms(kenyan={"prefixes": ["+254"]}, nepali={"prefixes": ["+977"]})
    ids = await add(store, *(make.outbound(recipient=r) for r in (KENYA, NEPAL, KENYA, NEPAL)))
    assert await give(store, "nepali", "kenyan", by=by) == [ids[1::2], ids[::2]]


async def test_a_paused_phone_gets_nothing_and_lets_go(store: Store) -> None:
    paused = terms(one={"paused": True, "prefixes": ["+254"]})
    (id_,) = await add(store, make.outbound(recipient=KENYA))
    assert await give(store, "one", by=paused) == [[]]
    assert await give(store, "one") == [[id_]]
    for minutes in (1, 6):
        assert await give(store, "one", by=paused, minutes=minutes) == [[]]
        async with store.read() as connection:
            now = NOON + timedelta(minutes=minutes)
            seen = await glance(connection, "one", now=now, lease=LEASE, terms=paused)
        assert not seen.work
        assert not seen.held
    assert await give(store, "two", by=paused, minutes=10) == [[id_]]


async def test_a_phone_carries_no_more_than_its_hour_holds(store: Store) -> None:
    by = terms(small={"capacity": 5})
    ids = await add(
        store,
        make.outbound(text="x" * 300),  # two parts
        make.outbound(text="x" * 300),
        make.outbound(text="x" * 300),
        make.outbound(),
    )
    assert await give(store, "small", by=by) == [[ids[0], ids[1], ids[3]]]
    assert ids[2] not in (await give(store, "small", by=by, minutes=59))[0]
    # What it holds already is not counted again; what is new counts with another phone's too.
    assert await give(store, "other", "small", by=by, minutes=8) == [[ids[2]], [*ids[:2], ids[3]]]


async def test_the_hour_passes(store: Store) -> None:
    by = terms(small={"capacity": 1})
    ids = await add(store, make.outbound(), make.outbound())
    assert await give(store, "small", by=by) == [ids[:1]]
    await add(store)
    assert ids[1] not in (await give(store, "small", by=by, minutes=54))[0]
    assert ids[1] in (await give(store, "small", by=by, minutes=65))[0]


async def test_a_text_longer_than_the_hour_goes_alone(store: Store) -> None:
    by = terms(small={"capacity": 2})
    ids = await add(store, make.outbound(text="x" * 900), make.outbound())
    assert await give(store, "small", by=by) == [ids[:1]]


async def test_what_is_old_goes_out_whatever_its_priority(store: Store) -> None:
    early = NOON - timedelta(hours=1)
    old = await add(
        store, *(make.outbound(priority=-9, due_at=early, created_at=early) for _ in range(7))
    )
    urgent = [make.outbound(priority=9) for _ in range(60)]
    ids = await add(store, *urgent)
    (first,) = await give(store, "one")
    assert first == [*ids[: BATCH - 5], *old[:5]]
    (second,) = await give(store, "one")
    assert second[-2:] == old[5:]
    assert len(second) == BATCH


async def test_quiet_hours_put_off_and_do_not_block(store: Store) -> None:
    quiet = {"from": "11:00", "to": "13:00", "timezone": "UTC"}
    by = Terms(QueueRules.from_settings({"smsgate": {"quiet_hours": quiet}}, warnings=[]))
    asleep = await add(store, *(make.outbound() for _ in range(60)))
    (urgent,) = await add(store, make.outbound(priority=5, due_at=NOON))
    assert await give(store, "one", by=by) == [[urgent]]
    await give(store, "one", by=by)
    found = await row(store, asleep[0])
    assert (found["state"], found["due_at"]) == ("pending", NOON + timedelta(hours=1))
    assert len((await give(store, "one", by=by, minutes=60))[0]) == BATCH


async def test_who_opted_out_is_denied_where_a_phone_would_be_given_it(store: Store) -> None:
    by = Terms(opted_out=OptedOut(frozenset({number_hash(KENYA)}), 1))
    (no,) = await add(store, make.outbound(recipient=KENYA))
    (confirmation,) = await add(store, make.outbound(recipient=KENYA, kind="consent"))
    (yes,) = await add(store, make.outbound(recipient=NEPAL))
    assert await give(store, "one", by=by) == [[confirmation, yes]]
    found = await row(store, no)
    assert (found["state"], found["details"]) == ("denied", '{"reason": "opted_out"}')


@pytest.mark.parametrize("state", [State.PENDING, State.SCHEDULED])
async def test_nothing_is_offered_twice_at_once(store: Store, state: State) -> None:
    by = terms(a={"prefixes": ["+2"], "capacity": 100})
    messages: list[OutboundMessage] = [make.outbound(state=state) for _ in range(80)]
    await add(store, *messages)
    shares = await give(store, "a", "b", "a", by=by)
    given = [id_ for share in shares for id_ in share]
    assert len(given) == len(set(given)) == (50 if state is State.PENDING else 0)


# What waits before a poll, and the replies it causes: minutes of the due time, priority, account.
LINE = st.lists(
    st.tuples(st.integers(-40, 3), st.integers(0, 2), st.sampled_from([None, "one", "two"])),
    max_size=40,
)


@given(waiting=LINE, replies=LINE, paused=st.booleans(), quiet=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
async def test_replies_not_stored_yet_are_dealt_as_if_they_were(
    sqlite_template: Path, waiting: Line, replies: Line, paused: bool, quiet: bool
) -> None:
    rules: dict[str, Any] = {"gateways": {"two": {"paused": paused, "capacity": 30}}}
    if quiet:
        rules["quiet_hours"] = {"start": "11:00", "end": "13:00", "timezone": "UTC"}
    by = Terms(QueueRules.from_settings({"smsgate": rules}, warnings=[]))
    asks = [Ask("one"), Ask("two"), Ask("one")]
    given, found = [], []
    old = [_message(*one) for one in waiting]
    new = [outbox.row_of(_message(*one)) for one in replies]
    for at_once in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            path = shutil.copy(sqlite_template, Path(folder, "smsgate.db"))
            async with Store(f"sqlite+aiosqlite:///{path}") as store:
                await add(store, *old)

                async def poll(c: Connection, *, at_once: bool = at_once) -> Any:
                    if not at_once:
                        await queue.add_messages(c, new)
                    rows = new if at_once else ()
                    return await offer(c, asks, now=NOON, lease=LEASE, terms=by, new=rows)

                given.append(await store.write(Do(poll)))
                async with store.read() as connection:
                    ids = [one.id for one in old] + [row["id"] for row in new]
                    rows = [await told.get(connection, id_) for id_ in ids]
                    stories = await told.history(connection, ids)
                found.append(
                    (rows, [[(e["state"], e["gateway"]) for e in stories[id_]] for id_ in ids])
                )
    assert given[0] == given[1]
    assert found[0] == found[1]


Line = list[tuple[int, int, str | None]]


def _message(minutes: int, priority: int, account: str | None) -> OutboundMessage:
    due = NOON + timedelta(minutes=minutes)
    return make.outbound(due_at=due, created_at=NOON, priority=priority, gateway=account)


async def test_who_holds_a_great_deal_is_given_what_was_held_longest(store: Store) -> None:
    ids: list[str] = []
    for minutes in range(9):
        ids += await add(store, *(make.outbound() for _ in range(BATCH)))
        await give(store, "one", minutes=minutes / 10)
    (other,) = await add(store, make.outbound())
    await give(store, "two")
    first, second = await give(store, "one", "two", minutes=1)
    assert (first, second) == (ids[:BATCH], [other])
