"""Credentials in force: rotation, what other processes change, and the database away."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Update, select, update

from smsgate.aggregators.base import Aggregator, Secret
from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.credentials import (
    KEEP,
    PutCredential,
    RemoveCredentials,
    ResealAll,
    Stored,
    listed,
    spellings,
)
from smsgate.errors import SecretUnreadable, StartError, StoreUnavailable
from smsgate.sealing import Sealer, Unusable
from smsgate.store import credentials as stored
from smsgate.store.database import Store
from smsgate.store.tables import audit, credentials
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from smsgate.vault import Vault
from tests.make import Clock


class Shouter(Aggregator):
    name: str = "shouter"
    aliases: tuple[str, ...] = ("shout-er",)
    credential_prefixes: tuple[str, ...] = ("shouter.example", "shouter_sms")


SHOUTER = Shouter()
REGISTRY = AggregatorRegistry([SHOUTER])
INCOMING, OUTGOING = "shouter.example:incoming", "shouter.example:outgoing"


@pytest.fixture
def sealer(tmp_path: Path) -> Sealer:
    return Sealer(tmp_path / "keys" / "secret.key")


@pytest.fixture
async def vault(store: Store, sealer: Sealer, clock: Clock) -> Vault:
    made = Vault(store, sealer, clock=clock)
    await made.start()
    return made


class Office:
    """Stores credentials as an administrator does, from a process of their own."""

    def __init__(self, url: str, sealer: Sealer, clock: Clock) -> None:
        self.store = Store(url)
        self.sealer = Sealer(sealer.path)
        self.clock = clock

    async def put(self, name: str, secret: str, **rest: object) -> Stored:
        given = {"by": "admin", "at": self.clock(), **rest}
        job = PutCredential(spellings(name, REGISTRY), Secret(secret), self.sealer, **given)  # type: ignore[arg-type]
        done = await self.store.write(job)
        assert isinstance(done, Stored), done
        return done


@pytest.fixture
async def office(
    store: Store, database_url: str, sealer: Sealer, clock: Clock
) -> AsyncIterator[Office]:
    made = Office(database_url, sealer, clock)
    async with made.store:
        yield made


async def _incoming(vault: Vault) -> list[str]:
    return [str(secret) for secret in await vault.incoming(SHOUTER)]


async def test_what_another_process_stores_holds_on_the_next_request(
    vault: Vault, office: Office
) -> None:
    assert await _incoming(vault) == []
    assert await vault.outgoing(SHOUTER) is None
    await office.put(INCOMING, "in\n")
    await office.put(OUTGOING, "out")
    assert await _incoming(vault) == ["in\n"]  # verbatim
    assert await vault.outgoing(SHOUTER) == "out"
    await office.put(OUTGOING, "new")
    assert await vault.outgoing(SHOUTER) == "new"
    gone = await office.store.write(
        RemoveCredentials(by="admin", at=office.clock(), names=(INCOMING, "never:there"))
    )
    assert gone == [INCOMING]
    assert await _incoming(vault) == []


async def test_the_former_one_is_valid_for_a_day(
    vault: Vault, office: Office, clock: Clock
) -> None:
    await office.put(INCOMING, "old")
    clock.move(days=3)
    assert (await office.put(INCOMING, "new")).former_until == clock() + KEEP
    assert await _incoming(vault) == ["new", "old"]
    clock.move(hours=23, minutes=59, seconds=59)
    assert await _incoming(vault) == ["new", "old"]
    clock.move(seconds=1)
    assert await _incoming(vault) == ["new"]
    # What is over is deleted with the next change, of whatever credential.
    assert len(await _rows(office.store)) == 2
    await office.put("any:thing", "x")
    assert [row["name"] for row in await _rows(office.store)] == ["any:thing", INCOMING]


# What is stored after another, for how long the former one is to stay, and which are valid then.
ROTATIONS = [
    ([("a", 24.0), ("b", 24.0), ("c", 24.0)], ["c", "b"]),  # two at most
    ([("a", 24.0), ("b", 24.0), ("b", 24.0)], ["b", "a"]),  # asked twice
    ([("a", 24.0), ("a", 24.0)], ["a"]),
    ([("a", 24.0), ("b", 24.0), ("a", 24.0)], ["a", "b"]),  # and back
    ([("a", 24.0), ("b", 0.0)], ["b"]),  # it became known
    ([("a", 24.0), ("b", 24.0), ("b", 0.0)], ["b"]),  # likewise, and only then
    ([("a", 24.0), ("b", 0.5)], ["b", "a"]),
    ([("a", 24.0), ("a ", 24.0), ("a\n", 24.0)], ["a\n", "a "]),  # verbatim
]


@pytest.mark.parametrize(("stored", "valid"), ROTATIONS)
async def test_which_are_valid(
    vault: Vault, office: Office, stored: list[tuple[str, float]], valid: list[str]
) -> None:
    for secret, hours in stored:
        await office.put(INCOMING, secret, keep=timedelta(hours=hours))
    assert await _incoming(vault) == valid


async def test_asking_twice_does_not_lengthen_the_time_of_the_former_one(
    vault: Vault, office: Office, clock: Clock
) -> None:
    await office.put(INCOMING, "old")
    until = (await office.put(INCOMING, "new")).former_until
    clock.move(hours=23)
    assert (await office.put(INCOMING, "new")).former_until == until
    clock.move(hours=1)
    assert await _incoming(vault) == ["new"]


async def test_an_outgoing_credential_is_replaced_at_once(vault: Vault, office: Office) -> None:
    await office.put(OUTGOING, "old")
    assert (await office.put(OUTGOING, "new")).former_until is None
    assert await vault.outgoing(SHOUTER) == "new"
    assert len(await _rows(office.store)) == 1


NAMES = [
    "shouter.example:incoming",
    "shouter_sms:incoming",
    "shouter:incoming",
    "shout-er:incoming",
]


@pytest.mark.parametrize("name", NAMES)
async def test_every_spelling_is_one_credential(vault: Vault, office: Office, name: str) -> None:
    await office.put(name, "old")
    await office.put(INCOMING, "new")
    await office.put(name, "newest")
    assert await _incoming(vault) == ["newest", "new"]
    assert {row["name"] for row in await _rows(office.store)} == {INCOMING}


async def test_what_was_stored_before_its_aggregator_was_installed_rotates_too(
    vault: Vault, office: Office, clock: Clock
) -> None:
    early = PutCredential(
        ("shouter_sms:incoming",), Secret("early"), office.sealer, by="admin", at=clock()
    )
    await office.store.write(early)
    assert await _incoming(vault) == ["early"]
    await office.put(INCOMING, "late")
    assert await _incoming(vault) == ["late", "early"]
    assert {row["name"] for row in await _rows(office.store)} == {INCOMING}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("nepal_doit_sms:outgoing", ("nepal_doit_sms:outgoing",)),
        ("no colon", ("no colon",)),
        ("a:b:incoming", ("a:b:incoming",)),
        (":", (":",)),
        ("shouter:other", ("shouter.example:other", "shouter_sms:other", "shouter:other",
                           "shout-er:other")),
    ],
)  # fmt: skip
def test_a_key_that_is_nobodys_stands_for_itself(name: str, kept: tuple[str, ...]) -> None:
    assert spellings(name, REGISTRY) == kept


async def test_a_damaged_credential_is_told_and_can_be_stored_again(
    store: Store, vault: Vault, office: Office
) -> None:
    await office.put(INCOMING, "secret")
    (row,) = await _rows(store)
    octets = bytearray(row["sealed"])
    octets[-1] ^= 1
    await _tamper(store, update(credentials).values(sealed=bytes(octets)))
    with pytest.raises(SecretUnreadable, match=r"^the credential shouter\.example:incoming cannot"):
        await vault.incoming(SHOUTER)
    async with store.read() as connection:
        (listing,) = await listed(connection, office.sealer, now=office.clock())
    assert listing.opens is False
    damaged = await office.store.write(ResealAll(office.sealer, "admin", office.clock()))
    assert isinstance(damaged, Unusable)
    assert INCOMING in damaged.reason
    await office.put(INCOMING, "again")
    assert await _incoming(vault) == ["again"]


async def test_rows_that_are_swapped_do_not_open(
    store: Store, vault: Vault, office: Office, clock: Clock
) -> None:
    await office.put(INCOMING, "in")
    await office.put(OUTGOING, "out")
    rows = {row["name"]: row["sealed"] for row in await _rows(store)}
    for name, other in ((INCOMING, OUTGOING), (OUTGOING, INCOMING)):
        swap = update(credentials).where(credentials.c.name == name).values(sealed=rows[other])
        await _tamper(store, swap)
    for question in (vault.incoming, vault.outgoing):
        with pytest.raises(SecretUnreadable):
            await question(SHOUTER)
    # Nor does a seal of last year's that is put in the place of today's.
    await office.put(OUTGOING, "old")
    old = (await _rows(store))[-1]["sealed"]
    clock.move(days=300)
    await office.put(OUTGOING, "new")
    await _tamper(store, update(credentials).values(sealed=old))
    with pytest.raises(SecretUnreadable):
        await vault.outgoing(SHOUTER)


async def test_of_two_the_one_that_opens_goes_on(
    store: Store, vault: Vault, office: Office
) -> None:
    await office.put(INCOMING, "old")
    await office.put(INCOMING, "new")
    damage = update(credentials).where(credentials.c.slot == 0).values(sealed=b"\1" * 60)
    await _tamper(store, damage)
    assert await _incoming(vault) == ["old"]


async def test_another_key_is_no_key(
    store: Store, vault: Vault, office: Office, tmp_path: Path, clock: Clock
) -> None:
    await office.put(INCOMING, "secret")
    elsewhere = Sealer(tmp_path / "elsewhere" / "secret.key")
    elsewhere.ready(())  # a machine that made a key of its own, before anything was stored
    with pytest.raises(StartError, match=r"which is not in .*elsewhere"):
        await Vault(store, elsewhere, clock=clock).start()
    running = Vault(store, elsewhere, clock=clock)
    with pytest.raises(SecretUnreadable):
        await running.incoming(SHOUTER)
    job = PutCredential((OUTGOING,), Secret("out"), elsewhere, by="admin", at=clock())
    refused = await store.write(job)
    assert isinstance(refused, Unusable)
    assert "put the key file back" in refused.reason
    assert len(await _rows(store)) == 1
    # Once the right file is there, the running server goes on.
    shutil.copy(office.sealer.path, elsewhere.path)
    assert [str(one) for one in await running.incoming(SHOUTER)] == ["secret"]
    taken = await store.write(job)
    assert isinstance(taken, Stored)


async def test_a_lost_key_is_given_up_by_hand(
    store: Store, vault: Vault, office: Office, clock: Clock
) -> None:
    await office.put(INCOMING, "in")
    await office.put(INCOMING, "new")
    office.sealer.path.unlink()
    with pytest.raises(StartError, match="smsgate credential remove --lost"):
        await Vault(store, Sealer(office.sealer.path), clock=clock).start()
    assert not office.sealer.path.exists()
    job = RemoveCredentials(by="admin", at=clock(), unless_opened_by=Sealer(office.sealer.path))
    assert await store.write(job) == [INCOMING]
    await Vault(store, Sealer(office.sealer.path), clock=clock).start()
    await office.put(INCOMING, "again")
    assert await _incoming(vault) == ["again"]


async def test_who_did_it_is_noted_without_the_value(office: Office, store: Store) -> None:
    await office.put(INCOMING, "canary-secret-91c4")
    await store.write(RemoveCredentials(by="clerk", at=office.clock(), names=(INCOMING,)))
    async with store.read() as connection:
        noted = (await connection.execute(select(audit).order_by(audit.c.seq))).mappings().all()
    assert [(row["action"], row["actor"], row["target"]) for row in noted] == [
        ("credential.put", "admin", INCOMING),
        ("credential.remove", "clerk", INCOMING),
    ]
    assert "canary" not in str(noted)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_the_last_known_ones_are_used_while_the_database_is_away(
    vault: Vault, office: Office, database_url: str, clock: Clock
) -> None:
    await office.put(INCOMING, "old")
    await office.put(INCOMING, "new")
    assert await _incoming(vault) == ["new", "old"]
    async with _away(database_url):
        assert await _incoming(vault) == ["new", "old"]
        assert await vault.outgoing(SHOUTER) is None
        clock.move(hours=25)  # time passes all the same
        assert await _incoming(vault) == ["new"]
        never_read = Vault(vault._store, vault.sealer, clock=clock)
        with pytest.raises(StoreUnavailable):
            await never_read.incoming(SHOUTER)
    await office.put(INCOMING, "newest", keep=timedelta(0))
    assert await _incoming(vault) == ["newest"]


async def test_a_database_that_does_not_answer_is_not_waited_for(
    store: Store, sealer: Sealer, office: Office, clock: Clock
) -> None:
    await office.put(INCOMING, "secret")
    vault = Vault(store, sealer, clock=clock, patience=0.0)
    with pytest.raises(StoreUnavailable):
        await vault.incoming(SHOUTER)
    patient = Vault(store, sealer, clock=clock)
    await patient.start()
    patient._patience = 0.0
    assert await _incoming(patient) == ["secret"]


async def test_requests_that_come_together_see_one_state(vault: Vault, office: Office) -> None:
    for number in range(5):
        await office.put(OUTGOING, str(number))
        answers = await asyncio.gather(*(vault.outgoing(SHOUTER) for _ in range(20)))
        assert set(answers) == {str(number)}


async def _rows(store: Store) -> list[dict[str, Any]]:
    async with store.read() as connection:
        return await stored.all_of_them(connection)


@dataclass
class _Tamper(Job[None]):
    statement: Update

    async def run(self, connection: Connection) -> None:
        await stored.take_turn(connection)
        await connection.execute(self.statement)


async def _tamper(store: Store, statement: Update) -> None:
    await store.write(_Tamper(statement))


@asynccontextmanager
async def _away(url: str) -> AsyncIterator[None]:
    """PostgreSQL turns this database's connections away and ends those there are."""
    server, _, name = url.replace("+asyncpg", "").rpartition("/")
    admin = await asyncpg.connect(f"{server}/postgres")
    try:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
        yield
    finally:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await admin.close()
