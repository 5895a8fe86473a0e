"""How many SMS parts phones were given of late, in slots of five minutes, as SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import bindparam, delete, func, select

from smsgate.store.dialect import upsert
from smsgate.store.tables import phone_usage
from smsgate.store.transact import Connection
from smsgate.store.types import UtcTime

WINDOW = timedelta(hours=1)
_SLOT_SECONDS = 300

_USED = (
    select(phone_usage.c.account, func.sum(phone_usage.c.segments).label("segments"))
    .where(
        phone_usage.c.account.in_(bindparam("accounts", expanding=True)),
        phone_usage.c.slot > bindparam("since", type_=UtcTime()),
    )
    .group_by(phone_usage.c.account)
)


async def used(connection: Connection, accounts: Sequence[str], now: datetime) -> dict[str, int]:
    """The parts that each of `accounts` was given within the hour before `now`."""
    values = {"accounts": list(accounts), "since": now - WINDOW}
    return {row.account: int(row.segments) for row in await connection.execute(_USED, values)}


async def add(connection: Connection, segments: Mapping[str, int], now: datetime) -> None:
    """Count what accounts were given now, and forget what is no longer asked for."""
    if not segments:
        return
    slot = datetime.fromtimestamp(now.timestamp() // _SLOT_SECONDS * _SLOT_SECONDS, UTC)
    statement = upsert(connection, phone_usage)
    statement = statement.on_conflict_do_update(
        index_elements=[phone_usage.c.account, phone_usage.c.slot],
        set_={"segments": phone_usage.c.segments + statement.excluded.segments},
    )
    rows = [
        {"account": account, "slot": slot, "segments": number}
        for account, number in sorted(segments.items())
    ]
    await connection.execute(statement, rows)
    await connection.execute(
        delete(phone_usage).where(
            phone_usage.c.account.in_(list(segments)), phone_usage.c.slot <= now - 2 * WINDOW
        )
    )
