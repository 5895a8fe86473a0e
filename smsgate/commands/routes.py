"""`smsgate route list|pause|resume`: the ways out to aggregators, from a terminal."""

from __future__ import annotations

import argparse
import asyncio

from smsgate import clock, gating
from smsgate.aggregators.registry import installed
from smsgate.clock import to_iso
from smsgate.commands.session import open_store, who_runs_it
from smsgate.errors import CommandError
from smsgate.gating import LONGEST_REASON, Gate, Shown
from smsgate.programme import Programmes
from smsgate.settings import Settings
from smsgate.store import routes
from smsgate.store.database import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the `route` command."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="every way out, and whether it is open")
    pause = verbs.add_parser("pause", help="let nothing through until it is resumed")
    pause.add_argument("--reason", default=None, help="shown meanwhile")
    resume = verbs.add_parser("resume", help="let messages through again")
    for verb in (pause, resume):
        verb.add_argument("name", metavar="ROUTE")
    parser.set_defaults(run=run)


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Run one verb.

    Raises:
        CommandError: there is no such route.
    """
    return asyncio.run(_run(settings, args))


async def _run(settings: Settings, args: argparse.Namespace) -> int:
    async with open_store(settings) as store:
        shown = await _known(store, settings)
        if args.verb == "list":
            for one in shown:
                print(_line(one))
            if not shown:
                print("messages are for phones: there is no route")
            return 0
        names = [one.row.name for one in shown]
        if args.name not in names:
            there_are = ", ".join(names) or "none"
            raise CommandError(f"there is no route {args.name!r}; there are: {there_are}")
        paused = args.verb == "pause"
        reason = args.reason[:LONGEST_REASON] if paused and args.reason else None
        await store.write(Gate(args.name, paused, who_runs_it(), clock.now(), reason))
        print(f"{args.name}: {'paused' if paused else 'open'}")
        return 0


async def _known(store: Store, settings: Settings) -> list[Shown]:
    programmes = Programmes(store, forms_dir=settings.forms_dir, clock=clock.now)
    programme = await programmes.current(await store.revisions())
    async with store.read() as connection:
        rows = await routes.all_of_them(connection)
    return gating.known(programme, installed(), rows)


def _line(one: Shown) -> str:
    row = one.row
    words = [row.name, "in use" if one.in_use else "not in use"]
    if row.paused_at is None:
        return "  ".join([*words, "open"])
    words.append(f"paused since {to_iso(row.paused_at)} by {row.paused_by}")
    if row.paused_until is not None:
        words.append(f"tries again at {to_iso(row.paused_until)}")
    return "  ".join([*words, row.reason or ""]).rstrip()
