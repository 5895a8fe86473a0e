"""Changing credentials: storing one, removing one, sealing all of them anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from smsgate.aggregators.base import Secret
from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.cipher import Ring, Sealed, Shut
from smsgate.clock import to_iso
from smsgate.sealing import Sealer, Unusable, about
from smsgate.store import audit, credentials
from smsgate.store.credentials import CURRENT, FORMER, Row
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

INCOMING_SUFFIX: Final = ":incoming"
LONGEST_NAME: Final = 256
# How long the former incoming credential stays valid, where nobody says.
KEEP: Final = timedelta(hours=24)


def spellings(name: str, aggregators: AggregatorRegistry) -> tuple[str, ...]:
    """The name a credential is stored under, then the other names that mean the same.

    `africastalking:incoming` is stored as `africastalking.com:incoming` (decision 11). A name that
    belongs to no installed aggregator stands for itself, as with the CHT.
    """
    prefix, _, use = name.rpartition(":")
    for each in aggregators.aggregators:
        known = tuple(dict.fromkeys((*each.credential_prefixes, each.name, *each.aliases)))
        if prefix in known:
            return tuple(f"{one}:{use}" for one in known)
    return (name,)


def expected(aggregators: AggregatorRegistry) -> set[str]:
    """The credentials that the installed aggregators may use."""
    names = set()
    for each in aggregators.aggregators:
        uses = ["incoming"] * bool(each.endpoints) + ["outgoing"] * (each.sends or each.listens)
        names |= {f"{prefix}:{use}" for prefix in each.credential_prefixes[:1] for use in uses}
    return names


@dataclass(frozen=True, slots=True)
class Listed:
    """What may be told of a credential: everything but the credential.

    Attributes:
        key: Its name.
        opens: Whether the keys at hand open it.
        since: When it was stored.
        by: By whom.
        former_until: How long the one before it is valid too; None if there is none.
    """

    key: str
    opens: bool = False
    since: datetime | None = None
    by: str | None = None
    former_until: datetime | None = None


async def listed(connection: Connection, sealer: Sealer, *, now: datetime) -> list[Listed]:
    """Every credential in use, by name."""
    rows = await credentials.all_of_them(connection)
    until = {
        row["name"]: row["valid_until"]
        for row in rows
        if row["slot"] == FORMER and row["valid_until"] > now
    }
    return [
        Listed(
            key=row["name"],
            opens=_opens(sealer, row),
            since=row["created_at"],
            by=row["created_by"],
            former_until=until.get(row["name"]),
        )
        for row in rows
        if row["slot"] == CURRENT
    ]


def _opens(sealer: Sealer, row: Row) -> bool:
    sealed = Sealed(row["key_id"], row["sealed"])
    return not isinstance(sealer.open(sealed, about(row["name"], row["created_at"])), Shut)


@dataclass(frozen=True, slots=True)
class Stored:
    """It is kept. `former_until`: how long the one before it is valid beside it, if at all."""

    former_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PutCredential(Job[Stored | Unusable]):
    """Store a credential in place of the one before it.

    Attributes:
        names: What `spellings` gave.
        secret: Verbatim.
        keep: How long a former incoming credential stays valid; none where it is zero.
        sealer: The keys. They are looked at within the transaction, so that none is used that a
            rotation has dropped.
    """

    names: tuple[str, ...]
    secret: Secret
    sealer: Sealer
    by: str
    at: datetime
    keep: timedelta = KEEP

    async def run(self, connection: Connection) -> Stored | Unusable:
        """See `Job.run`."""
        rows = await _all_now(connection, self.at)
        ring = self.sealer.ring({row["key_id"] for row in rows})
        if isinstance(ring, Unusable):
            return ring
        mine = [row for name in self.names for row in rows if row["name"] == name]
        kept = self._rows(ring, mine)
        await credentials.remove(connection, self.names)
        await credentials.add(connection, kept)
        until = kept[1]["valid_until"] if len(kept) > 1 else None
        await audit.note(
            connection,
            at=self.at,
            actor=self.by,
            action="credential.put",
            target=self.names[0],
            details={"former_until": to_iso(until) if until else None},
        )
        return Stored(until)

    def _rows(self, ring: Ring, mine: Sequence[Row]) -> list[Row]:
        """What is to be there afterwards: the one in use, then perhaps the former one."""
        before = next((row for row in mine if row["slot"] == CURRENT), None)
        opened = None if before is None else _opened(ring, before)
        if before is not None and opened == self.secret:
            # Asked a second time. It must not push out the one that really came before.
            current = self._row(ring, before, CURRENT, opened, None)
            former = next((row for row in mine if row["slot"] == FORMER), None)
            text = None if former is None or not self.keep else _opened(ring, former)
            if former is None or text is None:
                return [current]
            return [current, self._row(ring, former, FORMER, text, former["valid_until"])]
        fresh: Row = {"created_at": self.at, "created_by": self.by}
        current = self._row(ring, fresh, CURRENT, self.secret, None)
        rotates = self.names[0].endswith(INCOMING_SUFFIX) and self.keep > timedelta(0)
        if before is None or opened is None or not rotates:
            return [current]
        return [current, self._row(ring, before, FORMER, opened, self.at + self.keep)]

    def _row(
        self, ring: Ring, row: Row, slot: int, text: str, valid_until: datetime | None
    ) -> dict[str, Any]:
        name = self.names[0]
        sealed = ring.seal(text, about(name, row["created_at"]))
        return {
            "name": name,
            "slot": slot,
            "key_id": sealed.key_id,
            "sealed": sealed.octets,
            "created_at": row["created_at"],
            "created_by": row["created_by"],
            "valid_until": valid_until,
        }


def _opened(ring: Ring, row: Row) -> str | None:
    text = ring.open(Sealed(row["key_id"], row["sealed"]), about(row["name"], row["created_at"]))
    return None if isinstance(text, Shut) else text


async def _all_now(connection: Connection, at: datetime) -> list[Row]:
    """Every credential that is still valid; other processes wait with their changes."""
    await credentials.take_turn(connection)
    await credentials.forget_former(connection, at)
    return await credentials.all_of_them(connection)


@dataclass(frozen=True, slots=True)
class RemoveCredentials(Job[list[str]]):
    """Remove credentials, former ones too; the names of those there were."""

    by: str
    at: datetime
    names: tuple[str, ...] = ()
    # Instead of names: all that the keys do not open.
    unless_opened_by: Sealer | None = field(default=None)

    async def run(self, connection: Connection) -> list[str]:
        """See `Job.run`."""
        await credentials.take_turn(connection)
        rows = await credentials.all_of_them(connection)
        gone = sorted({row["name"] for row in rows if self._goes(row)})
        await credentials.remove(connection, gone)
        for name in gone:
            await audit.note(
                connection, at=self.at, actor=self.by, action="credential.remove", target=name
            )
        return gone

    def _goes(self, row: Row) -> bool:
        if self.unless_opened_by is None:
            return row["name"] in self.names
        return not _opens(self.unless_opened_by, row)


@dataclass(frozen=True, slots=True)
class Resealed:
    """How many credentials are sealed with the newest key now."""

    count: int
    key_id: str


@dataclass(frozen=True, slots=True)
class ResealAll(Job[Resealed | Unusable]):
    """Seal every credential with the newest key, or none of them."""

    sealer: Sealer
    by: str
    at: datetime

    async def run(self, connection: Connection) -> Resealed | Unusable:
        """See `Job.run`."""
        rows = await _all_now(connection, self.at)
        ring = self.sealer.ring({row["key_id"] for row in rows})
        if isinstance(ring, Unusable):
            return ring
        texts = []
        for row in rows:
            text = _opened(ring, row)
            if text is None:
                return Unusable(
                    f"the credential {row['name']} is damaged and was left as it is: store it"
                    " again, then rotate again"
                )
            texts.append(text)
        for row, text in zip(rows, texts, strict=True):
            sealed = ring.seal(text, about(row["name"], row["created_at"]))
            await credentials.reseal(connection, row, sealed)
        await audit.note(
            connection,
            at=self.at,
            actor=self.by,
            action="key.rotate",
            target=ring.newest.id,
            details={"count": len(rows)},
        )
        return Resealed(len(rows), ring.newest.id)
