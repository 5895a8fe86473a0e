"""Time as a value: aware UTC inside, epoch milliseconds on the wire, ISO 8601 in our own API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
# What the CHT's clients can mean by a time; beyond it a claimed time is noise (year 9999 overflows
# time zone arithmetic in several drivers).
_EARLIEST_MS = -62135510400000  # day 2 of year 1: day 1 is minus infinity to asyncpg
_LATEST_MS = 253370764800000  # year 9999


def now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def to_ms(moment: datetime) -> int:
    """An aware time as whole epoch milliseconds."""
    return (moment - _EPOCH) // _MS


def from_ms(value: object) -> datetime | None:
    """Epoch milliseconds as a time, or None where `value` is no number a calendar can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not _EARLIEST_MS <= value <= _LATEST_MS:  # also refuses NaN and the infinities
        return None
    return _EPOCH + int(value) * _MS  # a third of what making a timedelta of it takes


def to_iso(moment: datetime) -> str:
    """An aware time as `2026-03-09T10:11:12.345Z` (decision 35)."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> datetime | None:
    """An ISO 8601 time with or without zone (none means UTC), or None where it is not one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    try:
        utc = aware.astimezone(UTC)
    except OverflowError:
        return None
    return utc if to_ms(utc) >= _EARLIEST_MS else None
