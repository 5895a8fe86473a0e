"""Quiet hours: no text in the night of the person it is for.

The zone is that of the number's country, as libphonenumber knows it (the first, where a country
has several); the programme may name one zone for everybody.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import NumberParseException
from phonenumbers import timezone as number_zones

_REMEMBERED = 65_536


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From when to when nothing is sent, local time; they may go through midnight.

    `zone` None means the recipient's own; `fallback` is for numbers of no known country.
    """

    start: time
    end: time
    zone: tzinfo | None = None
    fallback: tzinfo = UTC

    def until(self, recipient: str, now: datetime) -> datetime | None:
        """When the quiet hours that `recipient` has now are over; None where they are not."""
        local = now.astimezone(self.zone or _zone_of(recipient) or self.fallback)
        clock = local.time()
        if self.start <= self.end:
            inside = self.start <= clock < self.end
        else:
            inside = clock >= self.start or clock < self.end
        if not inside:
            return None
        day = local.date() + timedelta(days=int(clock >= self.end))
        return datetime.combine(day, self.end, tzinfo=local.tzinfo).astimezone(UTC)


@functools.lru_cache(maxsize=_REMEMBERED)
def _zone_of(recipient: str) -> tzinfo | None:
    try:
        number = phonenumbers.parse(recipient, None)
    except NumberParseException:
        return None
    for name in number_zones.time_zones_for_number(number):
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, KeyError):  # ZoneInfo raises each of them for odd names
            continue
    return None
