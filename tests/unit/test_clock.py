"""Time on the wire and in our own API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgate.clock import from_iso, from_ms, now, to_iso, to_ms
from tests.make import NOON

MOMENTS = st.integers(-62135510400000, 253370764800000).map(
    lambda ms: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
)


@given(MOMENTS)
def test_times_come_back_as_they_went(moment: datetime) -> None:
    assert from_ms(to_ms(moment)) == moment
    assert from_iso(to_iso(moment)) == moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-09T12:00:00Z", NOON),
        ("2026-03-09T12:00:00.000Z", NOON),
        ("2026-03-09T15:00:00+03:00", NOON),
        ("2026-03-09T12:00:00", NOON),
        ("2026-03-09 12:00", NOON),
        ("20260309T120000Z", NOON),
        ("2026-03-09", NOON - timedelta(hours=12)),
        ("", None),
        ("noon", None),
        ("2026-02-30", None),
        ("2026-03-09T25:00:00Z", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("0001-01-01T00:00:00Z", None),
    ],
)
def test_iso_8601_is_read(text: str, expected: datetime | None) -> None:
    assert from_iso(text) == expected


@pytest.mark.parametrize(
    "value",
    [None, True, "5", [], {}, float("nan"), float("inf"), -float("inf"), 10**15, -(10**15), 10**40],
)
def test_what_no_calendar_holds_is_no_time(value: Any) -> None:
    assert from_ms(value) is None


def test_a_time_is_shown_in_utc_to_the_millisecond() -> None:
    assert to_iso(NOON + timedelta(microseconds=1999)) == "2026-03-09T12:00:00.001Z"
    assert now().utcoffset() == timedelta(0)
