"""The first start: what is made, what is shown, what is said about the way to the server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from smsgate import bootstrap
from smsgate.bootstrap import Credentials
from smsgate.commands.serve import greeting
from smsgate.passwords import Verifier
from smsgate.settings import Settings
from smsgate.store import documents, users
from smsgate.store.database import Store
from tests.make import Clock


async def test_accounts_and_settings_are_made_once(store: Store, clock: Clock) -> None:
    made = await bootstrap.prepare(store, admin_password=None, clock=clock)
    assert [one.name for one in made] == ["admin", "gateway"]
    assert all(one.password not in repr(one) for one in made)
    async with store.read() as connection:
        rows = {row["name"]: row for row in await users.all_of_them(connection)}
        first = documents.parsed(await documents.newest(connection))
    assert {name: row["roles"] for name, row in rows.items()} == {
        "admin": ["admin"],
        "gateway": ["gateway"],
    }
    verifier = Verifier()
    for one in made:
        assert await verifier.verify(one.password, rows[one.name]["password_hash"])
    assert first["smsgate"]["replies"] == {"form_feedback": True, "near_misses": True}
    assert await bootstrap.prepare(store, admin_password=None, clock=clock) == []
    assert await bootstrap.prepare(store, admin_password="another one", clock=clock) == []
    async with store.read() as connection:
        again = {row["name"]: row for row in await users.all_of_them(connection)}
    assert again == rows


async def test_with_a_given_password_there_is_no_demo_phone(store: Store, clock: Clock) -> None:
    assert await bootstrap.prepare(store, admin_password="given one", clock=clock) == []
    async with store.read() as connection:
        (row,) = await users.all_of_them(connection)
    assert row["name"] == "admin"
    assert await Verifier().verify("given one", row["password_hash"])


async def test_two_first_starts_at_once_make_one_set(store: Store, clock: Clock) -> None:
    made = await asyncio.gather(
        *(bootstrap.prepare(store, admin_password=None, clock=clock) for _ in range(3))
    )
    shown = [one for some in made for one in some]
    assert sorted(one.name for one in shown) == ["admin", "gateway"]
    async with store.read() as connection:
        rows = {row["name"]: row["password_hash"] for row in await users.all_of_them(connection)}
    verifier = Verifier()
    for one in shown:  # what is shown is what counts
        assert await verifier.verify(one.password, rows[one.name])


MADE = [Credentials("admin", "A" * 20), Credentials("gateway", "G" * 20)]


def _told(made: list[Credentials], host: str = "127.0.0.1", **flags: object) -> str:
    settings = Settings(data_dir=Path("d"), database_url="sqlite+aiosqlite:///x", host=host)
    return greeting(settings.with_flags(**flags), 5988, made)


def test_the_first_greeting_shows_what_to_write_down() -> None:
    told = _told(MADE)
    assert told.startswith("smsgate serves on http://127.0.0.1:5988\n")
    assert "admin    password " + "A" * 20 in told
    assert f"http://gateway:{'G' * 20}@127.0.0.1:5988/api/sms" in told
    assert "WARNING" not in told
    assert "HTTPS" not in told


def test_a_later_greeting_shows_no_password() -> None:
    told = _told([])
    assert "http://gateway:<its password>@127.0.0.1:5988/api/sms" in told
    assert "Shown this once" not in told
    assert "gateway" not in _told([], admin_password="hush")
    assert "hush" not in _told([], admin_password="hush")


@pytest.mark.parametrize("host", ["10.0.0.9", "0.0.0.0", "::", "2001:db8::1", "gate.example"])
def test_a_server_others_reach_is_told_about_encryption(host: str) -> None:
    assert "Phones need HTTPS here" in _told(MADE, host)
    open_told = _told(MADE, host, allow_http=True)
    assert "WARNING: passwords and texts cross the network unencrypted" in open_told
    assert "http://0.0.0.0" not in open_told  # an address a phone can use


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_a_server_for_this_machine_alone_is_not(host: str) -> None:
    told = _told(MADE, host)
    assert "HTTPS" not in told
    shown = f"[{host}]" if ":" in host else host
    assert f"@{shown}:5988/api/sms" in told
