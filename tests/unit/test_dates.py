"""Dates and timestamps."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from smsgate.dates import read_date, read_json_date, read_timestamp

NEPAL = ZoneInfo("Asia/Kathmandu")
NOW = 1_700_000_000_000


def ms(*parts: int) -> int:
    return round(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type, misc]  # a datetime's positional parts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-02", ms(2020, 1, 2)),
        ("2020/1/2", ms(2020, 1, 2)),
        ("2020.01.02", ms(2020, 1, 2)),
        ("2020 01 02", ms(2020, 1, 2)),
        ("2020 01 02 10:30", ms(2020, 1, 2, 10, 30)),
        ("20200102", ms(2020, 1, 2)),
        ("20200102T030405", ms(2020, 1, 2, 3, 4, 5)),
        ("2020-01", ms(2020, 1, 1)),
        ("2020", ms(2020, 1, 1)),
        ("2020060", ms(2020, 2, 29)),
        ("2020-W53-5", ms(2021, 1, 1)),
        ("2020-01-02T03:04:05.678+05:45", ms(2020, 1, 1, 21, 19, 5) + 678),
        ("2020-01-02 03:04 Z", ms(2020, 1, 2, 3, 4)),
        ("2020-01-02t24:00", ms(2020, 1, 3)),
        ("Apr 11, 2021", ms(2021, 4, 11)),
        ("Apr 11, 2021 18:00 +0800", ms(2021, 4, 11, 10)),
        ("11 April 2021", ms(2021, 4, 11)),
        ("Sun, 11 Apr 2021 10:00:00 GMT", ms(2021, 4, 11, 10)),
        ("1 Jan 70 00:00 UT", 0),
        ("/Date(1577923200000+0545)/", 1_577_923_200_000),
        ("-000001-01-01", -62_198_755_200_000),
    ],
)
def test_a_date(text: str, expected: int) -> None:
    assert read_date(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x", "0", "12", "123", "12345", "123456", "1577923200", "1577923200000",
        "2020-02-30", "2021-02-29", "2021-366", "2021-W53-1", "2020-W00", "2020-13-01",
        "2020-00-01",
        "2020-01-00", "0000-01-01", "0000-00-00", "02-01-2020", "02/01/2020", "31.12.2020",
        "2020-01-02T25:00", "2020-01-02T10:60", "2020-01-02T24:01", "2020-01-02T", "2020-01-02x",
        "2020-01-02 noon", "2020-01-02 10:00 XYZ", "2020-01-02T10:00+24:00", "January 2020",
        "10:30",
        "Mon, 11 Apr 2021", "11 Foo 2021", "30 Feb 2021", "+300000-01-01", "2020-01T03:04", "today",
        "2020-1-2-3", "2020-1/2", "9" * 1600, "/Date(99999999999999999)/",
    ],
)  # fmt: skip
def test_no_date(text: str) -> None:
    assert read_date(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-02", ms(2020, 1, 1, 18, 15)),
        ("2020-01-02T10:00Z", ms(2020, 1, 2, 10)),
        ("+012020-01-01", 317_147_356_800_000),  # beyond `datetime`: read as UTC
    ],
)
def test_a_date_without_an_offset_is_of_the_programmes_zone(text: str, expected: int) -> None:
    assert read_date(text, NEPAL) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, 1.5), (-1, -1), (0, NOW), (True, NOW), (None, NOW), ([], NOW), (float("nan"), NOW),
        (float("inf"), NOW), ("", NOW), ("x1352399720000", NOW), ("1352399720", NOW),
        ("1352399720000", 1_352_399_720_000), ("1352399720000.5", 1_352_399_720_000.5),
        ("01-12-2015 10:20", ms(2015, 1, 12, 10, 20)), ("13-12-2015", NOW), ("9" * 100, NOW),
        ("Apr 11, 2021 18:00 +0800", ms(2021, 4, 11, 10)),
    ],
)  # fmt: skip
def test_a_timestamp(value: object, expected: float) -> None:
    assert read_timestamp(value, NOW) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2020-01-02", ms(2020, 1, 2)), ("", None), (1.9, 1), (True, None), (None, None), ([], None),
     (8_640_000_000_000_001, None), (float("nan"), None)],
)  # fmt: skip
def test_a_date_of_a_json_body(value: object, expected: int | None) -> None:
    assert read_json_date(value) == expected
