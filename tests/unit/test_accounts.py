"""Accounts: what is remembered, and what a change makes of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from smsgate.accounts import Accounts, AddUser, SetPassword
from smsgate.passwords import REMEMBER_SECONDS, Verifier, hash_password
from smsgate.store.database import Store
from smsgate.web.auth import credentials
from tests.make import NOON, basic


class Hands:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "smsgate.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite+aiosqlite:///{path}"


async def test_what_was_right_is_remembered_for_a_while(url: str) -> None:
    hands = Hands()
    async with Store(url) as store:
        await store.write(AddUser("phone", hash_password("pass word"), ("gateway",), "t", NOON))
        accounts = Accounts(store, Verifier(monotonic=hands))
        revisions = await store.revisions()
        for moved, hashes in [(0, 1), (REMEMBER_SECONDS - 1, 1), (1, 2), (1, 2)]:
            hands.at += moved
            account = await accounts.authenticate(
                basic("phone", "pass word"), credentials, revisions
            )
            assert account is not None
            assert (account.name, account.roles) == ("phone", frozenset({"gateway"}))
            assert accounts.verifier.hashes == hashes


async def test_what_was_wrong_costs_a_hash_each_time_known_name_or_not(url: str) -> None:
    async with Store(url) as store:
        await store.write(AddUser("phone", hash_password("pass word"), ("gateway",), "t", NOON))
        accounts = Accounts(store)
        revisions = await store.revisions()
        for place, name in enumerate(["phone", "phone", "nobody", "nobody"]):
            assert await accounts.authenticate(basic(name, "x"), credentials, revisions) is None
            assert accounts.verifier.hashes == place + 1
        for header in ("", "Bearer x", "Basic !"):
            assert await accounts.authenticate(header, credentials, revisions) is None
        assert accounts.verifier.hashes == 4


async def test_a_check_begun_before_a_change_does_not_count_after_it(url: str) -> None:
    async with Store(url) as store:
        await store.write(AddUser("phone", hash_password("old one"), ("gateway",), "t", NOON))
        accounts = Accounts(store)
        header = basic("phone", "old one")
        slots = accounts.verifier._slots
        async with slots, slots:  # checks wait for their turn
            early = asyncio.create_task(
                accounts.authenticate(header, credentials, await store.revisions())
            )
            while not accounts._checking:  # noqa: ASYNC110 - nothing tells when it begins
                await asyncio.sleep(0)
            await store.write(SetPassword("phone", hash_password("new one"), "t", NOON))
            late = asyncio.create_task(
                accounts.authenticate(header, credentials, await store.revisions())
            )
            while accounts._revision != (await store.revisions())["users"]:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0)
            await asyncio.sleep(0)
        await early  # it asked before the change: either answer is true
        assert await late is None
        assert await accounts.authenticate(header, credentials, await store.revisions()) is None
