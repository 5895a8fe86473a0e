"""`smsgate message list|retry|cancel`: looking at the queue and steering it from a terminal."""

from __future__ import annotations

import argparse
import asyncio
from datetime import datetime

from smsgate import clock, phone, steering
from smsgate.clock import from_iso, to_iso
from smsgate.commands.session import open_store
from smsgate.errors import CommandError
from smsgate.message import State
from smsgate.outbox import attempt_of
from smsgate.programme import Programme, Programmes
from smsgate.settings import Settings
from smsgate.states import Order
from smsgate.steering import Steer, Terms
from smsgate.store import steering as finding
from smsgate.store.database import Store
from smsgate.store.steering import Filter

_EVERYTHING = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the `message` command."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="show messages, newest first")
    listing.add_argument("--limit", type=int, default=50, help="how many at most (50)")
    _filters(listing)
    for order, text in (
        (Order.RETRY, "open a new attempt for messages that failed or ended unsent"),
        (Order.CANCEL, "do not send messages that wait"),
    ):
        leaf = verbs.add_parser(order, help=text)
        leaf.add_argument("id", nargs="*", metavar="ID", help="messages by id, instead of a filter")
        leaf.add_argument("--yes", action="store_true", help="do it; without, only count")
        _filters(leaf)
    parser.set_defaults(run=run)


def _filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state", action="append", default=[], choices=list(State), help="repeat it for more"
    )
    parser.add_argument("--to", metavar="NUMBER", help="the recipient")
    parser.add_argument("--gateway", metavar="ACCOUNT", help="the phone that has it")
    parser.add_argument("--since", type=_time, metavar="TIME", help="made at this time or later")
    parser.add_argument("--until", type=_time, metavar="TIME", help="made before this time")


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Run one verb.

    Raises:
        CommandError: neither ids nor a filter name what is meant.
    """
    return asyncio.run(_run(settings, args))


async def _run(settings: Settings, args: argparse.Namespace) -> int:
    async with open_store(settings) as store:
        programmes = Programmes(store, forms_dir=settings.forms_dir, clock=clock.now)
        programme = await programmes.current(await store.revisions())
        wanted = _wanted(args, programme)
        if args.verb == "list":
            return await _list(store, wanted, args.limit)
        order = Order(args.verb)
        terms = Terms.of(programme)
        if args.id:
            return await _named(store, order, args.id, terms)
        if wanted == Filter():
            raise CommandError("name messages by id, or by a filter such as --state failed")
        return await _bulk(store, order, wanted, terms, act=args.yes)


def _wanted(args: argparse.Namespace, programme: Programme) -> Filter:
    rules = programme.reading
    to = args.to
    if to is not None:
        to = phone.e164(to, rules.default_country_code, rules.phone_validation) or to
    return Filter(
        states=tuple(args.state), to=to, gateway=args.gateway, since=args.since, until=args.until
    )


async def _list(store: Store, wanted: Filter, limit: int) -> int:
    async with store.read() as connection:
        rows = await finding.rows(connection, wanted, limit=limit)
    for row in rows:
        print(
            f"{row['id']}  {row['state']:<20} {row['recipient'] or '':<16}"
            f" due {to_iso(row['due_at'])}  {row['details'] or ''}".rstrip()
        )
    print(f"{len(rows)} shown" + (", there may be more: see --limit" if len(rows) == limit else ""))
    return 0


async def _named(store: Store, order: Order, names: list[str], terms: Terms) -> int:
    ids = list(dict.fromkeys(attempt_of(name)[0] for name in names))
    refused: dict[str, str] = {}
    moved = 0
    for start in range(0, len(ids), steering.MOST_AT_ONCE):
        obeyed = await store.write(
            Steer(
                order=order,
                ids=ids[start : start + steering.MOST_AT_ONCE],
                by="cli",
                at=clock.now(),
                terms=terms,
            )
        )
        moved += len(obeyed.moved)
        refused.update(obeyed.refused)
    print(f"{order}: {moved} done")
    for id_, reason in refused.items():
        print(f"  {id_} left as it is: {reason}")
    return 1 if refused else 0


async def _bulk(store: Store, order: Order, wanted: Filter, terms: Terms, *, act: bool) -> int:
    found = await steering.survey(store, order, wanted)
    for state, number in found.states.items():
        print(f"{number:>8} {state}")
    print(f"{order}: {found.would_move} of {sum(found.states.values())} can be done")
    if not act:
        print("nothing was changed; add --yes to do it")
        return 0
    done = await steering.steer_all(
        store, order, wanted, by="cli", at=clock.now(), terms=terms, most=_EVERYTHING
    )
    print(f"{order}: {done.moved} done")
    for reason, number in done.refused.items():
        print(f"  {number} left as they are: {reason}")
    return 0


def _time(text: str) -> datetime:
    moment = from_iso(text)
    if moment is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as {to_iso(clock.now())}")
    return moment
