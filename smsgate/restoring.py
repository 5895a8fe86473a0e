"""Bringing a backup back: everything is checked and made ready before anything is replaced.

What was there is kept aside. Nothing goes to an aggregator until a person resumes its route: what
was sent since the backup was made would otherwise be sent a second time, for the backup does not
know of it (reliability C16). Phones are safe: they ignore an id they have seen.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from smsgate import clock, gating, manifest
from smsgate.aggregators.registry import installed
from smsgate.clock import to_iso
from smsgate.errors import CommandError, NewerSchema
from smsgate.gating import Gate
from smsgate.manifest import Manifest
from smsgate.programme import Programmes
from smsgate.settings import Settings
from smsgate.store import audit, copying, credentials, dumping, milestones, routes, schema
from smsgate.store.copying import Looked, Unsound
from smsgate.store.database import Store
from smsgate.store.engine import sqlite_path
from smsgate.store.milestones import BACKUP, RESTORE
from smsgate.store.transact import Connection
from smsgate.store.writer import Job

_SIDE_FILES: Final = ("-wal", "-shm", "-journal")
_DUMP: Final = b"PGDMP"


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore came to.

    Attributes:
        of: As of when the data is; None where no manifest says so.
        before: The schema of the backup.
        after: The schema now.
        aside: Where the database that was there is kept; None where there was none.
        paused: The ways out that wait for a person.
        key_ids: The keys that its credentials are sealed with.
        erased: How many erasures made since the backup it undoes.
    """

    of: datetime | None
    before: str
    after: str
    aside: str | None
    paused: Sequence[str]
    key_ids: Sequence[str]
    erased: int = 0


async def restore(
    settings: Settings, file: Path, *, without_manifest: bool = False, replace: bool = False
) -> Restored:
    """Put the backup `file` in the place of the database that `settings` name.

    Args:
        settings: which database; on SQLite the caller holds the lock of the data directory.
        file: the backup.
        without_manifest: go by the file's own checks where it has no manifest.
        replace: on PostgreSQL, whether a database that is not empty may be replaced.

    Raises:
        CommandError: the file is no backup, is damaged, or cannot be used here; nothing changed.
        NewerSchema: a newer smsgate made it; nothing changed.
        StoreUnavailable: the database cannot be reached or written.
    """
    path = sqlite_path(settings.database_url)
    engine = "postgresql" if path is None else "sqlite"
    try:
        said = _manifest(file, engine, without_manifest=without_manifest)
        if path is None:
            return await _postgresql(settings, file, said, replace=replace)
        _check_sqlite(file, said)
        return await _sqlite(settings, path, file, said)
    except OSError as error:
        raise CommandError(f"{error.filename or file}: {error.strerror}") from error


def _manifest(file: Path, engine: str, *, without_manifest: bool) -> Manifest | None:
    if not file.is_file():
        raise CommandError(f"there is no file {file}")
    place = manifest.beside(file)
    if not place.exists():
        if without_manifest:
            return None
        raise CommandError(
            f"{place} is missing: put the manifest back beside the backup, or add"
            " --without-manifest to go by the file's own checks"
        )
    said = manifest.read(place.read_bytes())
    if said is None:
        raise CommandError(f"{place} is no manifest that this smsgate can read")
    if said.engine != engine:
        raise CommandError(
            f"{file} is a backup of {said.engine}, and this database is {engine}: restore it with"
            " --database naming one of its kind"
        )
    if manifest.digest(file) != (said.size, said.sha256):
        raise CommandError(
            f"{file} is not what was backed up: its size or checksum differs from its manifest's."
            " It was cut off or changed; use another backup"
        )
    _refuse_newer(said.schema, file)
    return said


def _refuse_newer(found: str, file: Path) -> None:
    if found not in schema.known():
        raise NewerSchema(
            f"{file} has schema {found}, this smsgate knows up to {schema.head()}: restore it with"
            " the newer smsgate that made it"
        )


def _check_sqlite(file: Path, said: Manifest | None) -> None:
    log = file.with_name(file.name + "-wal")
    if log.exists() and log.stat().st_size:
        raise CommandError(f"{log} is beside it: this is a database in use, not a backup")
    _fits(copying.look(file), file, said)


def _fits(looked: Looked | Unsound, file: Path, said: Manifest | None) -> None:
    if isinstance(looked, Unsound):
        raise CommandError(f"{file} {looked.reason}: use another backup")
    _refuse_newer(looked.schema, file)
    if said is not None and (said.schema, said.rows) != (looked.schema, looked.rows):
        raise CommandError(f"{file} does not hold what its manifest says: use another backup")


