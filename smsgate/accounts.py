"""Who may come in: accounts, the check of a name and password, and their administration."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from smsgate.passwords import REMEMBER_SECONDS, Verifier
from smsgate.store import audit, users
from smsgate.store.database import Store
from smsgate.store.revisions import USERS
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

_REMEMBER_AT_MOST = 20_000
NAME: Final = re.compile(r"[a-z0-9_][a-z0-9_.+-]{0,99}\Z")


@dataclass(frozen=True, slots=True)
class Account:
    """Someone who has shown a right password."""

    name: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Known:
    password_hash: str
    roles: frozenset[str]


class Accounts:
    """Authenticates callers against the store, seeing a change on the next request."""

    def __init__(self, store: Store, verifier: Verifier | None = None) -> None:
        self._store = store
        self.verifier = verifier or Verifier()
        self._revision = -1
        self._right: OrderedDict[bytes, tuple[Account, float]] = OrderedDict()
        self._known: Mapping[str, _Known] = {}
        self._checking: dict[tuple[int, bytes], asyncio.Task[Account | None]] = {}
        self._loading = asyncio.Lock()

    async def authenticate(
        self,
        header: str,
        read: Callable[[str], Sequence[tuple[str, str]]],
        revisions: Mapping[str, int],
    ) -> Account | None:
        """The account that an `Authorization` header shows the password of, or None.

        Args:
            header: as it came; empty where there was none.
            read: makes (name, password) pairs of it, several where it can be read several ways.
            revisions: the store's change counters as of this request.
        """
        if not header:
            return None
        await self._refresh(revisions.get(USERS, 0))
        token = self.verifier.token(header)
        known = self._right.get(token)
        if known is not None and known[1] > self.verifier.now():
            return known[0]
        # Requests that come together with the same credentials share one check, unless an account
        # changed since it began.
        key = (self._revision, token)
        check = self._checking.get(key)
        if check is None:
            check = asyncio.create_task(self._check(token, read(header)))
            self._checking[key] = check
            check.add_done_callback(lambda _: self._checking.pop(key, None))
        return await asyncio.shield(check)

    def known(self) -> list[Account]:
        """Every account there is, as of the last request that showed a password."""
        return [Account(name, one.roles) for name, one in self._known.items()]

    async def _check(self, token: bytes, candidates: Sequence[tuple[str, str]]) -> Account | None:
        revision = self._revision
        for name, password in candidates:
            found = self._known.get(name)
            stored = found.password_hash if found else None
            if await self.verifier.verify(password, stored) and found is not None:
                account = Account(name, found.roles)
                if revision == self._revision:  # else it was checked against what has changed
                    self._remember(token, account)
                return account
        return None

    def has(self, name: str) -> bool:
        """Whether there was an account of this name when the last request was let in."""
        return name in self._known

    def _remember(self, token: bytes, account: Account) -> None:
        self._right[token] = (account, self.verifier.now() + REMEMBER_SECONDS)
        while len(self._right) > _REMEMBER_AT_MOST:
            self._right.popitem(last=False)

    async def _refresh(self, revision: int) -> None:
        if revision == self._revision:
            return
        async with self._loading:
            if revision == self._revision:
                return
            async with self._store.read() as connection:
                rows = await users.all_of_them(connection)
            self._known = {
                row["name"]: _Known(row["password_hash"], frozenset(row["roles"])) for row in rows
            }
            # Whatever changed, nobody is let in on what was right before.
            self._right.clear()
            self._revision = revision


@dataclass(frozen=True, slots=True)
class AddUser(Job[bool]):
    """Create an account; False if the name is taken."""

    name: str
    password_hash: str
    roles: tuple[str, ...]
    by: str
    at: datetime

    async def run(self, connection: Connection) -> bool:
        """See `Job.run`."""
        created = await users.add(
            connection,
            name=self.name,
            password_hash=self.password_hash,
            roles=self.roles,
            at=self.at,
        )
        if created:
            await audit.note(
                connection,
                at=self.at,
                actor=self.by,
                action="user.add",
                target=self.name,
                details={"roles": list(self.roles)},
            )
        return created


@dataclass(frozen=True, slots=True)
class SetPassword(Job[bool]):
    """Replace an account's password; False if there is no such account."""

    name: str
    password_hash: str
    by: str
    at: datetime

    async def run(self, connection: Connection) -> bool:
        """See `Job.run`."""
        done = await users.set_password(
            connection, name=self.name, password_hash=self.password_hash, at=self.at
        )
        if done:
            await audit.note(
                connection, at=self.at, actor=self.by, action="user.password", target=self.name
            )
        return done


@dataclass(frozen=True, slots=True)
class RemoveUser(Job[bool]):
    """Remove an account; False if there is none."""

    name: str
    by: str
    at: datetime

    async def run(self, connection: Connection) -> bool:
        """See `Job.run`."""
        done = await users.remove(connection, self.name)
        if done:
            await audit.note(
                connection, at=self.at, actor=self.by, action="user.remove", target=self.name
            )
        return done
