"""Answers kept under the caller's `Idempotency-Key`, in the transaction of what they report."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from smsgate.store.dialect import upsert
from smsgate.store.tables import idempotency_keys as keys
from smsgate.store.transact import Connection


@dataclass(frozen=True, slots=True)
class Claim:
    """A caller's key and a hash of what came with it."""

    account: str
    key_hash: bytes
    body_hash: bytes

    @classmethod
    def of(cls, account: str, key: str, route: str, body: bytes) -> Claim:
        """The claim that `account` makes on `key` for this body on this route."""
        return cls(
            account,
            hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest(),
            hashlib.sha256(route.encode() + b"\0" + body).digest(),
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """What was answered before under the same key; `same_body` False means misuse."""

    status: int
    answer: str
    same_body: bool


async def claim(connection: Connection, wanted: Claim, *, at: datetime) -> Kept | None:
    """Take the key, or say what it already stands for. A race is decided by the primary key."""
    statement = (
        upsert(connection, keys)
        .values(
            account=wanted.account,
            key_hash=wanted.key_hash,
            body_hash=wanted.body_hash,
            status=0,
            answer="",
            created_at=at,
        )
        .on_conflict_do_nothing(index_elements=[keys.c.account, keys.c.key_hash])
        .returning(keys.c.account)
    )
    if (await connection.execute(statement)).first() is not None:
        return None
    row = (
        await connection.execute(
            select(keys.c.body_hash, keys.c.status, keys.c.answer).where(
                keys.c.account == wanted.account, keys.c.key_hash == wanted.key_hash
            )
        )
    ).one()
    return Kept(row.status, row.answer, row.body_hash == wanted.body_hash)


async def keep(connection: Connection, taken: Claim, *, status: int, answer: str) -> None:
    """Store the answer under a key that `claim` took in this transaction."""
    await connection.execute(
        update(keys)
        .where(keys.c.account == taken.account, keys.c.key_hash == taken.key_hash)
        .values(status=status, answer=answer)
    )
