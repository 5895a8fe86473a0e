"""The app's words, read and written without a server."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from smsgate.message import State
from smsgate.wire import (
    BadBody,
    Poll,
    Unreadable,
    read_message,
    read_poll,
    read_report,
    write_answer,
    write_message,
)
from tests import make
from tests.make import NOON

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
KEYS = ("id", "from", "content", "sms_sent", "sms_received", "status", "reason")
ITEM = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON))


def _read(body: Any) -> Poll | BadBody:
    return read_poll(json.dumps(body).encode(), gateway="phone", at=NOON)


@given(st.lists(ITEM | JSON, max_size=5), st.lists(ITEM | JSON, max_size=5))
def test_every_item_is_read_or_set_aside(messages: list[Any], updates: list[Any]) -> None:
    said = _read({"messages": messages, "updates": updates})
    assert isinstance(said, Poll)
    assert len(said.messages) + len(said.reports) + len(said.unreadable) == len(messages) + len(
        updates
    )
    for item in said.unreadable:
        assert isinstance(json.loads(item.raw), object)


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=30))
def test_an_answer_is_always_an_object_with_a_list(offers: list[tuple[str, str, str]]) -> None:
    answer = json.loads(write_answer(offers))
    assert [(one["id"], one["to"], one["content"]) for one in answer["messages"]] == offers


def test_a_message_keeps_what_its_item_said() -> None:
    item = make.sms("hello")
    message = read_message(item, gateway="phone", at=NOON)
    assert not isinstance(message, Unreadable)
    assert json.loads(write_message(message)) == item
    bare = read_message(
        {"id": "a", "from": "b", "content": "", "sms_sent": 0}, gateway="phone", at=NOON
    )
    assert not isinstance(bare, Unreadable)
    assert json.loads(write_message(bare)) == {"id": "a", "from": "b", "content": ""}


def test_a_report_names_a_state_or_none() -> None:
    expected = {
        "UNSENT": State.RECEIVED_BY_GATEWAY,
        "PENDING": State.FORWARDED_BY_GATEWAY,
        "SENT": State.SENT,
        "DELIVERED": State.DELIVERED,
        "FAILED": State.FAILED,
        "sent": None,
        "": None,
    }
    for status, state in expected.items():
        item = {"id": "m", "status": status, "reason": "r"}
        report = read_report(item, gateway="phone", at=NOON)
        assert report is not None
        assert (report.status, report.state) == (status, state)
        assert report.reason == ("r" if state else None)
