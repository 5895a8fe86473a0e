"""Millions of messages in minutes: rows made by the database itself, in chunks."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, text

from smsgate.store.engine import migrating_engine, transactor
from smsgate.store.transact import Connection, Transactor
from smsgate.store.types import UtcTime

CHUNK = 100_000
SPREAD = timedelta(hours=2)  # what waits fell due one after the other within this time
LIFE = timedelta(hours=72)

# What the engines spell differently. An id is as long as a real one and, like a real one, later
# than those made before it.
_SPELLING: Mapping[str, Mapping[str, str]] = {
    "sqlite": {
        "numbers": "WITH RECURSIVE s(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM s"
        " WHERE n < :last) SELECT n FROM s",
        "id": "printf('01900000-0000-7000-8000-%012x', n)",
        "number": "printf('+2547%08d', n % 100000000)",
        "due": ":since + (n - :origin) * :span / :count",
        "life": str(int(LIFE.total_seconds() * 1000)),
    },
    "postgresql": {
        "numbers": "SELECT generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n",
        "id": "'01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0')",
        "number": "'+2547' || lpad((n % 100000000)::text, 8, '0')",
        "due": "CAST(:since AS timestamptz) + (n - CAST(:origin AS bigint))"
        " * CAST(:span AS bigint) / CAST(:count AS bigint) * interval '1 ms'",
        "life": f"interval '{int(LIFE.total_seconds())} s'",
    },
}
_MESSAGES = """
INSERT INTO outbound_messages (id, recipient, text, kind, state, rank, attempts, segments,
  created_by, created_at, due_at, expires_at, changed_at)
SELECT {id}, {number}, 'Thank you. This visit was noted; the next one is due in four weeks.',
  'message', '{state}', n / 50 % 7 - 3, 0, 1, 'bench', due, due, due + {life}, due
FROM (SELECT n, {due} AS due FROM ({numbers}) AS numbered) AS made"""
_HISTORY = """
INSERT INTO outbound_history (message_id, state, applied, at)
SELECT {id}, '{state}', TRUE, {due} FROM ({numbers}) AS numbered"""


async def fill(url: str, *, waiting: int, finished: int, now: datetime) -> None:
    """Put `finished` delivered messages into an empty database, then `waiting` pending ones.

    What waits has priorities from -3 to 3, fifty in a row the same as if put in by one request, and
    fell due within `SPREAD` before `now`, the oldest first. Each message has a line of history.
    """
    store = transactor(url)
    try:
        origin = 1
        for state, count in (("delivered", finished), ("pending", waiting)):
            until = now if state == "pending" else now - SPREAD
            await _fill(store, state, origin, count, until)
            origin += count
    finally:
        await store.close()


async def _fill(store: Transactor, state: str, origin: int, count: int, until: datetime) -> None:
    begun = time.monotonic()
    for first in range(origin, origin + count, CHUNK):
        last = min(first + CHUNK, origin + count) - 1
        values = {
            "origin": origin,
            "count": count,
            "span": int(SPREAD.total_seconds() * 1000),
            "since": until - SPREAD,
            "first": first,
            "last": last,
        }
        await store.run(lambda c, values=values: _chunk(c, state, values))  # type: ignore[misc]  # a loop's value, held fast
        if count > CHUNK:
            _show(f"{state}: {last - origin + 1:,} of {count:,}", begun)
    if count > CHUNK:
        sys.stdout.write("\n")


async def _chunk(connection: Connection, state: str, values: Mapping[str, object]) -> None:
    spelling = _SPELLING[connection.dialect.name]
    for template in (_MESSAGES, _HISTORY):
        statement = text(template.format(state=state, **spelling))
        given = {name: values[name] for name in values if f":{name}" in str(statement)}
        await connection.execute(statement.bindparams(bindparam("since", type_=UtcTime())), given)


def _show(what: str, begun: float) -> None:
    line = f"  {what} ({time.monotonic() - begun:.0f} s)"
    sys.stdout.write(f"\r{line}" if sys.stdout.isatty() else f"{line}\n")
    sys.stdout.flush()


async def settle_down(url: str) -> None:
    """What happens by itself in production before long.

    PostgreSQL's autovacuum counts rows and cleans; it may be switched off where this runs. SQLite
    does nothing of the kind, but for folding its log into the database.
    """
    engine = migrating_engine(url)
    try:
        async with engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                await connection.rollback()
                return
            raw: Any = (await connection.get_raw_connection()).driver_connection
            await raw.execute("VACUUM (ANALYZE)")
            await raw.execute("CHECKPOINT")
    finally:
        await engine.dispose()
