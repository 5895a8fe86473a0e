"""Phones as they were last heard of: one row an account, shared between processes."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from smsgate.clock import from_ms, to_ms
from smsgate.store.dialect import upsert
from smsgate.store.tables import gateways
from smsgate.store.transact import Connection

KEPT_CHANGES = 8


@dataclass(frozen=True, slots=True)
class Sighting:
    """A phone when it was last heard of.

    `address_changes` are the last few times at which a poll came from another address than the
    poll before it.
    """

    account: str
    last_poll_at: datetime
    app_version: str | None
    address: str | None
    address_changes: tuple[datetime, ...] = ()


async def all_of_them(connection: Connection) -> list[Sighting]:
    """Every phone that was ever heard of, by account."""
    rows = await connection.execute(select(gateways).order_by(gateways.c.account))
    return [_sighting(row) for row in rows.mappings()]


async def of_accounts(connection: Connection, accounts: Collection[str]) -> dict[str, Sighting]:
    """Those of `accounts` that were ever heard of, held against other processes."""
    statement = (
        select(gateways)
        .where(gateways.c.account.in_(sorted(accounts)))
        .order_by(gateways.c.account)
        .with_for_update()
    )
    rows = (await connection.execute(statement)).mappings()
    return {row["account"]: _sighting(row) for row in rows}


async def save(connection: Connection, sightings: Sequence[Sighting]) -> None:
    """Write sightings down; one that is older than what stands there changes nothing."""
    for sighting in sorted(sightings, key=lambda one: one.account):
        changes = [to_ms(moment) for moment in sighting.address_changes[-KEPT_CHANGES:]]
        statement = upsert(connection, gateways).values(
            account=sighting.account,
            last_poll_at=sighting.last_poll_at,
            app_version=sighting.app_version,
            address=sighting.address,
            address_changes=json.dumps(changes),
        )
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=[gateways.c.account],
                set_={
                    name: statement.excluded[name]
                    for name in ("last_poll_at", "app_version", "address", "address_changes")
                },
                where=statement.excluded.last_poll_at >= gateways.c.last_poll_at,
            )
        )


def _sighting(row: object) -> Sighting:
    values = dict(row)  # type: ignore[call-overload]  # SQLAlchemy's mapping of a row
    moments = [from_ms(ms) for ms in json.loads(values.pop("address_changes"))]
    return Sighting(**values, address_changes=tuple(m for m in moments if m is not None))
