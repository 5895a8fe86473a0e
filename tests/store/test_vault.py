"""Credentials in force: rotation, what other processes change, and the database away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import asyncpg
import pytest

from smsgate.aggregators.base import Aggregator, Secret
from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.cipher import Key
from smsgate.credentials import KEEP, PutCredential, RemoveCredentials, Stored, spellings
from smsgate.errors import SecretUnreadable, StartError, StoreUnavailable
from smsgate.sealing import Sealer, Unusable
from smsgate.store.database import Store
from smsgate.vault import Vault
from tests.make import Clock


class Shouter(Aggregator):
    name: ClassVar[str] = "shouter"
    aliases: ClassVar[tuple[str, ...]] = ("shout-er",)
    credential_prefixes: ClassVar[tuple[str, ...]] = ("shouter.example", "shouter_sms")


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
