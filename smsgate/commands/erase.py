"""`smsgate erase`: everything about one phone number, shown first and then taken out."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from smsgate import clock, erasing, lock
from smsgate.commands.session import open_store, who_runs_it
from smsgate.errors import DataDirectoryInUse
from smsgate.programme import Programmes
from smsgate.purging import Keeper
from smsgate.settings import Settings
from smsgate.spelling import Spelling, spelling
from smsgate.store import milestones, revisions
from smsgate.store.database import Store
from smsgate.store.erasing import Traces
from smsgate.store.milestones import TRUNCATED
from smsgate.store.spool import Spool

_PATIENCE_SECONDS = 20.0
_LOOK_SECONDS = 0.2
_WORDS = {
    "inbound": "texts from it",
    "records": "records of these, or filed under it",
    "outbound": "messages to it",
    "quarantine": "items of the quarantine in which it stands",
    "answers": "answers kept for repeated requests",
    "orphan_reports": "reports on messages that are not known",
    "consent": "entries of the consent list",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the `erase` command."""
    parser.add_argument("--phone", metavar="NUMBER", required=True, help="whose traces go")
    parser.add_argument("--dry-run", action="store_true", help="only show what would go")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.set_defaults(run=run)


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Show what there is about a number, and erase it once that is confirmed."""
    return asyncio.run(_run(settings, args))


async def _run(settings: Settings, args: argparse.Namespace) -> int:
    async with open_store(settings) as store:
        programmes = Programmes(store, forms_dir=settings.forms_dir, clock=clock.now)
        programme = await programmes.current(await store.revisions())
        rules = programme.reading
        number = spelling(args.phone, rules.default_country_code, rules.phone_validation)
        traces = await erasing.survey(store, number)
        _show(number, traces)
        if not any(traces.counts.values()) and not args.yes:
            return 0
        if args.dry_run or not (args.yes or _confirmed()):
            print("nothing was changed" + ("" if args.dry_run else "; add --yes to do it"))
            return 0
        done = await erasing.erase(store, number, by=who_runs_it(), at=clock.now())
        print(f"erased: {sum(done.counts.values())}")
        tidy = await _tidied(settings, store, Keeper(store, programmes, clock.now))
        await _say_what_remains(settings, store, tidy=tidy)
    if done.left:
        print("more came in meanwhile: run it again", file=sys.stderr)
        return 1
    return 0


def _show(number: Spelling, traces: Traces) -> None:
    if number.number is None:
        print("this is no phone number here: only what is stored in just this spelling is found")
    for kind, count in traces.counts.items():
        print(f"{count:>8} {_WORDS[kind]}")
    if traces.waiting:
        print(f"{traces.waiting} of these messages were not sent yet, and will not be")
    if traces.mentions:
        print(
            f"{traces.mentions} texts and records of others mention it: they are left as they are"
        )


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("This cannot be undone. Erase? Type yes: ").strip().lower() == "yes"


async def _tidied(settings: Settings, store: Store, keeper: Keeper) -> bool:
    """Whether what was erased is out of SQLite's log too; a running server sees to that itself."""
    if not store.embedded:
        return True
    try:
        with lock.hold(settings.data_dir):
            return await keeper.tidy()
    except DataDirectoryInUse:
        pass
    wanted = (await store.revisions()).get(revisions.BLANKED, 0)
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        async with store.read() as connection:
            last = await milestones.get(connection, TRUNCATED)
        if last is not None and last.details.get("blanked", 0) >= wanted:
            return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False


async def _say_what_remains(settings: Settings, store: Store, *, tidy: bool) -> None:
    if not tidy:
        print("the log of the database is still read by somebody: the server empties it later")
    if not store.embedded:
        print("PostgreSQL keeps old versions of rows until it vacuums: VACUUM FULL ends that now")
    spool = Spool(settings.data_dir / "spool.db")
    await spool.open()
    if spool.depth:
        print(f"{spool.depth} webhook calls wait in the spool and were not looked at: run it again")
    await spool.close()
    print(
        "backups, and copies that phones and aggregators keep, were made before and still have it"
    )
