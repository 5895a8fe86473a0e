"""When each phone was last heard of, kept in memory and written down at most once a minute.

A poll costs a look into a dictionary, never a write (issue 4). What one process wrote the others
read, so that any of them can tell of all phones, at most a minute late.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from smsgate.store import gateways
from smsgate.store.database import Store
from smsgate.store.gateways import KEPT_CHANGES, Sighting
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

FLUSH_EVERY: Final = timedelta(minutes=1)
# `<system agent> medic.gateway.alert[.generic]/<version>` (protocol section 1.2).
_APP: Final = re.compile(r"medic\.gateway[\w.]{0,40}/([A-Za-z0-9._+-]{1,64})")


def app_version(agent: str) -> str | None:
    """The version of cht-gateway that a `User-Agent` names, None where it is another program."""
    found = _APP.search(agent)
    return found[1] if found else None


class _Beat:
    """What is known of one phone in this process."""

    __slots__ = ("address", "agent", "at", "changes", "version", "written", "written_address")

    def __init__(self, agent: str, address: str | None, at: datetime) -> None:
        self.agent = agent
        self.version = app_version(agent)
        self.address = address
        self.at = at
        self.changes: list[datetime] = []
        self.written: datetime | None = None
        # What this process last wrote: another one in its place means another process heard the
        # same account from elsewhere.
        self.written_address: str | None = None


class Heartbeats:
    """Takes note of polls, and tells of phones."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._beats: dict[str, _Beat] = {}
        self._flushed_at: datetime | None = None

    def beat(self, account: str, *, agent: str, address: str | None, at: datetime) -> None:
        """A phone polled."""
        known = self._beats.get(account)
        if known is None:
            self._beats[account] = _Beat(agent, address, at)
            return
        if address != known.address:
            known.changes = [*known.changes[1 - KEPT_CHANGES :], at]
            known.address = address
        if agent != known.agent:
            known.agent, known.version = agent, app_version(agent)
        known.at = at

    async def flush_if_due(self, now: datetime) -> None:
        """Write down what is new, if the last time is a minute ago or the clock was set back."""
        last = self._flushed_at
        if last is None or not last <= now < last + FLUSH_EVERY:
            await self.flush(now)

    async def flush(self, now: datetime) -> None:
        """Write down what is new."""
        self._flushed_at = now
        fresh = {name: beat for name, beat in self._beats.items() if beat.at != beat.written}
        if not fresh:
            return
        written = {name: beat.at for name, beat in fresh.items()}
        heard = [Heard(_sighting(name, beat), beat.written_address) for name, beat in fresh.items()]
        for sighting in await self._store.write(WriteDown(heard)):
            beat = fresh[sighting.account]
            beat.written = written[sighting.account]
            beat.written_address = sighting.address
            beat.changes = _changes([*sighting.address_changes, *beat.changes])

    def overlay(self, known: Iterable[Sighting]) -> list[Sighting]:
        """What is written down, with what this process has heard since, by account."""
        found = {sighting.account: sighting for sighting in known}
        for name, beat in self._beats.items():
            mine = _sighting(name, beat)
            before = found.get(name)
            if before is None or before.last_poll_at <= mine.last_poll_at:
                earlier = before.address_changes if before else ()
                changes = tuple(_changes([*earlier, *mine.address_changes]))
                found[name] = replace(mine, address_changes=changes)
        return [found[name] for name in sorted(found)]


@dataclass(frozen=True, slots=True)
class Heard:
    """A sighting to be written down; `before` is the address its process wrote the last time."""

    sighting: Sighting
    before: str | None


@dataclass(frozen=True, slots=True)
class WriteDown(Job[list[Sighting]]):
    """Bring the table up to date; the result is what it says now."""

    heard: Sequence[Heard]

    async def run(self, connection: Connection) -> list[Sighting]:
        """See `Job.run`."""
        accounts = [one.sighting.account for one in self.heard]
        known = await gateways.of_accounts(connection, accounts)
        merged = [_merged(one, known.get(one.sighting.account)) for one in self.heard]
        await gateways.save(connection, merged)
        return merged


def _merged(heard: Heard, known: Sighting | None) -> Sighting:
    mine = heard.sighting
    if known is None:
        return mine
    changes = [*known.address_changes, *mine.address_changes]
    if heard.before is not None and known.address not in (heard.before, None):
        changes.append(known.last_poll_at)  # another process heard it from elsewhere meanwhile
    newest = max(mine, known, key=lambda one: one.last_poll_at)
    return replace(newest, address_changes=tuple(_changes(changes)))


def _sighting(account: str, beat: _Beat) -> Sighting:
    return Sighting(account, beat.at, beat.version, beat.address, tuple(beat.changes))


def _changes(moments: Iterable[datetime]) -> list[datetime]:
    return sorted(set(moments))[-KEPT_CHANGES:]