async def _sqlite(settings: Settings, path: Path, file: Path, said: Manifest | None) -> Restored:
    with _half(path) as half:
        shutil.copyfile(file, half)
        url = f"sqlite+aiosqlite:///{half}"
        before, after = await schema.migrate(url)
        arrived = await _arrive(url, settings, said)
        if not copying.fold_log(half):
            raise CommandError(f"{half} cannot be written: nothing was replaced")
        with half.open("rb") as opened:
            os.fsync(opened.fileno())
        erased = copying.erased_since(path, said.at) if said is not None else 0
        aside = _swap(path, half)
    return Restored(
        of=said.at if said is not None else None,
        before=before or "",
        after=after,
        aside=None if aside is None else str(aside),
        paused=arrived.paused,
        key_ids=arrived.key_ids,
        erased=erased,
    )


@contextmanager
def _half(path: Path) -> Iterator[Path]:
    """A file beside `path` that only we read, and that is gone in the end."""
    half = path.with_name(f".{path.name}.{os.getpid()}.restoring")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half.unlink(missing_ok=True)
    os.close(os.open(half, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield half
    finally:
        for end in ("", *_SIDE_FILES):
            half.with_name(half.name + end).unlink(missing_ok=True)


def _swap(path: Path, half: Path) -> Path | None:
    """Exchange the database for `half`; where the old one is kept.

    Whenever this is interrupted there is a whole database at `path`: a server that found none would
    begin a new one, and nobody would notice.
    """
    aside = None
    if path.exists():
        copying.fold_log(path)
        aside = _unused(path.with_name(f"{path.name}.before-{clock.now():%Y%m%d-%H%M%S}"))
        try:
            os.link(path, aside)
        except OSError:  # a file system without hard links
            shutil.copy2(path, aside)
    for end in _SIDE_FILES:
        left = path.with_name(path.name + end)
        if left.exists():
            if aside is not None and end != "-shm":
                left.replace(aside.with_name(aside.name + end))
            else:
                left.unlink()
    half.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return aside


def _unused(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


async def _postgresql(
    settings: Settings, file: Path, said: Manifest | None, *, replace: bool
) -> Restored:
    url = settings.database_url
    with file.open("rb") as opened:
        if opened.read(len(_DUMP)) != _DUMP:
            raise CommandError(f"{file} is no backup of PostgreSQL: use another one")
    fault = await dumping.read_through(url, file)
    if fault is not None:
        raise CommandError(f"{file} is damaged, {fault}: use another backup")
    if await dumping.tables(url) and not replace:
        raise CommandError(
            "the database is not empty: name an empty one with --database, or add --replace to put"
            " what is in it aside"
        )
    connected = await dumping.others(url)
    if connected:
        raise CommandError(
            f"{connected} other connections use the database: stop smsgate serve and smsgate work"
            " on every machine first"
        )
    aside = await dumping.put_aside(url, clock.now())
    try:
        await dumping.restore(url, file)
        _fits(await dumping.look(url), file, said)
        before, after = await schema.migrate(url)
        arrived = await _arrive(url, settings, said)
    except BaseException:
        await dumping.bring_back(url, aside)
        raise
    erased = 0
    if aside is not None and said is not None:
        erased = await dumping.erased_since(url, aside, said.at)
    return Restored(
        of=said.at if said is not None else None,
        before=before or "",
        after=after,
        aside=None if aside is None else f"the schema {aside} of the same database",
        paused=arrived.paused,
        key_ids=arrived.key_ids,
        erased=erased,
    )


@dataclass(frozen=True, slots=True)
class _Arrived:
    paused: Sequence[str]
    key_ids: Sequence[str]


async def _arrive(url: str, settings: Settings, said: Manifest | None) -> _Arrived:
    """Make what was restored safe to start: nothing goes out by itself."""
    async with Store(url) as store:
        programmes = Programmes(store, forms_dir=settings.forms_dir, clock=clock.now)
        programme = await programmes.current(await store.revisions())
        async with store.read() as connection:
            rows = await routes.all_of_them(connection)
            key_ids = sorted(await credentials.key_ids(connection))
        names = {one.row.name for one in gating.known(programme, installed(), rows)}
        stated: Any = programme.options().own.get("routes")
        names |= set(stated) if isinstance(stated, dict) else set()
        await store.write(Arrive(sorted(names), said.at if said is not None else None, clock.now()))
        return _Arrived(sorted(names), key_ids)


@dataclass(frozen=True, slots=True)
class Arrive(Job[None]):
    """Pause every way out, and say in the database itself that it was restored."""

    routes: Sequence[str]
    of: datetime | None
    at: datetime

    async def run(self, connection: Connection) -> None:
        """See `Job.run`."""
        of = to_iso(self.of) if self.of is not None else "an unknown time"
        reason = f"restored from a backup of {of}"
        for name in self.routes:
            gate = Gate(name, paused=True, by="smsgate restore", at=self.at, reason=reason)
            await gate.run(connection)
        details = {"of": of, "paused": list(self.routes)}
        await milestones.put(connection, RESTORE, self.at, details)
        if self.of is not None:
            await milestones.put(connection, BACKUP, self.of)
        await audit.note(
            connection, at=self.at, actor="smsgate restore", action="restore", details=details
        )
