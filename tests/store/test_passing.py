"""Time: due, put off, stale, expired, tried again; each with its reason."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from smsgate import passing, steering
from smsgate.deny import DenyRules
from smsgate.message import State
from smsgate.optout import OptedOut, number_hash
from smsgate.passing import Pace
from smsgate.rules import QueueRules
from smsgate.states import Order
from smsgate.steering import Steer, Terms
from smsgate.store.database import Store
from tests import make
from tests.make import NOON, SENDER
from tests.store.test_offering import row
from tests.store.test_outbox import Do, add, offer, settle

HOUR = timedelta(hours=1)


def rules(**document: Any) -> QueueRules:
    return QueueRules.from_settings(document, warnings=[])


async def sweep(store: Store, pace: Pace | None = None, hours: float = 0) -> int:
    now = NOON + hours * HOUR
    changed: int = await store.write(Do(lambda c: passing.sweep(c, now=now, pace=pace)))
    return changed


async def where(store: Store, id_: str) -> tuple[str, str | None]:
    found = await row(store, id_)
    details = json.loads(found["details"]) if found["details"] else {}
    return found["state"], details.get("reason")


async def test_the_time_to_live_begins_when_it_becomes_pending(store: Store) -> None:
    late, fixed, over = await add(
        store,
        *(
            make.outbound(state=State.SCHEDULED, due_at=NOON - 100 * HOUR, **rest)
            for rest in (
                {"expires_at": NOON - 28 * HOUR},
                {"expires_at": NOON + HOUR, "expires_fixed": True},
                {"expires_at": NOON - HOUR, "expires_fixed": True},
            )
        ),
    )
    assert await sweep(store, Pace(expires_after=5 * HOUR)) == 3
    assert await where(store, late) == ("pending", None)
    assert (await row(store, late))["expires_at"] == NOON + 5 * HOUR
    assert (await row(store, fixed))["expires_at"] == NOON + HOUR
    assert await where(store, over) == ("expired", "expired_before_due")


async def test_what_was_due_too_long_ago_is_not_sent(store: Store) -> None:
    stale, nearly = await add(
        store,
        make.outbound(state=State.SCHEDULED, due_at=NOON - timedelta(days=7)),
        make.outbound(state=State.SCHEDULED, due_at=NOON - timedelta(days=7) + HOUR),
    )
    await sweep(store)
    assert await where(store, stale) == ("expired", "due_too_long_ago")
    assert await where(store, nearly) == ("pending", None)


async def test_outside_the_daily_window_nothing_falls_due_but_expiry_goes_on(store: Store) -> None:
    due, old = await add(
        store,
        make.outbound(state=State.SCHEDULED),
        make.outbound(expires_at=NOON),
    )
    pace = Pace(rules(schedule_morning_hours=14, schedule_evening_hours=18))
    async with store.read() as connection:
        assert await passing.any_to_sweep(connection, now=NOON, pace=pace)
    await sweep(store, pace)
    assert (await where(store, due))[0] == "scheduled"
    assert await where(store, old) == ("expired", "not_offered")
    async with store.read() as connection:
        assert not await passing.any_to_sweep(connection, now=NOON, pace=pace)
    await sweep(store, pace, hours=2)
    assert (await where(store, due))[0] == "pending"


async def test_quiet_hours_put_off_what_falls_due(store: Store) -> None:
    (id_,) = await add(store, make.outbound(state=State.SCHEDULED))
    quiet = {"from": "11:00", "to": "13:00", "timezone": "UTC"}
    pace = Pace(rules(smsgate={"quiet_hours": quiet}))
    assert [await sweep(store, pace) for _ in range(2)] == [1, 0]
    assert (await row(store, id_))["due_at"] == NOON + HOUR
    assert (await where(store, id_))[0] == "scheduled"
    await sweep(store, pace, hours=1)
    assert (await where(store, id_))[0] == "pending"


async def test_who_opted_out_gets_nothing_that_falls_due(store: Store) -> None:
    (id_,) = await add(store, make.outbound(state=State.SCHEDULED))
    await sweep(store, Pace(opted_out=OptedOut(frozenset({number_hash(SENDER)}), 1)))
    assert await where(store, id_) == ("denied", "opted_out")


async def test_an_expired_message_says_whether_a_phone_had_it(store: Store) -> None:
    never, held = await add(store, *(make.outbound(expires_at=NOON + HOUR) for _ in range(2)))
    await add(store)
    await store.write(Steer(order=Order.MUTE, ids=[never], by="x", at=NOON, terms=Terms(72 * HOUR)))
    await offer(store, "one")
    await store.write(
        Steer(order=Order.UNMUTE, ids=[never], by="x", at=NOON, terms=Terms(72 * HOUR))
    )
    await sweep(store)
    await sweep(store, hours=1)
    assert await where(store, held) == ("expired", "not_acknowledged")
    await sweep(store, hours=72)
    assert await where(store, never) == ("expired", "not_offered")


async def test_the_retry_rule_tries_until_its_times_are_used_up(store: Store) -> None:
    rule = rules(
        smsgate={"outbound": {"retry_failed": {"times": 2, "reasons": ["no-service"]}}}
    ).retry
    assert rule is not None
    ids = await add(store, make.outbound(), make.outbound(), make.outbound(expires_at=NOON + HOUR))
    await offer(store, "one")
    for id_, reason in zip(ids, ("no-service", "no-pdu", "no-service"), strict=True):
        await settle(store, make.report(id_, "FAILED", reason=reason))
    assert await _due(store, rule, minutes=14) == []
    assert await _due(store, rule, minutes=15) == [ids[2], ids[0]]
    assert await _due(store, rule, minutes=60) == [ids[0]]
    for attempt in (1, 2):
        now = NOON + timedelta(minutes=60 * attempt)
        obeyed = await store.write(
            Steer(
                order=Order.RETRY,
                ids=ids,
                by="rule",
                at=now,
                terms=Terms(72 * HOUR, DenyRules()),
                keep_expiry=True,
            )
        )
        assert ids[0] in obeyed.moved
        assert obeyed.refused[ids[2]].startswith("it has expired" if attempt == 1 else "it has")
        report = make.report(f"{ids[0]}.{attempt}", "FAILED", reason="no-service", at=now)
        await settle(store, report)
    assert (await row(store, ids[0]))["expires_at"] == NOON + 72 * HOUR
    assert ids[0] not in await _due(store, rule, minutes=600)


async def _due(store: Store, rule: Any, *, minutes: float) -> list[str]:
    async with store.read() as connection:
        return await steering.to_retry(connection, rule, now=NOON + timedelta(minutes=minutes))
