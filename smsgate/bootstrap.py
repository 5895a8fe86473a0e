"""The first start: a settings document to begin with, and the accounts to get in by."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from smsgate.accounts import AddUser
from smsgate.clock import Clock
from smsgate.document import first_document
from smsgate.passwords import generate, hash_password
from smsgate.programme import FirstSettings
from smsgate.store import users
from smsgate.store.database import Store

ADMIN = "admin"
GATEWAY = "gateway"
_BY = "smsgate"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A name and the password just made for it: shown once, kept nowhere."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(name={self.name!r})"


async def prepare(store: Store, *, admin_password: str | None, clock: Clock) -> list[Credentials]:
    """Make sure there are settings and an administrator.

    Args:
        store: an open store.
        admin_password: what the environment says; then `admin` is made with it if it is missing,
            no demo gateway is made, and nothing is to be shown.
        clock: what time it is.

    Returns:
        The generated credentials to show, on the very first start; else nothing.
    """
    now = clock()
    await store.write(FirstSettings(first_document(now.date()), at=now))
    async with store.read() as connection:
        known = {row["name"] for row in await users.all_of_them(connection)}
    if admin_password is not None:
        if ADMIN not in known:
            hashed = await asyncio.to_thread(hash_password, admin_password)
            await store.write(AddUser(ADMIN, hashed, ("admin",), _BY, now))
        return []
    if known:
        return []
    made = []
    for name, role in ((ADMIN, "admin"), (GATEWAY, "gateway")):
        password = generate()
        hashed = await asyncio.to_thread(hash_password, password)
        # False where another process was first: then its password is the one that counts.
        if await store.write(AddUser(name, hashed, (role,), _BY, now)):
            made.append(Credentials(name, password))
    return made
