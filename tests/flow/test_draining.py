"""Kept calls that nobody can make sense of any more go to quarantine, and hold up nobody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from smsgate.aggregators.base import Aggregator, Call, Heard, Options, Report
from smsgate.aggregators.registry import AggregatorRegistry, installed
from smsgate.draining import Drain
from smsgate.message import State
from smsgate.store.spool import Spool
from smsgate.store.tables import inbound, quarantine
from smsgate.tally import Tally
from tests.looking import rows
from tests.make import NOON
from tests.running import Running

AT = "id=1&from=%2B254791541111&text=hello"


class Broken(Aggregator):
    """A plugin that fails over all it reads."""

    name = "broken"
    credential_prefixes: tuple[str, ...] = ("broken",)

    def read(self, call: Call, options: Options) -> Heard:  # noqa: ARG002 - the contract's
        raise RuntimeError(call.body)


class Odd(Aggregator):
    """A plugin whose reports the database will not have."""

    name = "odd"
    credential_prefixes: tuple[str, ...] = ("odd",)

    def read(self, call: Call, options: Options) -> Heard:  # noqa: ARG002 - the contract's
        return Heard(reports=[Report("1", 5, State.SENT)])  # type: ignore[arg-type]  # the point


def call(body: str, kind: str = "application/x-www-form-urlencoded") -> Call:
    headers = {"content-type": kind}
    return Call("incoming-messages", "POST", "https://x/", headers, [], body.encode(), NOON)


async def drained(server: Running, path: Path, calls: Sequence[tuple[str, Call]]) -> Spool:
    services = server.services
    spool = Spool(path)
    for name, one in calls:
        await spool.append(name, one)
    registry = AggregatorRegistry([*installed().aggregators, Broken(), Odd()])
    drain = Drain(spool, services.store, services.programmes, registry, Tally())
    assert await drain.drain() == len(calls)
    assert await drain.drain() == 0
    await spool.close()
    return spool


async def test_what_cannot_be_read_is_set_aside(server: Running, tmp_path: Path) -> None:
    spool = await drained(
        server,
        tmp_path / "spool.db",
        [
            ("africastalking", call(AT)),
            ("gone", call("a call of a plugin that was taken out")),
            ("rapidpro", call("{", "application/json")),
            ("broken", call("one that it fails over")),
            ("odd", call("one that cannot be stored")),
            ("africastalking", call(AT.replace("hello", "again"))),
        ],
    )
    assert spool.depth == 0
    assert [row["text"] for row in await rows(server, inbound)] == ["hello", "again"]
    aside = {row["source"]: (row["reason"], row["raw"]) for row in await rows(server, quarantine)}
    assert aside["gone"] == ("unreadable_call", b"a call of a plugin that was taken out")
    assert aside["rapidpro"] == ("unreadable_call", b"{")
    assert aside["broken"] == ("reading_failed: RuntimeError", b"one that it fails over")
    assert "odd" in aside
