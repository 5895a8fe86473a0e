"""The file in which webhook calls wait: safe, private, in order."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from smsgate.aggregators.base import Call
from smsgate.errors import StartError, StoreUnavailable
from smsgate.store.spool import Spool
from tests.make import NOON


def call(body: bytes = b"x", **changes: Any) -> Call:
    values: dict[str, Any] = {
        "endpoint": "incoming-messages",
        "method": "POST",
        "url": "https://sms.example.org/x",
        "headers": {"content-type": "text/plain", "x-é": "\x80"},
        "query": [("a", "1"), ("a", "\ufffd")],
        "body": body,
        "at": NOON,
    }
    return Call(**{**values, **changes})


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    made = Spool(tmp_path / "spool.db")
    await made.open()
    yield made
    await made.close()


async def test_a_call_comes_back_as_it_went_in(spool: Spool) -> None:
    given = call(b"\0\xff")
    await spool.append("africastalking", given)
    (kept,) = await spool.first(10)
    assert (kept.aggregator, kept.call) == ("africastalking", given)
    assert spool.depth == 1


async def test_many_at_once_keep_their_order_and_each_is_on_disk_when_told(
    spool: Spool, tmp_path: Path
) -> None:
    async def one(number: int) -> None:
        await spool.append("x", call(str(number).encode()))
        with sqlite3.connect(tmp_path / "spool.db") as other:
            bodies = {body for (body,) in other.execute("SELECT body FROM calls")}
        other.close()
        assert str(number).encode() in bodies

    await asyncio.gather(*(one(number) for number in range(200)))
    kept = [*await spool.first(150), *(await spool.first(500))[150:]]
    assert [item.call.body for item in kept] == [str(number).encode() for number in range(200)]
    await spool.remove([item.seq for item in kept[:199]])
    assert spool.depth == 1
    assert [item.call.body for item in await spool.first(10)] == [b"199"]


async def test_nobody_else_may_read_it_and_nothing_stays_in_it(
    spool: Spool, tmp_path: Path
) -> None:
    await spool.append("x", call(b"canary-text"))
    assert (tmp_path / "spool.db").stat().st_mode & 0o777 == 0o600
    await spool.remove([item.seq for item in await spool.first(1)])
    assert not any(b"canary-text" in content for content in contents(tmp_path))


async def test_without_a_call_there_is_no_file(spool: Spool, tmp_path: Path) -> None:
    assert contents(tmp_path) == []


async def test_what_an_earlier_process_left_is_counted(spool: Spool, tmp_path: Path) -> None:
    await spool.append("x", call())
    again = Spool(tmp_path / "spool.db")
    await again.open()
    assert again.depth == 1
    await again.close()


async def test_a_damaged_file_stops_the_start_and_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    path.write_bytes(b"no database at all, but long enough to be looked at as one" * 100)
    spool = Spool(path)
    with pytest.raises(StartError, match="move it aside"):
        await spool.open()
    with pytest.raises(StoreUnavailable):
        await spool.append("x", call())
    assert spool.depth == 0
    await spool.close()


async def test_one_that_cannot_be_written_is_not_written_later(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    path.mkdir()
    spool = Spool(path)
    with pytest.raises(StoreUnavailable):
        await spool.append("x", call(b"refused"))
    path.rmdir()
    await spool.append("x", call(b"taken"))
    assert [item.call.body for item in await spool.first(10)] == [b"taken"]
    await spool.close()
