"""The way out as a whole: back-off, breaker, pause, rate, what is claimed and what is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from smsgate import passing
from smsgate.aggregators.base import Answer as Reply
from smsgate.aggregators.base import Refused, Unready
from smsgate.claiming import LEASE, Claim
from smsgate.fakes import faults
from smsgate.gating import Gate
from smsgate.message import State
from smsgate.offering import Terms, offer
from smsgate.optout import OptedOut, number_hash
from smsgate.rules import QueueRules
from smsgate.shares import Ask
from smsgate.states import Order
from smsgate.steering import Steer
from smsgate.steering import Terms as SteerTerms
from smsgate.store.database import Store
from smsgate.store.routes import RouteRow
from smsgate.verdict import BACK_OFF, End, Health, Verdict, after, of_reply, of_unready, wait
from tests import fake_services, make
from tests.make import NOON
from tests.pushes import ROUTE, Pushing, a_route, pushing_to
from tests.store.test_outbox import Do, add

SECOND = timedelta(seconds=1)


def ended(end: End, health: Health, **more: Any) -> Verdict:
    return Verdict(end, State.PENDING, "x", health, **more)


UP, DOWN, TROUBLE = (
    ended(End.OK, Health.UP),
    ended(End.RETRY, Health.DOWN),
    ended(End.PAUSED, Health.TROUBLE),
)


def test_each_failure_waits_longer_and_no_two_alike() -> None:
    for place, seconds in enumerate([*BACK_OFF, BACK_OFF[-1], BACK_OFF[-1]]):
        spread = [wait(DOWN, place, jitter).total_seconds() for jitter in (0.0, 0.5, 1.0)]
        assert spread == pytest.approx([seconds * 0.8, seconds, seconds * 1.2])
    asked = replace(DOWN, after=60.0)
    assert [wait(asked, 5, jitter) / SECOND for jitter in (0.0, 1.0)] == pytest.approx([60, 66])


@pytest.mark.parametrize(
    ("status", "header", "after_", "health", "seconds"),
    [
        (429, "7", None, Health.HOLD, 7),
        (503, "7", None, Health.HOLD, 7),
        (500, "7", None, Health.DOWN, 7),
        (200, "", 3600.0, Health.UP, 3600),
        (429, "Mon, 09 Mar 2026 12:01:00 GMT", None, Health.HOLD, 60),
        (429, "Mon, 09 Mar 2026 11:01:00 GMT", None, Health.UP, None),
        (429, "Mon, 09 Mar 2066 11:01:00 GMT", None, Health.HOLD, 86400),
        (429, "soon", None, Health.UP, None),
        (429, "-5", None, Health.UP, None),
        (429, "", 1e9, Health.HOLD, 86400),
    ],
)
def test_what_they_ask_for(
    status: int, header: str, after_: float | None, health: Health, seconds: float | None
) -> None:
    reply = Reply(status, {"retry-after": header})
    verdict = of_reply(reply, lambda _answer: Refused("x", retry=True, after=after_), NOON)
    assert (verdict.health, verdict.after) == (health, seconds)


def told(*verdicts: Verdict, row: RouteRow | None = None) -> list[tuple[int, float | None]]:
    """Failures, and the seconds until a try, after each; each is claimed when that is over."""
    row, now, found = row or RouteRow(ROUTE), NOON, []
    for verdict in verdicts:
        now = max(row.paused_until or now, now) + SECOND
        row = after(row, verdict, begun=now, now=now)
        left = None if row.paused_until is None else (row.paused_until - now) / SECOND
        found.append((row.failures, left))
    return found


def test_a_service_that_is_down_is_left_alone_for_longer_and_longer() -> None:
    assert told(*[DOWN] * 4) == [(n, None) for n in (1, 2, 3, 4)]
    pauses = [15, 30, 60, 120, 240, 300, 300]
    assert told(*[DOWN] * 11)[4:] == [(5 + n, pause) for n, pause in enumerate(pauses)]
    assert told(*[DOWN] * 6, UP, DOWN)[-2:] == [(0, None), (1, None)]


def test_trouble_pauses_at_once_for_longer_and_longer() -> None:
    pauses = [300, 600, 1200, 2400, 3600, 3600]
    assert told(*[TROUBLE] * 6) == [(5 + n, pause) for n, pause in enumerate(pauses)]
    assert told(TROUBLE, UP) == [(5, 300), (0, None)]


def test_what_was_under_way_says_nothing_new_and_a_person_has_the_last_word() -> None:
    shut = after(RouteRow(ROUTE), TROUBLE, begun=NOON, now=NOON + SECOND)
    for verdict in (UP, DOWN, TROUBLE):
        assert after(shut, verdict, begun=NOON, now=NOON + 2 * SECOND) == shut
    by_hand = RouteRow(ROUTE, paused_at=NOON, paused_by="admin", reason="no")
    for verdict in (UP, DOWN, TROUBLE, ended(End.RETRY, Health.HOLD, after=9.0)):
        found = after(by_hand, verdict, begun=NOON + SECOND, now=NOON + SECOND)
        assert (found.paused_at, found.paused_until, found.reason) == (NOON, None, "no")
    silent = ended(End.UNKNOWN, Health.SILENT)
    assert after(shut, silent, begun=NOON + 9 * SECOND, now=NOON + 9 * SECOND) == shut


def test_what_cannot_be_asked_waits() -> None:
    verdict = of_unready(Unready("store the credential"))
    assert (verdict.end, verdict.state, verdict.health) == (
        End.PAUSED, State.PENDING, Health.TROUBLE,
    )  # fmt: skip


async def claimed(push: Pushing, *, room: int = 100, turn: int = 0, **more: Any) -> list[str]:
    terms = more.pop("terms", Terms())
    job = Claim(a_route(**more), "worker", room, turn, push.clock(), terms)
    return [one.id for one in (await push.store.write(job)).messages]


async def test_no_money_pauses_and_burns_no_message(store: Store) -> None:
    async with (
        fake_services.africastalking() as fake,
        pushing_to(store, fake.url, parallel=4) as push,
    ):
        fake.service.code = 405
        ids = await push.enqueue(20)
        await push.until_attempts(ids[0], 1)
        first = len(fake.service.requests)
        assert first <= 4
        for minutes in range(4):
            push.clock.move(minutes=1)
            ids += await push.enqueue(recipient=f"+25473300000{minutes}")
        assert len(fake.service.requests) == first
        fake.service.code = 101
        push.clock.move(minutes=2)
        push.dispatcher.wake()
        for id_ in ids:
            await push.until_state(id_, "sent")
        assert (await push.route()).paused_at is None
        assert max(fake.service.taken.values()) == 1


async def test_a_dead_service_is_tried_by_one_at_a_time(store: Store) -> None:
    async with (
        fake_services.africastalking() as fake,
        pushing_to(store, fake.url, parallel=8) as push,
    ):
        fake.service.rule = lambda _request: faults.server_error()
        ids = await push.enqueue(40)

        async def open_no_more() -> bool:
            return (await push.route()).paused_at is not None

        await push.until(open_no_more)
        before = len(fake.service.requests)
        assert before <= 16
        push.clock.move(seconds=16)
        push.dispatcher.wake()

        async def tried() -> bool:
            return (await push.route()).failures > 5

        await push.until(tried)
        assert len(fake.service.requests) <= before + 8 + 1
        fake.service.rule = None
        push.clock.move(minutes=6)
        push.dispatcher.wake()
        for id_ in ids:
            await push.until_state(id_, "sent")


async def test_a_wait_that_is_asked_for_holds_the_route(store: Store) -> None:
    async with fake_services.africastalking() as fake, pushing_to(store, fake.url) as push:
        fake.service.script.append(faults.throttled(100))
        (id_,) = await push.enqueue()
        await push.until_attempts(id_, 1)
        (other,) = await push.enqueue(recipient="+254733000001")
        route = await push.route()
        assert (route.paused_by, route.failures) == ("smsgate", 0)
        assert (await push.row(other))["attempts"] == 0
        push.clock.move(seconds=111)
        push.dispatcher.wake()
        await push.until_state(id_, "sent")
        await push.until_state(other, "sent")


async def test_a_person_pauses_and_resumes(store: Store) -> None:
    async with fake_services.africastalking() as fake, pushing_to(store, fake.url) as push:
        await store.write(Gate(ROUTE, True, "admin", push.clock(), "night"))
        (id_,) = await push.enqueue()
        push.clock.move(days=2)
        assert await claimed(push) == []
        assert (await push.route()).reason == "night"
        await store.write(Gate(ROUTE, False, "admin", push.clock()))
        await push.until_state(id_, "sent")
        assert len(fake.service.requests) == 1


async def test_without_a_credential_the_route_says_so(store: Store) -> None:
    async with fake_services.africastalking() as fake, pushing_to(store, fake.url) as push:
        push.keys.key = None
        (id_,) = await push.enqueue()
        await push.until_attempts(id_, 1)
        assert "africastalking.com:outgoing" in ((await push.route()).reason or "")
        push.keys.key = "fake-key"
        await store.write(Gate(ROUTE, False, "admin", push.clock()))
        await push.until_state(id_, "sent")


async def test_parts_are_metered_and_owed(store: Store) -> None:
    async with pushing_to(store, "http://127.0.0.1:1", start=False) as push:
        long, *short = await push.add(
            push.message(0, text="x" * 400, priority=1), *(push.message(n) for n in range(1, 9))
        )
        push.clock.stop()
        assert await claimed(push, rate=2.0) == [long]  # three parts, of two there were
        assert await claimed(push, rate=2.0) == []
        push.clock.move(seconds=0.4)
        assert await claimed(push, rate=2.0) == []
        push.clock.move(seconds=0.6)
        assert await claimed(push, rate=2.0) == short[:1]
        push.clock.move(seconds=60)
        assert await claimed(push, rate=2.0) == short[1:3]
        push.clock.move(seconds=-5)  # one that waited for its turn, or a clock that is behind
        assert await claimed(push, rate=2.0) == []
        push.clock.move(seconds=5)
        assert await claimed(push, rate=2.0) == []
        assert await claimed(push) == short[3:]


async def test_only_what_is_free_and_due_is_claimed(store: Store) -> None:
    async with pushing_to(store, "http://127.0.0.1:1", start=False) as push:
        now = push.clock()
        hidden = [
            push.message(1, due_at=now + timedelta(minutes=1)),
            push.message(2, gateway="phone2"),
            push.message(3, state=State.MUTED),
            push.message(4, expires_at=now - SECOND),
        ]
        await push.add(*hidden)
        ids = await push.add(push.message(5), push.message(6, priority=3))
        assert await claimed(push, room=1) == ids[1:]
        assert await claimed(push) == ids[:1]
        assert await claimed(push) == []
        row = await push.row(ids[0])
        assert (row["state"], row["lease_owner"]) == ("pending", "worker")
        assert timedelta() < row["leased_until"] - push.clock() <= LEASE


async def test_what_is_in_hand_is_neither_offered_nor_cancelled_nor_expired(store: Store) -> None:
    async with pushing_to(store, "http://127.0.0.1:1", start=False) as push:
        (id_,) = await push.enqueue(1, expires_at=push.clock() + timedelta(minutes=1))
        assert await claimed(push) == [id_]
        later = push.clock() + timedelta(minutes=5)
        shares = await store.write(
            Do(lambda c: offer(c, [Ask("gateway")], now=push.clock(), lease=LEASE))
        )
        assert shares == [[]]
        order = Steer(Order.CANCEL, [id_], "admin", later, SteerTerms(LEASE))
        assert id_ in (await store.write(order)).refused
        assert await store.write(Do(lambda c: passing.sweep(c, now=later))) == 0


async def test_quiet_hours_and_opt_outs_hold_here_too(store: Store) -> None:
    quiet = {"from": "00:00", "to": "23:59", "timezone": "UTC"}
    async with pushing_to(store, "http://127.0.0.1:1", start=False) as push:
        no, asleep, urgent = await push.add(
            push.message(1), push.message(2), push.message(3, priority=5)
        )
        opted_out = OptedOut(frozenset({number_hash("+254710000001")}), 1)
        rules = QueueRules.from_settings({"smsgate": {"quiet_hours": quiet}}, warnings=[])
        assert await claimed(push, terms=Terms(rules, opted_out)) == [urgent]
        assert (await push.row(no))["state"] == "denied"
        assert (await push.row(asleep))["due_at"] > push.clock()


async def test_what_has_waited_long_gets_every_fifth_place(store: Store) -> None:
    async with pushing_to(store, "http://127.0.0.1:1", start=False) as push:
        early = push.clock() - timedelta(hours=1)
        (old,) = await add(
            store, make.outbound(priority=-9, due_at=early, expires_at=early + 72 * 3600 * SECOND)
        )
        await push.enqueue(30, priority=9)
        found = [await claimed(push, room=1, turn=turn) for turn in range(5)]
        assert [[old] == one for one in found] == [False, False, False, False, True]
