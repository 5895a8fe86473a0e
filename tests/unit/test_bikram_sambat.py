"""The Bikram Sambat table, against another one made by other people."""

from __future__ import annotations

from datetime import UTC, date, timedelta

import nepali_datetime
import pytest

from smsgate.bikram_sambat import (
    FIRST_YEAR,
    LAST_YEAR,
    day_number,
    days_in_month,
    from_day_number,
)
from smsgate.fields import read_bikram_sambat, read_bikram_sambat_parts

EPOCH = date(1970, 1, 1)
THEIR_FIRST_YEAR = 1975


@pytest.mark.parametrize("year", range(THEIR_FIRST_YEAR, LAST_YEAR + 1))
def test_each_month_begins_where_nepali_datetime_has_it(year: int) -> None:
    for month in range(1, 13):
        number = day_number(year, month, 1)
        assert number is not None
        theirs = nepali_datetime.date(year, month, 1).to_datetime_date()
        assert EPOCH + timedelta(days=number) == theirs


def test_the_first_years_end_where_the_common_ones_begin() -> None:
    assert day_number(1970, 1, 1) == (date(1913, 4, 13) - EPOCH).days
    for year in range(FIRST_YEAR, LAST_YEAR):
        first, following = day_number(year, 1, 1), day_number(year + 1, 1, 1)
        assert first is not None
        assert following is not None
        assert following - first in (364, 365, 366)


def test_every_day_goes_there_and_back() -> None:
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        for month in range(1, 13):
            for day in (1, days_in_month(year, month)):
                number = day_number(year, month, day)
                assert number is not None
                assert from_day_number(number) == (year, month, day)


@pytest.mark.parametrize(
    "parts",
    [(1969, 12, 30), (2091, 1, 1), (2070, 0, 1), (2070, 13, 1), (2070, 1, 0), (2070, 1, 32)],
)
def test_no_such_day(parts: tuple[int, int, int]) -> None:
    assert day_number(*parts) is None


def test_outside_the_table_no_day_has_a_name() -> None:
    assert from_day_number(-30_000) is None
    assert from_day_number(30_000) is None


@pytest.mark.parametrize(
    "text", ["2070-1-1", "2070/1/1", "2070 1 1", "2070x1x1", "2070 - 1 - 1", "2070-1-1-9"]
)
def test_a_date_is_parted_by_what_stands_after_the_year(text: str) -> None:
    assert read_bikram_sambat(text) == 1_365_897_600_000


@pytest.mark.parametrize(
    "text",
    ["", "2070", "2070-1", "2070--1", "-2070-1-1", "2070-1/1", "2070-1.5-1", "20700101", "x"],
)
def test_no_date(text: str) -> None:
    assert read_bikram_sambat(text) is None


def test_parts_make_a_date_only_together() -> None:
    assert read_bikram_sambat_parts("2070", "1", "1", UTC) == 1_365_897_600_000
    for part in ("x", "1.5", "", None, 1):
        assert read_bikram_sambat_parts("2070", part, "1", UTC) is None
    assert read_bikram_sambat_parts("2070", "13", "1", UTC) is None
