"""Each answer and each fault of the line: what becomes of message, attempt and route (B2-B4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from smsgate.fakes import faults
from smsgate.fakes.faults import Answer, Fault
from smsgate.states import Order
from smsgate.steering import Steer, Terms
from smsgate.store.database import Store
from smsgate.store.routes import RouteRow
from tests import fake_services
from tests.pushes import ROUTE, pushing_to


def said(code: int, status: str, reference: str = "None", **more: Any) -> Answer:
    """An answer of theirs about one recipient."""
    recipient = {"statusCode": code, "status": status, "messageId": reference, "cost": "0", **more}
    return Answer.json(
        {"SMSMessageData": {"Message": "Sent to 0/1", "Recipients": [recipient]}}, 201
    )


@dataclass
class Case:
    """What comes back, and what is to be of it."""

    name: str
    entry: Answer | Fault
    outcome: str
    state: str
    status: str = ""
    paused: bool = False
    failures: int = 0


def cancel(id_: str, at: datetime) -> Steer:
    return Steer(Order.CANCEL, [id_], "test", at, Terms(timedelta(hours=1)))


BODIES = [b"", b"{}", b"[]", b"<html>Busy</html>", b'{"SMSMessageData":', b"\xff\xfe", b"null"]
CASES = [
    *(
        Case(f"{code} {status}", said(code, status, "AT1", messageParts=2), "ok", state, status)
        for code, status, state in (
            (100, "Processed", "forwarded-by-gateway"),
            (101, "Sent", "sent"),
            (102, "Queued", "received-by-gateway"),
        )
    ),
    *(
        Case(f"{code} {status}", said(code, status), "refused", state, status)
        for code, status, state in (
            (403, "InvalidPhoneNumber", "failed"),
            (404, "UnsupportedNumberType", "failed"),
            (406, "UserInBlacklist", "denied"),
        )
    ),
    *(
        Case(f"{code} {status}", said(code, status), "paused", "pending", status, paused=True)
        for code, status in ((401, "RiskHold"), (402, "InvalidSenderId"), (405, "Insufficient"))
    ),
    *(
        Case(f"{code} recipient", said(code, "x"), "retry", "pending")
        for code in (407, 409, 500, 501, 502)
    ),
    *(
        Case(f"HTTP {status} {body!r}", Answer(status, body), "retry", "pending", f"HTTP {status}",
             failures=status >= 500)
        for status in (429, 500, 502, 503, 504)
        for body in BODIES
    ),
    *(
        Case(f"HTTP {status}", Answer(status, b"no"), "paused", "pending", paused=True)
        for status in (301, 302, 401, 403, 404)
    ),
    Case("HTTP 400", Answer(400, b"no"), "refused", "failed", "HTTP 400"),
    *(Case(f"HTTP 200 {body!r}", Answer(200, body), "unknown", "unknown") for body in BODIES),
    Case("redirect inside", faults.redirect("http://169.254.169.254/"), "paused", "pending",
         paused=True),
    Case("reset before the body", Fault("reset", taken=False, unread=True), "unknown", "unknown",
         "connection_lost", failures=1),
    Case("reset", Fault("reset"), "unknown", "unknown", "connection_lost", failures=1),
    Case("cut", Fault("cut"), "unknown", "unknown", "connection_lost", failures=1),
    Case("hang", Fault("hang"), "unknown", "unknown", "timeout", failures=1),
    Case("drip", Fault("drip", seconds=0.2), "unknown", "unknown", "timeout", failures=1),
    Case("huge", faults.huge(), "unknown", "unknown", "answer_too_large", failures=1),
    Case("bomb", faults.bomb(), "unknown", "unknown", "answer_too_large", failures=1),
    Case("false gzip", Answer(200, b"no", {"Content-Encoding": "gzip"}), "unknown", "unknown",
         "unreadable_answer", failures=1),
    Case("a 500 that is a bomb", Answer(500, faults.bomb().body, {"Content-Encoding": "gzip"}),
         "retry", "pending", "HTTP 500", failures=1),
]  # fmt: skip


@pytest.mark.slow
async def test_each_answer_has_its_outcome(store: Store) -> None:
    wrong: list[str] = []
    async with (
        fake_services.africastalking() as fake,
        pushing_to(store, fake.url, total_seconds=2.0) as push,
    ):
        for place, case in enumerate(CASES):
            fake.service.script.append(case.entry)
            (id_,) = await push.add(push.message(place))
            await push.until_attempts(id_, 1)
            row, route = await push.row(id_), await push.route()
            attempts = await push.attempts(id_)
            found = (attempts[0][0], row["state"], route.paused_at is not None, route.failures)
            failures = max(case.failures, 5 if case.paused else 0)
            if found != (case.outcome, case.state, case.paused, failures):
                wrong.append(f"{case.name}: {found}")
            if case.status and not (attempts[0][1] or "").startswith(case.status):
                wrong.append(f"{case.name}: {attempts[0][1]}")
            if row["lease_owner"] is not None or len(attempts) != 1:
                wrong.append(f"{case.name}: still held, or tried again")
            if row["state"] == "pending":  # out of the way of the next case
                await push.store.write(cancel(id_, push.clock()))
            await push.put_route(RouteRow(ROUTE))
        assert not wrong, "\n".join(wrong)
        assert max(fake.service.tries.values()) == 1
