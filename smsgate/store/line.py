"""The line of messages that wait, as SQL: the same for phones and for aggregators.

Who is given what of it differs (`smsgate.store.outbox`, `smsgate.store.pushing`); its order, and
the look for what has waited long, do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    bindparam,
    func,
    literal,
    literal_column,
    select,
)

from smsgate.message import State
from smsgate.store.tables import outbound
from smsgate.store.types import UtcTime

Columns = Sequence[ColumnElement[Any]]

# Spelled out, not bound: a generic plan can then use the partial index of that state.
PENDING: Final = outbound.c.state == literal_column(f"'{State.PENDING.value}'")
# As the index of the expiry sweep has it.
UNACKNOWLEDGED: Final = outbound.c.state.in_(
    [literal_column("'pending'"), literal_column("'forwarded-to-gateway'")]
)
# A pending message that somebody holds is on its way to an aggregator.
FREE: Final = outbound.c.lease_owner.is_(None)

# Statements are made once: building one costs more than running it.
NOW: Final = bindparam("now", type_=UtcTime())
LIMIT: Final = bindparam("limit", type_=Integer())
_AGED: Final = bindparam("aged", type_=UtcTime())
_FOR_EVER: Final = literal(datetime(9999, 1, 1, tzinfo=UTC), UtcTime())


def waiting(columns: Columns, *whose: ColumnElement[bool]) -> Select[Any]:
    """What waits and fits `whose`, best first; parameters `now` and `limit`."""
    return (
        select(*columns)
        .where(PENDING, FREE, outbound.c.due_at <= NOW, outbound.c.expires_at > NOW, *whose)
        .order_by(outbound.c.rank, outbound.c.due_at, outbound.c.id)
        .limit(LIMIT)
    )


def aged(columns: Columns, *whose: ColumnElement[bool]) -> Select[Any]:
    """The same by what would expire first, of what has waited since before the parameter `aged`.

    Both conditions on the state are meant: the first names the index of the expiry sweep, which
    this query shares. And only among the first 200: where a great deal came at once and none of it
    has waited long, a search without end would look at all of it each time to find nothing.
    """
    near_expiry = (UNACKNOWLEDGED, PENDING, FREE, outbound.c.expires_at > NOW, *whose)
    reach = (
        select(outbound.c.expires_at)
        .where(*near_expiry)
        .order_by(outbound.c.expires_at)
        .offset(literal_column("199"))
        .limit(literal_column("1"))
        .correlate(None)
        .scalar_subquery()
    )
    return (
        select(*columns)
        .where(
            *near_expiry,
            outbound.c.expires_at <= func.coalesce(reach, _FOR_EVER),
            outbound.c.due_at <= _AGED,
        )
        .order_by(outbound.c.expires_at)
        .limit(LIMIT)
    )
