"""Dates and times as people and integrators write them, read only where one reading is possible.

`spec/decisions.md` 23: a day that does not exist and a text that is not wholly a date give None.
Read are ISO 8601 (calendar, week and ordinal dates, basic and extended, `+012020-01-01`), the same
with `/`, `.` or a space and without leading zeros (`2020/1/2`), RFC 2822 and dates with the month
in English letters, and `/Date(1577923200000)/`. Day-first and month-first figures (`02/01/2020`)
are not dates. Bare digits are a date only as `YYYYMMDD`, `YYYYDDD` or `YYYY`.

The arithmetic is on days, not on `datetime`, whose years end at 1 and 9999.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo

from smsgate.numbers import read_number
from smsgate.text import WHITE_SPACE

_DAY_MS = 86_400_000
_LARGEST = 8_640_000_000_000_000  # what an ECMAScript date can hold, in ms either way
_LONGEST = 64

_ISO = re.compile(
    r"(?P<year>[0-9]{4}|[+-][0-9]{6})"
    r"(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?"
    r"|-?W(?P<week>[0-9]{2})(?:-?(?P<weekday>[1-7]))?"
    r"|-?(?P<ordinal>[0-9]{3})"
    r"|(?P<month_basic>[0-9]{2})(?P<day_basic>[0-9]{2}))?"
    r"(?:[Tt ](?P<time>[0-9].*))?"
)
_YEAR_FIRST = re.compile(
    r"(?P<year>[0-9]{4})(?P<mark>[-/. ])(?P<month>[0-9]{1,2})(?P=mark)(?P<day>[0-9]{1,2})"
    r"(?:[Tt ](?P<time>[0-9].*))?"
)
_MONTH_FIRST = re.compile(  # of timestamps only: §4.5 documents `01-12-2015 10:20` as 12 January
    r"(?P<month>[0-9]{2})(?P<mark>[-/])(?P<day>[0-9]{2})(?P=mark)(?P<year>[0-9]{4})"
    r"(?: (?P<time>[0-9].*))?"
)
_LETTERS = re.compile(
    r"(?:(?P<weekday>[A-Za-z]{3,9}),? )?"
    r"(?:(?P<day>[0-9]{1,2}) (?P<month>[A-Za-z]{3,9})\.?,?"
    r"|(?P<month_first>[A-Za-z]{3,9})\.? (?P<day_second>[0-9]{1,2}),)"
    r" (?P<year>[0-9]{4}|[0-9]{2})"
    r"(?:,? (?P<time>[0-9].*))?"
)
_TIME = re.compile(
    r"(?P<hour>[0-9]{2})"
    r"(?::?(?P<minute>[0-9]{2})(?::?(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?)?"
    r" ?(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?|[A-Za-z]{2,3})?"
)
_ASP_NET = re.compile(r"/Date\((?P<ms>-?[0-9]{1,16})(?:[+-][0-9]{4})?\)/")
_THIRTEEN_DIGITS = re.compile(r"[0-9]{13}")

_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# The zones of RFC 2822 §4.3, in hours.
_ZONES = {
    "z": 0, "ut": 0, "gmt": 0, "utc": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5,
    "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
}  # fmt: skip


def read_date(text: str, zone: tzinfo = UTC) -> int | None:
    """Read the whole of `text` as a date, with or without a time.

    Args:
        text: As sent, with 0-9 for digits and without zero-width characters.
        zone: Where a text without an offset was written (setting `smsgate.timezone`).

    Returns:
        Milliseconds since 1970-01-01 UTC, or None (see the module's text).
    """
    text = text.strip(WHITE_SPACE)
    if not text or len(text) > _LONGEST:
        return None
    match = _ISO.fullmatch(text)
    if match is None or (match["time"] and not _names_a_day(match)):
        match = _YEAR_FIRST.fullmatch(text)
    if match is not None:
        return _moment(_day_of(match.groupdict()), match["time"], zone)
    match = _LETTERS.fullmatch(text)
    if match is not None:
        return _moment(_day_in_letters(match), match["time"], zone)
    match = _ASP_NET.fullmatch(text)
    if match is not None:
        return _within(int(match["ms"]))
    return None


def read_timestamp(value: object, received_ms: int, zone: tzinfo = UTC) -> int | float:
    """Read a sender's timestamp (§4.5); what cannot be read is the time of arrival.

    Args:
        value: What came as `sent_timestamp` or `_meta.reported_date`: a JSON value or a text.
        received_ms: The time of arrival.
        zone: Where a text without an offset was written.

    Returns:
        Milliseconds since 1970-01-01 UTC; a JSON number other than 0 is returned as it is.
    """
    if isinstance(value, bool):
        return received_ms
    if isinstance(value, int | float):
        return value if value and abs(value) < float("inf") else received_ms
    if not isinstance(value, str) or len(value) > _LONGEST:
        return received_ms
    if _THIRTEEN_DIGITS.search(value):
        number = read_number(value)
        return received_ms if number is None else number
    read = read_date(value, zone)
    if read is None and (match := _MONTH_FIRST.fullmatch(value.strip(WHITE_SPACE))) is not None:
        read = _moment(_day_of(match.groupdict()), match["time"], zone)
    return received_ms if read is None else read


def read_json_date(value: object, zone: tzinfo = UTC) -> int | None:
    """Read the value of a `date` field from JSON: a text, or a number of milliseconds (§4.3)."""
    if isinstance(value, str):
        return read_date(value, zone)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        return None
    return int(value)


def day_to_ms(day: int, zone: tzinfo = UTC) -> int | None:
    """Return the first moment of a day counted from 1970-01-01, in `zone`, as epoch ms."""
    return _local(day, 0, zone)


def _names_a_day(match: re.Match[str]) -> bool:
    return any(match[name] for name in ("day", "day_basic", "weekday", "ordinal"))


def _day_of(parts: dict[str, str | None]) -> int | None:
    """Return the day a numeric date names, counted from 1970-01-01, None where there is none."""
    year = int(parts["year"] or 0)
    if year == 0 and parts["year"] != "+000000":
        return None  # `0000-00-00` and its kin mean "no date"
    if week := parts.get("week"):
        return _week_day(year, int(week), int(parts.get("weekday") or 1))
    if ordinal := parts.get("ordinal"):
        last = 366 if _is_leap(year) else 365
        return _days(year, 1, 1) + int(ordinal) - 1 if 1 <= int(ordinal) <= last else None
    month = int(parts.get("month") or parts.get("month_basic") or 1)
    return _calendar_day(year, month, int(parts.get("day") or parts.get("day_basic") or 1))


def _day_in_letters(match: re.Match[str]) -> int | None:
    month = _index_of(match["month"] or match["month_first"], _MONTHS)
    if month is None:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        year += 2000 if year < 50 else 1900  # RFC 2822 §4.3
    day = _calendar_day(year, month + 1, int(match["day"] or match["day_second"]))
    if day is None or match["weekday"] is None:
        return day
    weekday = _index_of(match["weekday"], _WEEKDAYS)
    return day if weekday == (day + 3) % 7 else None  # 1970-01-01 was a Thursday


def _index_of(word: str, names: tuple[str, ...]) -> int | None:
    word = word.lower()
    for index, name in enumerate(names):
        if word in (name, name[:3]):
            return index
    return None


def _calendar_day(year: int, month: int, day: int) -> int | None:
    if not 1 <= month <= 12 or day < 1:
        return None
    first = _days(year, month, 1)
    last = _days(year + (month == 12), month % 12 + 1, 1)
    return first + day - 1 if day <= last - first else None


def _days(year: int, month: int, day: int) -> int:
    """Return a proleptic Gregorian date as days since 1970-01-01; the calendar repeats in 400 y."""
    cycles, year_in_cycle = divmod(year - 1, 400)
    return date(year_in_cycle + 1, month, day).toordinal() - 719_163 + cycles * 146_097


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _week_day(year: int, week: int, weekday: int) -> int | None:
    fourth = _days(year, 1, 4)  # always in week 1
    monday = fourth - (fourth + 3) % 7
    day = monday + (week - 1) * 7 + weekday - 1
    next_fourth = _days(year + 1, 1, 4)
    return day if week >= 1 and day < next_fourth - (next_fourth + 3) % 7 else None


def _moment(day: int | None, time: str | None, zone: tzinfo) -> int | None:
    if day is None:
        return None
    if time is None:
        return _local(day, 0, zone)
    match = _TIME.fullmatch(time)
    of_day = None if match is None else _time_of_day(match)
    if match is None or of_day is None:
        return None
    if not match["zone"]:
        return _local(day, of_day, zone)
    offset = _offset(match["zone"])
    return None if offset is None else _within(day * _DAY_MS + of_day - offset)


def _time_of_day(match: re.Match[str]) -> int | None:
    """Return a time as ms since midnight; 24:00 is the end of the day, a leap second is nothing."""
    hour, minute, second = (int(match[name] or 0) for name in ("hour", "minute", "second"))
    ms = int((match["fraction"] or "0")[:3].ljust(3, "0"))
    of_day = ((hour * 60 + minute) * 60 + second) * 1000 + ms
    return of_day if minute < 60 and second < 60 and of_day <= _DAY_MS else None


def _offset(zone: str) -> int | None:
    """Return what a written offset adds to UTC, in ms; None for one that is not known."""
    if zone[0] not in "+-":
        hours = _ZONES.get(zone.lower())
        return None if hours is None else hours * 3_600_000
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * 60_000 * (-1 if zone[0] == "-" else 1)


def _local(day: int, of_day_ms: int, zone: tzinfo) -> int | None:
    ms = day * _DAY_MS + of_day_ms
    if zone is UTC:
        return _within(ms)
    try:
        wall = datetime(1970, 1, 1) + timedelta(milliseconds=ms)  # noqa: DTZ001 - made aware below
        shift = wall.replace(tzinfo=zone).utcoffset()
    except (OverflowError, ValueError):
        shift = None  # years `datetime` does not reach are read as UTC
    return _within(ms - (0 if shift is None else round(shift.total_seconds() * 1000)))


def _within(ms: int) -> int | None:
    return ms if abs(ms) <= _LARGEST else None
