"""Each answer and each fault of the line, at every aggregator that sends (B2-B4, B10).

What an aggregator's own words mean is for its own tests; here is what no words change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from shutil import copy

import pytest

from smsgate.fakes import faults
from smsgate.fakes.faults import Answer, Fault
from smsgate.fakes.serving import serving
from smsgate.message import OutboundMessage
from smsgate.states import Order
from smsgate.steering import Steer, Terms
from smsgate.store.database import Store
from smsgate.store.routes import RouteRow
from tests import targets
from tests.pushes import Pushing, pushing_to
from tests.targets import Target

each = pytest.mark.parametrize("target", targets.ALL, ids=lambda one: one.name)


@pytest.fixture
async def embedded_store(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Store]:
    """SQLite: what comes back is judged before any database has a part in it."""
    copy(sqlite_template, tmp_path / "smsgate.db")
    async with Store(f"sqlite+aiosqlite:///{tmp_path}/smsgate.db") as opened:
        yield opened


@dataclass
class Case:
    """What comes back, and what is to be of it."""

    name: str
    entry: Answer | Fault | None
    outcome: str
    state: str
    status: str = ""
    failures: int = 0


BODIES = [b"", b"{}", b"[]", b"<html>Busy</html>", b'{"status":', b"\xff\xfe", b"null"]
_REFUSED = [301, 302, 401, 403, 404]
LINE = [
    Case("reset before the body", Fault("reset", taken=False, unread=True), "unknown", "unknown",
         "connection_lost", 1),
    Case("reset", Fault("reset"), "unknown", "unknown", "connection_lost", 1),
    Case("cut", Fault("cut"), "unknown", "unknown", "connection_lost", 1),
    Case("hang", Fault("hang"), "unknown", "unknown", "timeout", 1),
    Case("drip", Fault("drip", seconds=6), "unknown", "unknown", "timeout", 1),
    Case("huge", faults.huge(), "unknown", "unknown", "answer_too_large", 1),
    Case("bomb", faults.bomb(), "unknown", "unknown", "answer_too_large", 1),
    Case("false gzip", Answer(200, b"no", {"Content-Encoding": "gzip"}), "unknown", "unknown",
         "unreadable_answer", 1),
    Case("a 500 that is a bomb", Answer(500, faults.bomb().body, {"Content-Encoding": "gzip"}),
         "retry", "pending", "", 1),
]  # fmt: skip


def cases(target: Target) -> list[Case]:
    """The cases of one aggregator: one it takes first, then each code with each body."""
    found = [Case("taken", None, "ok", target.state)]
    found += LINE
    for body in BODIES:
        # With each body those statuses whose body is looked at; of the others, one.
        others = () if body else (201, 202, 502, 504, *_REFUSED, 422)
        for status in (200, 400, 429, 500, 503, *others):
            name = f"HTTP {status} {body!r}"
            if status in target.strange:
                case = Case(name, Answer(status, body), *target.strange[status])
                case.failures = 5 if case.outcome == "paused" else 0
            elif status < 300:
                case = Case(name, Answer(status, body), "unknown", "unknown")
            elif status in _REFUSED:
                case = Case(name, Answer(status, body), "paused", "pending", failures=5)
            elif status in (400, 422):
                case = Case(name, Answer(status, body), "refused", "failed")
            else:
                case = Case(name, Answer(status, body), "retry", "pending")
                case.failures = int(status >= 500)
            found.append(case)
    inside = faults.redirect("http://169.254.169.254/")
    found.append(Case("redirect inside", inside, "paused", "pending", failures=5))
    return found


def message(push: Pushing, target: Target, place: int) -> OutboundMessage:
    return push.message(place, recipient=target.number(place), text=f"Jambo {place}")


def cancel(id_: str, at: datetime) -> Steer:
    return Steer(Order.CANCEL, [id_], "test", at, Terms(timedelta(hours=1)))


@pytest.mark.slow
@each
async def test_each_answer_has_its_outcome(embedded_store: Store, target: Target) -> None:
    fake = target.fake()
    wrong: list[str] = []
    async with (
        serving(fake) as url,
        pushing_to(embedded_store, url, target=target, total_seconds=2.0) as push,
    ):
        for place, case in enumerate(cases(target)):
            fake.script.append(case.entry)
            (id_,) = await push.add(message(push, target, place))
            await push.until_attempts(id_, 1)
            row, route = await push.row(id_), await push.route()
            attempts = await push.attempts(id_)
            found = (attempts[0][0], row["state"], route.failures)
            if found != (case.outcome, case.state, case.failures):
                wrong.append(f"{case.name}: {found}, {attempts[0][1]}")
            if (route.paused_at is not None) is not (case.outcome == "paused"):
                wrong.append(f"{case.name}: paused {route.paused_at is not None}")
            if case.status and attempts[0][1] != case.status:
                wrong.append(f"{case.name}: {attempts[0][1]}")
            if row["lease_owner"] is not None or len(attempts) != 1:
                wrong.append(f"{case.name}: still held, or tried again")
            if row["state"] == "pending":  # out of the way of the next case
                await push.store.write(cancel(id_, push.clock()))
            await push.put_route(RouteRow(target.name))
    assert not wrong, "\n".join(wrong)
    assert max(fake.tries.values()) == 1


@each
async def test_time_that_is_asked_for_is_given(embedded_store: Store, target: Target) -> None:
    fake = target.fake()
    async with serving(fake) as url, pushing_to(embedded_store, url, target=target) as push:
        fake.script.append(Answer(429, b"{}", {"Retry-After": "700"}))
        (id_,) = await push.add(message(push, target, 1))
        await push.until_attempts(id_, 1)
        route = await push.route()
        assert (await push.row(id_))["due_at"] >= push.clock() + timedelta(seconds=690)
        assert route.paused_until is not None
        assert route.paused_until >= push.clock() + timedelta(seconds=690)


@each
async def test_what_may_have_left_follows_the_rule(embedded_store: Store, target: Target) -> None:
    fake = target.fake()
    async with (
        serving(fake) as url,
        pushing_to(embedded_store, url, target=target, unknown="retry") as push,
    ):
        fake.script.append(Fault("reset"))
        (id_,) = await push.add(message(push, target, 1))
        await push.until_state(id_, "unknown")
        assert sum(fake.tries.values()) == 1
        push.clock.move(minutes=16)
        push.dispatcher.wake()
        row = await push.until_state(id_, target.state)
        assert (row["attempts"], row["taken_over"]) == (2, 1)
        assert [end for end, _ in await push.attempts(id_)] == ["unknown", "ok"]
        assert list(fake.taken.values()) == [2]


@each
async def test_what_is_on_its_way_at_the_end_is_heard_of(
    embedded_store: Store, target: Target
) -> None:
    fake = target.fake()
    fake.gate = gate = asyncio.Event()
    async with serving(fake) as url, pushing_to(embedded_store, url, target=target) as push:
        ids = await push.add(*(message(push, target, place) for place in range(3)))
        await fake.until(lambda: sum(fake.taken.values()) == 3)
        stopping = asyncio.create_task(push.dispatcher.stop(grace=20))
        gate.set()
        await stopping
        assert {row["state"] for row in await push.rows(ids)} == {target.state}
    assert not fake.doubled


def test_every_aggregator_that_sends_is_here() -> None:
    assert not targets.missing()
