"""Who did what, append-only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import insert

from smsgate.store.tables import audit
from smsgate.store.transact import Connection


async def note(
    connection: Connection,
    *,
    at: datetime,
    actor: str,
    action: str,
    target: str | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Record one act, in the transaction that does it. No message content belongs here."""
    await connection.execute(
        insert(audit).values(
            at=at,
            actor=actor,
            action=action,
            target=target,
            details=None if details is None else json.dumps(dict(details)),
        )
    )
