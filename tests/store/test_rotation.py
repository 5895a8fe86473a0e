"""A new key beside a running server: whatever ends it in between, every credential opens."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest
from sqlalchemy import select

from smsgate.aggregators.base import Secret
from smsgate.cipher import Key, Ring
from smsgate.credentials import PutCredential, Stored, listed
from smsgate.errors import CommandError
from smsgate.rotation import rotate
from smsgate.sealing import Sealer
from smsgate.store import credentials as stored
from smsgate.store.database import Store
from smsgate.store.tables import audit
from smsgate.vault import Vault
from tests.make import NOON, Clock

STEPS = 3
NAMES = ("a:incoming", "b:incoming", "c:outgoing")


@pytest.fixture
async def server(store: Store, tmp_path: Path, clock: Clock) -> tuple[Vault, Sealer]:
    """A running server's vault and its path to the keys, with credentials of which two rotate."""
    sealer = Sealer(tmp_path / "secret.key")
    vault = Vault(store, sealer, clock=clock)
    await vault.start()
    for secret in ("old", "new"):
        for name in NAMES:
            await _put(store, sealer, name, f"{secret} {name}")
    await vault.start()
    return vault, Sealer(sealer.path)


async def _put(store: Store, sealer: Sealer, name: str, secret: str) -> None:
    job = PutCredential((name,), Secret(secret), sealer, by="admin", at=NOON)
    taken = await store.write(job)
    assert isinstance(taken, Stored), taken


async def _keys(store: Store, sealer: Sealer) -> tuple[set[str], int]:
    """Which keys seal, and how many the file has; everything opens, old and new."""
    fresh = Sealer(sealer.path)
    async with store.read() as connection:
        assert [one.opens for one in await listed(connection, fresh, now=NOON)] == [True] * 3
        rows = await stored.all_of_them(connection)
    held = Vault(store, fresh)._sorted(rows)
    secrets = sorted(str(one.secret) for slots in held.values() for one in slots)
    assert secrets == ["new a:incoming", "new b:incoming", "new c:outgoing", "old a:incoming",
                       "old b:incoming"]  # fmt: skip
    ring = fresh.ring()
    assert isinstance(ring, Ring)
    return {row["key_id"] for row in rows}, len(ring.keys)


async def test_a_rotation_from_end_to_end(
    store: Store, server: tuple[Vault, Sealer], database_url: str
) -> None:
    vault, sealer = server
    before, _ = await _keys(store, sealer)
    async with Store(database_url) as elsewhere:
        said = [line async for line in rotate(elsewhere, sealer, by="cli", at=NOON)]
    after, count = await _keys(store, sealer)
    assert (len(said), count) == (STEPS, 1)
    assert not before & after
    assert after.pop() in said[1]
    # The server that ran all along opens what was sealed anew, and seals with the new key.
    held = await vault._current()
    assert {str(held[name][0].secret) for name in NAMES} == {f"new {name}" for name in NAMES}
    await _put(store, vault.sealer, "c:outgoing", "new c:outgoing")
    assert len((await _keys(store, sealer))[0]) == 1
    async with store.read() as connection:
        noted = (await connection.execute(select(audit.c.action))).scalars().all()
    assert noted.count("key.rotate") == 1


@pytest.mark.parametrize("steps", range(1, STEPS + 1))
async def test_it_may_end_after_any_step(
    store: Store, server: tuple[Vault, Sealer], steps: int
) -> None:
    vault, sealer = server
    async with aclosing(rotate(store, sealer, by="cli", at=NOON)) as rotation:
        for _ in range(steps):
            await anext(rotation)
    await _keys(store, sealer)
    await vault.start()
    await _put(store, vault.sealer, "c:outgoing", "new c:outgoing")
    # Run again, it ends what was begun.
    assert len([line async for line in rotate(store, sealer, by="cli", at=NOON)]) == STEPS
    keys, count = await _keys(store, sealer)
    assert (len(keys), count) == (1, 1)


async def test_what_is_stored_meanwhile_is_not_lost(
    store: Store, server: tuple[Vault, Sealer], database_url: str
) -> None:
    vault, sealer = server

    async def turn() -> None:
        async for _ in rotate(elsewhere, Sealer(sealer.path), by="cli", at=NOON):
            await asyncio.sleep(0)

    async with Store(database_url) as elsewhere:
        for _ in range(5):
            await asyncio.gather(
                turn(),
                *(_put(store, vault.sealer, name, f"new {name}") for name in NAMES * 4),
            )
            keys, count = await _keys(store, sealer)
            assert (len(keys), count) == (1, 1)


async def test_a_file_that_may_not_be_written_is_left_to_the_operator(
    store: Store, server: tuple[Vault, Sealer]
) -> None:
    _, sealer = server
    (old,) = (await _keys(store, sealer))[0]
    text = sealer.path.read_text()
    new = Key.new()
    # Handed out as the last line first, then moved up (docs/credentials.md, several machines).
    sealer.path.write_text(f"{text}{new.written()}\n")
    assert await _keys(store, sealer) == ({old}, 2)
    kept = f"{new.written()}\n{text}"
    sealer.path.write_text(kept)
    said = [line async for line in rotate(store, sealer, by="cli", at=NOON, keep_file=True)]
    assert said == [f"sealed 5 with the key {new.id}"]
    assert await _keys(store, sealer) == ({new.id}, 2)
    assert sealer.path.read_text() == kept
    sealer.path.write_text(f"{new.written()}\n")
    assert await _keys(store, sealer) == ({new.id}, 1)


async def test_two_rotations_do_not_cross(store: Store, server: tuple[Vault, Sealer]) -> None:
    _, sealer = server
    async with aclosing(rotate(store, sealer, by="cli", at=NOON)) as first:
        await anext(first)
        with pytest.raises(CommandError, match="another rotate-key is under way"):
            await anext(rotate(store, Sealer(sealer.path), by="cli", at=NOON))
    await _keys(store, sealer)


async def test_without_the_keys_it_says_so_and_changes_nothing(
    store: Store, server: tuple[Vault, Sealer]
) -> None:
    _, sealer = server
    text = sealer.path.read_text()
    sealer.path.write_text(f"{Key.new().written()}\n")
    changed = sealer.path.read_text()
    with pytest.raises(CommandError, match="put the key file back"):
        await anext(rotate(store, sealer, by="cli", at=NOON))
    assert sealer.path.read_text() == changed
    sealer.path.write_text(text)
    await _keys(store, sealer)
