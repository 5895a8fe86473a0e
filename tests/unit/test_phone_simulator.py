"""The simulated phone as a state machine, and the file that keeps it: no network, no clock."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from smsgate.simulate.handset import FAILURES, Answer, Phone
from smsgate.simulate.report import tally
from smsgate.simulate.rows import Outgoing, Report, Status
from smsgate.simulate.state import Journal, StateError
from tests.make import sms_of

EMPTY = b'{"messages":[]}'


def offer(*entries: tuple[Any, Any, Any]) -> bytes:
    return json.dumps(
        {"messages": [dict(zip(("id", "to", "content"), e, strict=True)) for e in entries]}
    ).encode()


def said(phone: Phone) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(phone.request().body())
    return body


def test_an_idle_phone_sends_both_arrays() -> None:
    assert said(Phone()) == {"messages": [], "updates": []}


def test_a_message_carries_the_fields_of_the_wire() -> None:
    phone = Phone()
    phone.receive(sms_of(1))
    assert said(phone)["messages"] == [
        {"id": "in-1", "from": "+254700000001", "content": "hi", "sms_sent": 1, "sms_received": 2}
    ]


def test_batches_hold_ten_messages_and_twenty_updates_oldest_first() -> None:
    phone = Phone()
    for number in range(12):
        phone.receive(sms_of(number))
    phone.request()
    phone.answered(200, offer(*[(f"o{n}", "+1", "x") for n in range(22)]), now=5)
    body = said(phone)
    assert [m["id"] for m in body["messages"]] == ["in-10", "in-11"]
    assert [u["id"] for u in body["updates"]] == [f"o{n}" for n in range(20)]
    assert phone.request().full


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (204, b"", "HTTP 204 with no body"),
        (200, b"  ", "HTTP 200 with no body"),
        (200, b"[]", "HTTP 200 with something else than a JSON object"),
        (200, b"null", "HTTP 200 with something else than a JSON object"),
        (200, b"<html>", "HTTP 200 with something else than a JSON object"),
        (200, b'{"messages": [', "HTTP 200 with something else than a JSON object"),
        (200, b"[" * 100_000, "HTTP 200 with something else than a JSON object"),
        (301, EMPTY, "HTTP 301: a redirect, which a phone must never get (silent loss)"),
        (307, EMPTY, "HTTP 307: a redirect, which a phone must never get (silent loss)"),
        (400, EMPTY, "HTTP 400: not accepted"),
        (401, EMPTY, "HTTP 401: user or password refused"),
        (500, EMPTY, "HTTP 500: the server failed"),
    ],
)
def test_anything_but_a_2xx_object_has_the_same_batch_sent_again(
    status: int, body: bytes, problem: str
) -> None:
    phone = Phone()
    phone.receive(sms_of(1))
    first = phone.request()
    assert phone.answered(status, body, now=3) == Answer(accepted=False, problem=problem)
    phone.receive(sms_of(2))
    again = phone.request()
    assert again.body() == first.body()
    assert again.again
    assert not first.again
    phone.answered(299, b"{}", now=4)
    assert [m["id"] for m in said(phone)["messages"]] == ["in-2"]


def test_an_empty_batch_is_not_held_back() -> None:
    phone = Phone()
    phone.request()
    phone.receive(sms_of(1))
    assert len(said(phone)["messages"]) == 1


@pytest.mark.parametrize(
    "body", [b"{}", b'{"messages":null}', b'{"messages":[],"x":1}', b'{"a":"\xff"}']
)
def test_an_object_without_messages_acknowledges(body: bytes) -> None:
    phone = Phone()
    phone.receive(sms_of(1))
    phone.request()
    assert phone.answered(200, body, now=3) == Answer(accepted=True)
    assert phone.settled


def test_messages_that_are_no_array_are_a_problem_after_acknowledging() -> None:
    phone = Phone()
    phone.receive(sms_of(1))
    phone.request()
    answer = phone.answered(200, b'{"messages":{}}', now=3)
    assert answer.accepted
    assert answer.problem == "`messages` in the answer is no array"
    assert phone.settled


@pytest.mark.parametrize(
    ("entry", "stored"),
    [
        (("a", "+254 700-000 001", "x"), ("a", "+254700000001", "x")),
        ((7, 254, 1.5), ("7", "254", "1.5")),
        (("a", "+1", ""), ("a", "+1", "")),
        (("a", "+1", "\ud800"), ("a", "+1", "?")),
        ((None, "+1", "x"), None),
        (("a", None, "x"), None),
        (("a", "+1", {}), None),
        ((True, "+1", "x"), None),
    ],
)
def test_entries_are_read_one_by_one(
    entry: tuple[Any, Any, Any], stored: tuple[str, str, str] | None
) -> None:
    phone = Phone()
    phone.request()
    answer = phone.answered(200, offer(entry, ("good", "+2", "y")), now=3)
    got = [(o.id, o.to, o.content) for o in phone.outgoing.values()]
    assert got == ([stored] if stored else []) + [("good", "+2", "y")]
    assert (answer.new, answer.unreadable) == (len(got), 2 - len(got))
    assert (answer.problem is None) is (stored is not None)


def test_an_entry_that_is_no_object_is_skipped() -> None:
    phone = Phone()
    phone.request()
    assert phone.answered(200, b'{"messages":[1,"x",null,[]]}', now=3).unreadable == 4


def walk(phone: Phone) -> list[tuple[str, str | None]]:
    """Polls and sends until nothing moves; the updates the server was told."""
    told: list[tuple[str, str | None]] = []
    for now in range(10):
        told += [(update["status"], update.get("reason")) for update in said(phone)["updates"]]
        phone.answered(200, EMPTY, now=now)
        phone.radio(now=now)
    return told


@pytest.mark.parametrize(
    ("to", "fate", "told"),
    [
        (
            "+254700000001",
            None,
            [("UNSENT", None), ("PENDING", None), ("SENT", None), ("DELIVERED", None)],
        ),
        (
            "+254700000001",
            "radio-off",
            [("UNSENT", None), ("PENDING", None), ("FAILED", "radio-off")],
        ),
        (
            "22.33",
            FAILURES[-1],
            [("UNSENT", None), ("PENDING", None), ("SENT", None), ("FAILED", FAILURES[-1])],
        ),
        ("Amina", None, [("UNSENT", None), ("FAILED", "destination.invalid")]),
    ],
)
def test_the_status_walk(to: str, fate: str | None, told: list[tuple[str, str | None]]) -> None:
    start = Report(status=Status.UNSENT, at=0)
    phone = Phone([Outgoing(id="o", to=to, content="x", fate=fate, reports=[start])])
    assert not phone.settled
    assert walk(phone) == told
    assert phone.settled


def test_ten_at_most_set_out_between_two_timer_polls() -> None:
    phone = Phone()
    phone.request()
    phone.answered(200, offer(*[(f"o{n}", "+1", "x") for n in range(12)]), now=0)
    phone.radio(now=1)
    assert [o.status for o in phone.outgoing.values()].count(Status.PENDING) == 10


@pytest.mark.parametrize(("rate", "failed"), [(0.0, 0), (1.0, 40)])
def test_the_fail_rate_decides_who_fails(rate: float, failed: int) -> None:
    phone = Phone(fail_rate=rate, rng=random.Random(1))
    phone.request()
    phone.answered(200, offer(*[(f"o{n}", "+1", "x") for n in range(40)]), now=0)
    for now in range(30):
        phone.radio(now=now)
    assert [o.status for o in phone.outgoing.values()].count(Status.FAILED) == failed
    assert {o.reports[-1].reason for o in phone.outgoing.values()} <= {None, *FAILURES}


def test_a_known_id_is_not_stored_again_but_reported_again() -> None:
    phone = Phone()
    phone.request()
    phone.answered(200, offer(("o", "+1", "x")), now=0)
    walk(phone)
    answer = phone.answered(200, offer(("o", "+1", "x")), now=50)
    assert (answer.new, answer.known) == (0, 1)
    assert phone.settled  # its final status was taken once
    assert said(phone)["updates"] == [{"id": "o", "status": "DELIVERED"}]
    (known,) = phone.outgoing.values()
    assert (known.offers, known.conflicts, known.late_offers) == (2, 0, 1)


@pytest.mark.parametrize("changed", [("o", "+2", "x"), ("o", "+1", "y")])
def test_a_known_id_with_other_content_is_a_conflict(changed: tuple[str, str, str]) -> None:
    phone = Phone()
    phone.request()
    phone.answered(200, offer(("o", "+1", "x"), changed), now=0)
    result = tally(phone)
    assert result.corrupted == ("o",)
    assert not result.clean
    (kept,) = phone.outgoing.values()
    assert (kept.to, kept.content) == ("+1", "x")


def test_changes_are_handed_over_once_and_restore_the_phone(tmp_path: Path) -> None:
    phone = Phone()
    phone.receive(sms_of(1))
    phone.receive(sms_of(2, text="two\nlines\u2028 é"))
    path = tmp_path / "state"
    with Journal(path) as journal:
        assert journal.rows == []
        journal.write(phone.changes())
        phone.request()
        phone.answered(200, offer(("o1", "+1", "x"), ("o2", "+1", "y")), now=1)
        phone.radio(now=2)
        journal.write(phone.changes())
        assert phone.changes() == []
    with Journal(path) as journal:
        restored = Phone(journal.rows)
    assert restored.sms == phone.sms
    assert restored.outgoing == phone.outgoing
    assert said(restored) == said(phone)
    assert walk(restored) == walk(phone)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with Journal(path) as journal:
        journal.write([sms_of(1), sms_of(2)])
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"type":"sms","id":"in-3')
    with Journal(path) as journal:
        assert [row.id for row in journal.rows] == ["in-1", "in-2"]
        journal.write([sms_of(4)])
    with Journal(path) as journal:
        assert [row.id for row in journal.rows] == ["in-1", "in-2", "in-4"]


def test_a_torn_first_line_is_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b'{"smsg')
    with Journal(path) as journal:
        journal.write([sms_of(1)])
    with Journal(path) as journal:
        assert journal.rows == [sms_of(1)]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"not ours\n", "not a state file"),
        (b'{"smsgate-phone":1}\n{"type":"sms"}\n', "damaged at line 2"),
        (b'{"smsgate-phone":1}\n\xff\n', "damaged at line 2"),
    ],
)
def test_another_file_is_left_alone(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "state"
    path.write_bytes(content)
    with pytest.raises(StateError, match=complaint):
        Journal(path)
    assert path.read_bytes() == content


def test_two_phones_do_not_share_a_state_file(tmp_path: Path) -> None:
    with Journal(tmp_path / "state"), pytest.raises(StateError, match="in use"):
        Journal(tmp_path / "state")
