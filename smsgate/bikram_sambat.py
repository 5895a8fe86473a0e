"""Bikram Sambat, the calendar of Nepal: a month table and the way to Gregorian days (§5.8).

The lengths of months are decreed, not computed. The table has one word per year from 1970, and in
it one digit per month: its days less 28.
"""

from __future__ import annotations

FIRST_YEAR = 1970
_EPOCH_DAY = -20717  # 1970-01-01 BS is 1913-04-13, counted from 1970-01-01 AD
_MONTHS = (
    "334333212122 334342212122 343432221123 243432221213 334333212122"  # 1970
    " 334432212122 343432221123 243432221213 334333212122 334432212122"
    " 343432221123 333433122122 334333212122 334432212122 343432221123"  # 1980
    " 333433122122 334333212122 343432212122 343432221123 333433122122"
    " 334333212122 343432221122 343432221213 334333212122 334333212122"  # 1990
    " 343432221122 343432221213 334333212122 334333212122 343432221123"
    " 243432221213 334333212122 334432212122 343432221123 243432221213"  # 2000
    " 334333212122 334432212122 343432221123 333433122113 334333212122"
    " 334432212122 343432221123 333433122122 334333212122 334432212122"  # 2010
    " 343432221123 333433122122 334333212122 343432212122 343432221213"
    " 333433212122 334333212122 343432221122 343432221213 333433212122"  # 2020
    " 334333212122 343432221123 243432221213 334333212122 334342212122"
    " 343432221123 243432221213 334333212122 334432212122 343432221123"  # 2030
    " 243433122113 334333212122 334432212122 343432221123 333433122122"
    " 334333212122 334432212122 343432221123 333433122122 334333212122"  # 2040
    " 343432212122 343432221123 333433212122 334333212122 343432221122"
    " 343432221213 333433212122 334333212122 343432221122 343432221213"  # 2050
    " 334333212122 334342212122 343432221123 243432221213 334333212122"
    " 334432212122 343432221123 333433121213 334333212122 334432212122"  # 2060
    " 343432221123 333433122113 334333212122 334432212122 343432221123"
    " 333433122122 334333212122 343432212122 343432221123 333433212122"  # 2070
    " 334333212122 343432221122 343432221213 333433212122 334333212122"
    " 343432221122 343432221213 334333212122 334333212122 334332221222"  # 2080
    " 343423221222 243432221222 334333212222 234423221222 243432221222"
    " 243432221222"  # 2090
)


def _table() -> tuple[tuple[int, tuple[int, ...]], ...]:
    """Return, per year, its first day (from 1970-01-01 AD) and the lengths of its months."""
    years = []
    day = _EPOCH_DAY
    for word in _MONTHS.split():
        months = tuple(int(digit) + 28 for digit in word)
        years.append((day, months))
        day += sum(months)
    return tuple(years)


_YEARS = _table()
LAST_YEAR = FIRST_YEAR + len(_YEARS) - 1


def days_in_month(year: int, month: int) -> int:
    """Return how many days a month has, 0 where the table knows no such month."""
    if not FIRST_YEAR <= year <= LAST_YEAR or not 1 <= month <= 12:
        return 0
    return _YEARS[year - FIRST_YEAR][1][month - 1]


def day_number(year: int, month: int, day: int) -> int | None:
    """Return a Bikram Sambat date as days since 1970-01-01 AD, None where there is no such day."""
    if not 1 <= day <= days_in_month(year, month):
        return None
    first, months = _YEARS[year - FIRST_YEAR]
    return first + sum(months[: month - 1]) + day - 1


def from_day_number(number: int) -> tuple[int, int, int] | None:
    """Return the (year, month, day) of a day counted from 1970-01-01 AD, None outside the table."""
    for index, (first, months) in enumerate(_YEARS):
        day = number - first
        if 0 <= day < sum(months):
            month = 0
            while day >= months[month]:
                day -= months[month]
                month += 1
            return FIRST_YEAR + index, month + 1, day + 1
    return None
