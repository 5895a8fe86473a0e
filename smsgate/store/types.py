"""Column types that mean the same on both engines."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@functools.lru_cache(maxsize=256)  # one time goes into a dozen columns of a message's rows
def epoch_ms(value: datetime) -> int:
    """An aware time as whole milliseconds.

    Raises:
        ValueError: the time has no zone.
    """
    if value.tzinfo is None:
        raise ValueError("a time without zone cannot be stored")
    # Not `// _MS`, which is twice as slow.
    since = value - _EPOCH
    return (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000


def from_epoch_ms(value: int) -> datetime:
    """The time of so many milliseconds."""
    return _EPOCH + value * _MS


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time, cut to milliseconds.

    PostgreSQL keeps `timestamptz`; SQLite, which has no time type, keeps epoch milliseconds: small,
    ordered, and equal to what goes over the wire.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """A number on SQLite, `timestamptz` elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """An aware time goes in; a naive one is a fault of the caller.

        Raises:
            ValueError: the time has no zone.
        """
        if value is None:
            return None
        ms = epoch_ms(value)
        return ms if dialect.name == "sqlite" else _EPOCH + ms * _MS

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """An aware UTC time comes out."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return from_epoch_ms(value)
        moment: datetime = value
        return moment.astimezone(UTC)
