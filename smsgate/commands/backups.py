"""`smsgate backup` and `smsgate restore`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from smsgate import backup, lock, manifest, restoring
from smsgate.backup import Backed
from smsgate.clock import to_iso
from smsgate.commands.session import open_store, who_runs_it
from smsgate.errors import SmsgateError
from smsgate.manifest import Manifest
from smsgate.restoring import Restored
from smsgate.sealing import Sealer, Unusable
from smsgate.settings import Settings
from smsgate.vault import sealer_of


def add_backup(parser: argparse.ArgumentParser) -> None:
    """Describe the `backup` command."""
    parser.add_argument(
        "--to", metavar="FILE", required=True, type=Path, help="where to put it; must not be there"
    )
    parser.set_defaults(run=run_backup)


def add_restore(parser: argparse.ArgumentParser) -> None:
    """Describe the `restore` command."""
    parser.add_argument("file", metavar="FILE", type=Path, help="what smsgate backup wrote")
    parser.add_argument(
        "--replace", action="store_true", help="PostgreSQL: also where the database is not empty"
    )
    parser.add_argument(
        "--without-manifest",
        action="store_true",
        help="go by the file's own checks where FILE.json is missing",
    )
    parser.set_defaults(run=run_restore)


def run_backup(settings: Settings, args: argparse.Namespace) -> int:
    """Make a backup.

    Raises:
        CommandError: it cannot be made; nothing is left under the name.
    """
    os.umask(0o077)
    return asyncio.run(_backup(settings, args.to.absolute()))


async def _backup(settings: Settings, target: Path) -> int:
    with _progress() as progress:
        made = await backup.make(settings, target, progress)
    print(f"{target}: {made.size} bytes, {sum(made.rows.values())} rows, schema {made.schema}")
    print(f"as of {to_iso(made.at)}; its manifest is {manifest.beside(target)}")
    print("The key file of the credentials is not in it: keep a copy of it in another place.")
    await _note(settings, made)
    return 0


async def _note(settings: Settings, made: Manifest) -> None:
    try:
        async with open_store(settings) as store:
            await store.write(Backed(made, who_runs_it()))
    except SmsgateError as error:
        # The backup is there all the same, such as that before an upgrade.
        print(f"note: metrics will not know of it: {error}", file=sys.stderr)


@contextlib.contextmanager
def _progress() -> Iterator[backup.Progress | None]:
    """Says how far it is, where somebody looks."""
    if not sys.stderr.isatty():
        yield None
        return

    def say(share: float) -> None:
        print(f"\rcopied {share:4.0%}", end="", file=sys.stderr, flush=True)

    try:
        yield say
    finally:
        print("\r" + " " * 12 + "\r", end="", file=sys.stderr, flush=True)


def run_restore(settings: Settings, args: argparse.Namespace) -> int:
    """Restore a backup.

    Raises:
        CommandError: the file cannot be used; nothing was replaced.
        StartError: the data directory is in use, or the backup is newer than this smsgate.
    """
    os.umask(0o077)
    with lock.hold(settings.data_dir) if settings.on_sqlite else contextlib.nullcontext():
        done = asyncio.run(
            restoring.restore(
                settings,
                args.file.absolute(),
                without_manifest=args.without_manifest,
                replace=args.replace,
            )
        )
    _tell(done, sealer_of(settings))
    return 0


def _tell(done: Restored, sealer: Sealer) -> None:
    of = to_iso(done.of) if done.of is not None else "a time that is not known"
    print(f"restored, as of {of}")
    if done.before != done.after:
        print(f"schema {done.before} -> {done.after}")
    if done.aside is not None:
        print(f"what was there before is kept: {done.aside}")
    print("What came or happened after that time is not in it:")
    print("  texts that phones handed over since then are gone, unless a phone sends them again;")
    print(
        "  messages given to phones since then may be offered again: a phone ignores what it has;"
    )
    print("  messages handed to an aggregator since then look as if they still waited.")
    if done.erased:
        print(f"  erasures ({done.erased}) are undone: run smsgate erase for those numbers again.")
    if done.paused:
        print("So nothing goes to an aggregator until you have looked, and resumed its route:")
        for name in done.paused:
            print(f"  smsgate route resume {name}")
    else:
        print("Messages go to phones: no route had to be paused.")
    ring = sealer.ring(done.key_ids) if done.key_ids else None
    if isinstance(ring, Unusable):
        print(f"warning: {ring.reason}", file=sys.stderr)
