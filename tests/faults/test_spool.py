"""PostgreSQL goes away while webhooks call: nothing is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from smsgate.fakes import courier
from smsgate.settings import Settings
from smsgate.store.spool import Spool
from smsgate.store.tables import inbound, outbound, quarantine, records
from tests.faults.cable import Cable, cable_to
from tests.looking import rows
from tests.make import Clock
from tests.running import Running, running

KEY = "a-long-unique-key"
AT = f"/api/v1/sms/africastalking/incoming-messages?key={KEY}"
RP = "/api/v1/sms/rapidpro/incoming-messages"

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("database_url", ["postgres"], indirect=True),
]


@pytest.fixture
async def cable(settings: Settings) -> AsyncIterator[tuple[Cable, Settings]]:
    async with cable_to(settings.database_url) as (made, near):
        yield made, replace(settings, database_url=near)


async def prepare(server: Running) -> None:
    for name in (
        "africastalking.com:incoming",
        "rapidpro:incoming",
        "rapidpro-channel:incoming",
    ):
        response = await server.call(
            "PUT",
            f"/api/v1/credentials/{name}",
            content=KEY,
            headers={"Content-Type": "text/plain"},
        )
        assert response.status_code == 200, response.text
    for number in (100_000, 100_001):  # from here on the server knows them
        assert (await call(server, number)).json() == {"saved": 1}


async def call(server: Running, number: int) -> httpx2.Response:
    """The call of that number; every second one is RapidPro's."""
    sender = f"+2547915{number:05d}"
    text = f"1!ANC!Sam {number}#23#2015"
    if number % 2:
        item = {"id": f"run-{number}", "from": sender, "content": text}
        return await server.call(
            "POST", RP, user=None, json=item, headers={"Authorization": f"Token {KEY}"}
        )
    return await server.call(
        "POST", AT, user=None, data={"id": f"AT-{number}", "from": sender, "text": text}
    )


async def many(server: Running, numbers: range, at_once: int = 16) -> None:
    """Make these calls; each must be answered 200."""
    todo = iter(numbers)

    async def caller() -> None:
        for number in todo:
            response = await call(server, number)
            assert response.status_code == 200, response.text

    await asyncio.gather(*(caller() for _ in range(at_once)))


async def drained(spool: Spool) -> None:
    """Wait until nothing is kept any more."""
    async with asyncio.timeout(60):
        while spool.depth:  # noqa: ASYNC110 - it empties aside, in its own time
            await asyncio.sleep(0.02)


async def texts(server: Running) -> list[str]:
    """What is stored, without the two calls of `prepare`."""
    return [row["text"] for row in (await rows(server, inbound))[2:]]


async def metric(server: Running, name: str) -> float:
    text = (await server.call("GET", "/metrics", user=None)).text
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])


async def test_a_thousand_calls_while_the_database_goes_and_comes(
    cable: tuple[Cable, Settings], clock: Clock
) -> None:
    made, near = cable
    async with running(near, clock) as server:
        await prepare(server)
        spool: Spool = server.services.spool
        await many(server, range(100))
        # It goes while calls are under way, is away for most of them, and comes back likewise.
        going = asyncio.create_task(many(server, range(100, 300)))
        await asyncio.sleep(0)
        await made.cut()
        await going
        await many(server, range(300, 800))
        assert spool.depth > 500
        assert await metric(server, "smsgate_spool_items") == spool.depth
        ready = await server.call("GET", "/readyz", user=None)
        assert (ready.status_code, ready.json()["spooled"]) == (503, spool.depth)
        await many(server, range(300, 350))  # repeats
        coming = asyncio.create_task(many(server, range(800, 1000)))
        await made.mend()
        await coming
        await made.cut()  # in the middle of it
        await made.mend()
        await drained(spool)
        stored = await rows(server, inbound)
        assert len(stored) == 1002
        assert set(await texts(server)) == {f"1!ANC!Sam {number}#23#2015" for number in range(1000)}
        assert len(await rows(server, records)) == len(await rows(server, outbound)) == 1002
        assert await rows(server, quarantine) == []


async def test_orders_that_come_while_it_is_away_are_carried_out_once(
    cable: tuple[Cable, Settings], clock: Clock
) -> None:
    made, near = cable
    async with running(near, clock) as server:
        await prepare(server)
        before = len(await rows(server, outbound))
        address = f"{server.url}/api/v1/sms/rapidpro-channel/outgoing-messages"

        async def order(number: int) -> None:
            post = courier.order(
                str(number), f"+25471{number:07d}", "x", url=address, authorization=KEY
            )
            headers = dict(post.headers)
            answer = await server.client.post(post.url, content=post.body, headers=headers)
            assert answer.status_code == 200, answer.text

        await order(0)
        await made.cut()
        for number in (*range(10), *range(10)):
            await order(number)
        assert server.services.spool.depth == 20
        await made.mend()
        await drained(server.services.spool)
        assert len(await rows(server, outbound)) == before + 10


async def test_what_is_kept_outlives_the_process_and_may_go_in_twice(
    cable: tuple[Cable, Settings], clock: Clock, tmp_path: Any
) -> None:
    made, near = cable
    file = near.data_dir / "spool.db"
    async with running(near, clock) as server:
        await prepare(server)
        await made.cut()
        await many(server, range(20), at_once=1)
        assert server.services.spool.depth == 20
    assert file.stat().st_mode & 0o777 == 0o600
    assert KEY.encode() not in b"".join(
        path.read_bytes() for path in near.data_dir.glob("spool.db*")
    )
    copy = tmp_path / "copy.db"
    copy.write_bytes(file.read_bytes())
    await made.mend()
    stored: list[str] = []
    for left in (None, copy):
        if left is not None:  # as if the process had ended before it could forget them
            file.write_bytes(left.read_bytes())
        async with running(near, clock) as server:
            await drained(server.services.spool)
            stored = await texts(server)
    assert stored == [f"1!ANC!Sam {number}#23#2015" for number in range(20)]


async def test_a_database_that_does_not_answer_is_not_waited_for(
    cable: tuple[Cable, Settings], clock: Clock
) -> None:
    made, near = cable
    async with running(near, clock) as server:
        await prepare(server)
        made.swallow()
        async with asyncio.timeout(14):  # RapidPro hangs up after 15 seconds
            await many(server, range(4))
        assert server.services.spool.depth == 4
        await made.mend()
        await drained(server.services.spool)
        assert len(await texts(server)) == 4


async def test_who_may_not_come_in_is_not_kept(cable: tuple[Cable, Settings], clock: Clock) -> None:
    made, near = cable
    async with running(near, clock) as server:
        await prepare(server)
        await made.cut()
        # Not 403: another key may have been stored a moment before.
        response = await server.call("POST", AT + "x", user=None, data={"id": "1"})
        assert response.status_code == 503
        bad = await server.call(
            "POST", RP, user=None, content=b"{", headers={"Authorization": f"Token {KEY}"}
        )
        assert bad.status_code == 400
        assert server.services.spool.depth == 0


async def test_where_the_spool_fails_too_the_sender_is_told(
    cable: tuple[Cable, Settings], clock: Clock
) -> None:
    made, near = cable
    async with running(near, clock) as server:
        await prepare(server)
        (near.data_dir / "spool.db").mkdir()  # in the way
        await made.cut()
        response = await call(server, 1)
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) > 0
