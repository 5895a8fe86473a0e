"""The ways out, as SQL: which is paused, and what is left of its rate. One row each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from smsgate.store.dialect import upsert
from smsgate.store.tables import routes
from smsgate.store.transact import Connection


@dataclass(frozen=True, slots=True)
class RouteRow:
    """What is known of a route.

    Attributes:
        name: The route's.
        paused_at: Since when nothing goes out; None while it is open.
        paused_until: When one message may try whether it goes again; None: when a person says so.
        paused_by: Who paused it.
        reason: Why.
        failures: Faults in a row.
        tokens: SMS parts that may go out at once, as of `tokens_at`; below 0: parts owed.
        tokens_at: As above.
    """

    name: str
    paused_at: datetime | None = None
    paused_until: datetime | None = None
    paused_by: str | None = None
    reason: str | None = None
    failures: int = 0
    tokens: float | None = None
    tokens_at: datetime | None = None


async def get(connection: Connection, name: str) -> RouteRow:
    """What is known of a route; of one that nothing was written of, that it is open."""
    found = (await connection.execute(select(routes).where(routes.c.name == name))).mappings()
    row = found.one_or_none()
    return RouteRow(name) if row is None else RouteRow(**row)


async def lock(connection: Connection, name: str) -> RouteRow:
    """The same, held against other processes until the transaction ends."""
    await connection.execute(
        upsert(connection, routes).values(name=name, failures=0).on_conflict_do_nothing()
    )
    query = select(routes).where(routes.c.name == name).with_for_update()
    return RouteRow(**(await connection.execute(query)).mappings().one())


async def save(connection: Connection, row: RouteRow) -> None:
    """Write down a row that `lock` gave, changed."""
    values = asdict(row)
    await connection.execute(
        routes.update().where(routes.c.name == values.pop("name")).values(values)
    )


async def all_of_them(connection: Connection) -> Sequence[RouteRow]:
    """What is known of every route, by name."""
    found = await connection.execute(select(routes).order_by(routes.c.name))
    return [RouteRow(**row) for row in found.mappings()]
