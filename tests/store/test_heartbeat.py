"""Phones are taken note of in memory, written down rarely, and shared between processes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from smsgate.heartbeat import Heartbeats, app_version
from smsgate.store import gateways
from smsgate.store.database import Store
from smsgate.store.gateways import KEPT_CHANGES, Sighting
from tests.make import NOON, Clock

AGENT = "Dalvik/2.1.0 (Linux; U; Android 9; Nokia 1) medic.gateway.alert.generic/1.8.0"
MINUTE = timedelta(minutes=1)
A, B = "10.0.0.7", "10.0.0.8"


async def table(store: Store) -> list[Sighting]:
    async with store.read() as connection:
        return await gateways.all_of_them(connection)


@pytest.mark.parametrize(
    ("agent", "version"),
    [
        (AGENT, "1.8.0"),
        ("Dalvik/2.1.0 medic.gateway.alert/v1.3.0-beta.2", "v1.3.0-beta.2"),
        ("curl/8.0", None),
        ("", None),
        ("medic.gateway.alert/", None),
        ("medic.gateway.alert/" + "9" * 300, "9" * 64),
        ("medic.gateway." + "." * 100_000, None),
    ],
)
def test_the_version_in_an_agent(agent: str, version: str | None) -> None:
    assert app_version(agent) == version


async def test_polls_are_written_down_once_a_minute(store: Store) -> None:
    clock = Clock()
    beats = Heartbeats(store)
    writes = store.writer.commits
    for _ in range(30):
        beats.beat("gateway", agent=AGENT, address=A, at=clock())
        await beats.flush_if_due(clock())
        clock.move(seconds=10)
    assert writes.total == 5  # at once, then each minute of five
    assert await table(store) == [Sighting("gateway", NOON + 4 * MINUTE, "1.8.0", A)]
    assert beats.overlay(await table(store)) == [
        Sighting("gateway", NOON + timedelta(seconds=290), "1.8.0", A)
    ]
    await beats.flush(clock())
    await beats.flush(clock())  # nothing is new
    assert writes.total == 6
    assert (await table(store))[0].last_poll_at == NOON + timedelta(seconds=290)


async def test_a_clock_that_was_set_back_does_not_stop_the_writing(store: Store) -> None:
    beats = Heartbeats(store)
    beats.beat("gateway", agent=AGENT, address=A, at=NOON)
    await beats.flush_if_due(NOON)
    beats.beat("phone2", agent=AGENT, address=A, at=NOON - 60 * MINUTE)
    await beats.flush_if_due(NOON - 60 * MINUTE)
    assert [one.account for one in await table(store)] == ["gateway", "phone2"]


async def test_the_newest_stays(store: Store) -> None:
    early, late = Heartbeats(store), Heartbeats(store)
    late.beat("gateway", agent=AGENT, address=B, at=NOON + MINUTE)
    await late.flush(NOON)
    early.beat("gateway", agent="old", address=A, at=NOON)
    await early.flush(NOON)
    (found,) = await table(store)
    assert (found.last_poll_at, found.app_version, found.address) == (NOON + MINUTE, "1.8.0", B)
    # Each tells of what the other heard.
    assert early.overlay(await table(store)) == late.overlay(await table(store))


async def test_two_addresses_in_one_process(store: Store) -> None:
    beats = Heartbeats(store)
    for second in range(20):
        beats.beat(
            "gateway", agent=AGENT, address=A if second % 2 else B, at=NOON + second * MINUTE
        )
    await beats.flush(NOON)
    (found,) = await table(store)
    assert found.address_changes == tuple(
        NOON + second * MINUTE for second in range(20 - KEPT_CHANGES, 20)
    )


async def test_two_addresses_on_two_processes(store: Store) -> None:
    one, other = Heartbeats(store), Heartbeats(store)
    for minute in range(4):
        one.beat("gateway", agent=AGENT, address=A, at=NOON + minute * MINUTE)
        await one.flush(NOON)
        other.beat("gateway", agent=AGENT, address=B, at=NOON + minute * MINUTE + MINUTE / 2)
        await other.flush(NOON)
    (found,) = await table(store)
    assert len(found.address_changes) == 6


async def test_one_address_on_two_processes_changes_nothing(store: Store) -> None:
    one, other = Heartbeats(store), Heartbeats(store)
    for minute in range(4):
        for beats in (one, other):
            beats.beat("gateway", agent=AGENT, address=A, at=NOON + minute * MINUTE)
            await beats.flush(NOON)
    assert (await table(store))[0].address_changes == ()
