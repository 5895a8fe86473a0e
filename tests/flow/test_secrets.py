"""A credential is nowhere in the clear: no table, no file, no log line, no answer, no repr."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from smsgate import log
from smsgate.aggregators.base import Secret
from smsgate.aggregators.registry import installed
from smsgate.cipher import Ring
from smsgate.credentials import PutCredential
from smsgate.rotation import rotate
from smsgate.sealing import Sealer
from smsgate.store.engine import sqlite_path
from smsgate.store.tables import metadata
from tests.looking import execute, rows
from tests.make import NOON
from tests.running import Running, quiet

SECRETS = ("canary-secret-91c4", "canary-other-77aa\n")
PATH = "/api/v1/credentials"
TEXT = {"Content-Type": "text/plain"}


async def test_a_credential_is_nowhere_in_the_clear(
    server: Running, capfd: pytest.CaptureFixture[str]
) -> None:
    log.configure("DEBUG", "json")
    said: list[str] = []
    vault = server.services.vault

    async def put(secret: str, key: str = "rapidpro:incoming", **rest: Any) -> None:
        rest.setdefault("headers", TEXT)
        answer = await server.call("PUT", f"{PATH}/{key}", content=secret.encode(), **rest)
        said.append(answer.text)

    for secret in SECRETS:
        await put(secret)
        await put(secret, "africastalking.com:outgoing")
        await put(secret, "unknown:key")
        await put(secret, user="officer")
        await put(secret, user=None)
        await put(secret, f"rapidpro:incoming?keep_hours={secret.strip()}")
        await put(secret, headers={"Content-Type": "application/json"})
    for path in (PATH, f"{PATH}/rapidpro:incoming", "/api/v1/settings", "/metrics", "/readyz"):
        answer = await server.call("GET", path)
        said.append(answer.text)
    rapidpro = installed().named("rapidpro")
    assert rapidpro is not None
    shown = await vault.incoming(rapidpro)
    assert list(shown) == list(reversed(SECRETS))
    keys = _keys(vault.sealer)
    said += [line async for line in rotate(server.services.store, vault.sealer, by="cli", at=NOON)]
    # The database fails in the middle of it, quoting what it was given.
    for table in ("audit", "credentials"):
        await execute(server, f"ALTER TABLE {table} RENAME TO away")
        await put(SECRETS[0])
        assert "Server error" in said[-1]
        await execute(server, f"ALTER TABLE away RENAME TO {table}")
    # Damaged, and told so.
    await execute(server, "UPDATE credentials SET key_id = 'nobodys'")
    await put(SECRETS[0])
    assert "put the key file back" in said[-1]

    job = PutCredential(("a:b",), Secret(SECRETS[0]), vault.sealer, by="admin", at=NOON)
    said += [repr(each) for each in (job, vault, vault.__dict__, server.services, shown)]
    stored = [await rows(server, table) for table in metadata.sorted_tables]
    assert [row for table in stored for row in table if row.get("name") == "rapidpro:incoming"]
    files = _files(server)
    quiet()
    where = {
        "log": capfd.readouterr().err.encode(),
        "answers and reprs": "\n".join(said).encode(),
        "tables": repr(stored).encode(),
        **{path.name: path.read_bytes() for path in files},
    }
    assert b"credential" in where["log"]
    keys += _keys(vault.sealer)
    for secret in (*SECRETS, *keys):
        for form in _forms(secret.strip().encode()):
            assert [name for name, text in where.items() if form in text] == [], form[:9]


def _forms(secret: bytes) -> list[bytes]:
    """As it is, and as it may be written."""
    return [secret, secret.hex().encode(), base64.b64encode(secret)]


def _keys(sealer: Sealer) -> list[str]:
    ring = sealer.ring()
    assert isinstance(ring, Ring)
    return [key.written() for key in ring.keys]


def _files(server: Running) -> list[Path]:
    path = sqlite_path(server.services.settings.database_url)
    return [] if path is None else sorted(path.parent.glob(f"{path.name}*"))
