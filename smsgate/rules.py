"""What the settings document says of the queue: one value per document, read once.

Nothing in a document makes reading it fail; what makes no sense counts as absent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from types import MappingProxyType
from typing import Any, Self
from zoneinfo import ZoneInfo

from smsgate.quiet import QuietHours

URGENT = 5  # this priority and above goes out in quiet hours too
_DUPLICATES, _MOST_DUPLICATES = 5, 20
_REPLIES_AN_HOUR = 60
_EVENING = 23


@dataclass(frozen=True, slots=True)
class RetryRule:
    """Which failed messages are tried again without anybody asking.

    Empty `reasons` mean any; else the reason that the phone gave must begin with one of them.
    """

    times: int
    after: timedelta
    reasons: tuple[str, ...] = ()

    @classmethod
    def from_settings(cls, value: object) -> RetryRule | None:
        """The rule that `smsgate.outbound.retry_failed` states; None where it states none."""
        stated = _object(value)
        times = number(stated.get("times"), 1, 20)
        minutes = number(stated.get("after_minutes", 15), 0.1, 10_080)
        if times is None or minutes is None:
            return None
        return cls(int(times), timedelta(minutes=minutes), _texts(stated.get("reasons")))

    def wants(self, details: str | None) -> bool:
        """Whether a failure with these details is one to try again."""
        if not self.reasons:
            return True
        reason = json.loads(details).get("reason") if details else None
        return isinstance(reason, str) and reason.startswith(self.reasons)


@dataclass(frozen=True, slots=True)
class Handset:
    """What a phone is given: numbers it is best for, SMS parts an hour, nothing while paused."""

    prefixes: tuple[str, ...] = ()
    capacity: int | None = None
    paused: bool = False

    @classmethod
    def from_settings(cls, value: object) -> Handset:
        """The rules for one account under `smsgate.gateways`."""
        stated = _object(value)
        capacity = number(stated.get("capacity"), 1, 1e6)
        return cls(
            prefixes=_texts(stated.get("prefixes")),
            capacity=None if capacity is None else int(capacity),
            paused=stated.get("paused") is True,
        )

    def prefers(self, recipient: str) -> bool:
        """Whether this phone is the one for `recipient`."""
        return bool(self.prefixes) and recipient.startswith(self.prefixes)


@dataclass(frozen=True, slots=True)
class DailyWindow:
    """The hours in which scheduled messages may become due (`spec/sms-protocol.md` §7.3)."""

    start: time
    end: time
    zone: tzinfo

    def holds(self, now: datetime) -> bool:
        """Whether `now` is inside."""
        clock = now.astimezone(self.zone).time()
        if self.start <= self.end:
            return self.start <= clock <= self.end
        return clock >= self.start or clock <= self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRules:
    """The settings that the queue goes by. `opted_out` holds hashes of numbers to leave alone."""

    quiet: QuietHours | None = None
    window: DailyWindow | None = None
    retry: RetryRule | None = None
    handsets: Mapping[str, Handset] = field(default_factory=lambda: MappingProxyType({}))
    duplicate_limit: int = _DUPLICATES
    replies_an_hour: int = _REPLIES_AN_HOUR
    consent_words: bool = True

    @classmethod
    def from_settings(
        cls, document: Mapping[str, Any], *, zone: tzinfo = UTC, warnings: list[str]
    ) -> Self:
        """Read a settings document; what cannot be used is left out, with a warning."""
        own = _object(document.get("smsgate"))
        outbound = _object(own.get("outbound"))
        rule = RetryRule.from_settings(outbound.get("retry_failed"))
        if "retry_failed" in outbound and rule is None:
            warnings.append("smsgate.outbound.retry_failed needs times, from 1 to 20")
        handsets = {
            name: Handset.from_settings(value)
            for name, value in _object(own.get("gateways")).items()
        }
        replies = number(outbound.get("replies_per_hour"), 1, 1e6)
        return cls(
            quiet=_quiet(own.get("quiet_hours"), zone, warnings),
            window=_window(document, zone),
            retry=rule,
            handsets=MappingProxyType(handsets),
            duplicate_limit=_duplicate_limit(_object(document.get("sms")).get("duplicate_limit")),
            replies_an_hour=_REPLIES_AN_HOUR if replies is None else int(replies),
            consent_words=_object(own.get("consent")).get("words") is not False,
        )

    def handset(self, account: str) -> Handset:
        """The rules of a phone; those of any phone where it has none of its own."""
        return self.handsets.get(account, _ANY)

    def preferred_elsewhere(self, recipient: str, account: str) -> bool:
        """Whether another phone, not paused, is the one for `recipient` and this one is not."""
        return not self.handset(account).prefers(recipient) and any(
            handset.prefers(recipient) and not handset.paused
            for name, handset in self.handsets.items()
            if name != account
        )

    @property
    def has_preferences(self) -> bool:
        """Whether any phone is preferred for anything."""
        return any(handset.prefixes for handset in self.handsets.values())

    @property
    def has_limits(self) -> bool:
        """Whether any phone has a capacity."""
        return any(handset.capacity is not None for handset in self.handsets.values())

    def quiet_until(self, row: Mapping[str, Any], now: datetime) -> datetime | None:
        """Until when a message waits for its recipient's morning; None where it need not.

        What is urgent does not wait, nor does a reply: who just wrote is awake.
        """
        if self.quiet is None or row["inbound_id"] is not None or row["rank"] <= -URGENT:
            return None
        return self.quiet.until(row["recipient"] or "", now)


_ANY = Handset()


def _quiet(value: object, fallback: tzinfo, warnings: list[str]) -> QuietHours | None:
    if value is None:
        return None
    stated = _object(value)
    start, end = _clock(stated.get("from")), _clock(stated.get("to"))
    if start is None or end is None or start == end:
        warnings.append('smsgate.quiet_hours needs from and to, such as "21:00" and "07:00"')
        return None
    zone: tzinfo | None = None
    if stated.get("timezone") is not None:
        try:
            zone = ZoneInfo(stated["timezone"])
        except (ValueError, OSError, TypeError, KeyError):  # each of them for odd names
            warnings.append("smsgate.quiet_hours.timezone names no time zone: the number's is used")
    return QuietHours(start, end, zone, fallback)


def _clock(value: object) -> time | None:
    try:
        found = time.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is None else None


_WINDOW_KEYS = (
    "schedule_morning_hours",
    "schedule_morning_minutes",
    "schedule_evening_hours",
    "schedule_evening_minutes",
)


def _window(document: Mapping[str, Any], zone: tzinfo) -> DailyWindow | None:
    if not any(key in document for key in _WINDOW_KEYS):
        return None
    morning, past, evening, past_evening = (
        _whole(document.get(key), 23 if key.endswith("hours") else 59) for key in _WINDOW_KEYS
    )
    # As on the CHT, an evening hour of 0 is no hour.
    return DailyWindow(time(morning, past), time(evening or _EVENING, past_evening), zone)


def _whole(value: object, most: int) -> int:
    text = str(value).strip() if isinstance(value, int | str) else ""
    read = int(text) if text.isascii() and text.isdigit() and len(text) <= 2 else 0
    return read if read <= most else 0


def _duplicate_limit(value: object) -> int:
    text = str(value).strip() if isinstance(value, int | str) else ""
    read = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
    return min(read, _MOST_DUPLICATES) if read > 0 else _DUPLICATES


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: object) -> tuple[str, ...]:
    items: Sequence[object] = value if isinstance(value, list) else ()
    return tuple(text for item in items if isinstance(item, str) and (text := item.strip()))


def number(value: object, least: float, most: float) -> float | None:
    """`value` where it is a number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return None
    return value if least <= value <= most else None
