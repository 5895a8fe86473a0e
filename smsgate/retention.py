"""How long what is kept: `smsgate.retention` in the settings document, read once. Pure.

What cannot be used keeps for ever: a slip of the pen must not delete anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final, Self

_MOST_DAYS: Final = 36_525.0


@dataclass(frozen=True, slots=True)
class Retention:
    """Days after which something is blanked or deleted; 0 keeps it for ever.

    Attributes:
        content_days: Texts, records and phone numbers, from the message's last change on.
        raw_days: What arrived byte for byte, where it is kept beside a text.
        audit_days: Lines of the audit.
        quarantine_days: Items of the quarantine, from the decision about them on.
    """

    content_days: float = 365
    raw_days: float = 30
    audit_days: float = 730
    quarantine_days: float = 90

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The rules of a settings document; what it does not say has its default."""
        given = _given(document)
        known = {one.name for one in fields(cls)}
        return cls(**{name: _days(value) for name, value in given.items() if name in known})

    def before(self, days: float, now: datetime) -> datetime | None:
        """What is older than this has had its `days`; None for what is kept for ever."""
        if not days:
            return None
        try:
            return now - timedelta(days=days)
        except OverflowError:
            return None


def faults(document: Mapping[str, Any]) -> list[str]:
    """A line for each number that is no number of days. Other types are told of elsewhere."""
    return [
        f"smsgate.retention.{name} must be 0 or 1 to {_MOST_DAYS:.0f} days: nothing is deleted"
        for name, value in _given(document).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and value != _days(value)
    ]


def _given(document: Mapping[str, Any]) -> Mapping[str, Any]:
    own = document.get("smsgate")
    given = own.get("retention") if isinstance(own, Mapping) else None
    return given if isinstance(given, Mapping) else {}


def _days(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return value if 1 <= value <= _MOST_DAYS else 0
