"""Aggregators' ids for our messages: which message one stands for."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, bindparam, func, literal_column, select
from sqlalchemy.dialects.postgresql import ARRAY

from smsgate.message import State
from smsgate.store.many import fetch
from smsgate.store.tables import outbound, outbound_attempts
from smsgate.store.transact import Connection


@dataclass(frozen=True, slots=True)
class Known:
    """The message behind a reference.

    Attributes:
        message_id: Ours.
        retries: The number of its present attempt.
        former: Whether the reference belongs to an attempt before the present one.
    """

    message_id: str
    retries: int
    former: bool


# What it was last handed over as. `gateway_ref IS NOT NULL` names the partial index.
PRESENT = select(outbound.c.gateway_ref, outbound.c.id, outbound.c.retries, outbound.c.state).where(
    outbound.c.route.in_(bindparam("routes", expanding=True)),
    outbound.c.gateway_ref.in_(bindparam("references", expanding=True)),
    outbound.c.gateway_ref.is_not(None),
)
# What it was handed over as before.
FORMER = (
    select(outbound_attempts.c.gateway_ref, outbound.c.id, outbound.c.retries)
    .join(outbound, outbound.c.id == outbound_attempts.c.message_id)
    .where(
        outbound_attempts.c.route.in_(bindparam("routes", expanding=True)),
        outbound_attempts.c.gateway_ref.in_(bindparam("references", expanding=True)),
        outbound_attempts.c.gateway_ref.is_not(None),
    )
)
_KEYS = func.unnest(bindparam("keys", type_=ARRAY(BigInteger))).column_valued("key")
_IN_TURN = select(_KEYS).order_by(literal_column("key")).subquery()
_HOLD = select(func.pg_advisory_xact_lock(_IN_TURN.c.key))


async def find(
    connection: Connection, routes: Collection[str], references: Collection[str]
) -> dict[str, Known]:
    """The messages that were handed over by one of `routes` and got one of `references`."""
    if not references:
        return {}
    values: dict[str, Any] = {"routes": sorted(routes), "references": sorted(set(references))}
    found = {
        row["gateway_ref"]: Known(
            row["id"],
            row["retries"],
            # It waits to be handed over again: what it was handed over as is of the past.
            former=row["state"] == State.PENDING,
        )
        for row in await fetch(connection, PRESENT, values)
    }
    values["references"] = sorted(set(references) - found.keys())
    if values["references"]:
        for row in await fetch(connection, FORMER, values):
            found[row["gateway_ref"]] = Known(row["id"], row["retries"], former=True)
    return found


async def hold(connection: Connection, source: str, references: Collection[str]) -> None:
    """Let nobody else deal with these references until this transaction ends.

    A report on a reference and the reference itself may come at the same moment; one of the two
    must see the other. SQLite has a single writer, which is enough.
    """
    if references and connection.dialect.name != "sqlite":
        keys = [_key(source, reference) for reference in set(references)]
        await connection.execute(_HOLD, {"keys": keys})


def _key(source: str, reference: str) -> int:
    digest = hashlib.sha256(f"{source}\n{reference}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
