"""`smsgate credential put|list|remove` and `smsgate rotate-key`, also beside a running server."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from datetime import timedelta

from smsgate import clock
from smsgate.aggregators.base import Secret
from smsgate.aggregators.registry import AggregatorRegistry, installed
from smsgate.clock import to_iso
from smsgate.commands.session import open_store, who_runs_it
from smsgate.credentials import (
    KEEP,
    LONGEST_NAME,
    PutCredential,
    RemoveCredentials,
    expected,
    listed,
    spellings,
)
from smsgate.errors import CommandError
from smsgate.rotation import rotate
from smsgate.sealing import Unusable
from smsgate.settings import Settings
from smsgate.store import documents
from smsgate.store.database import Store
from smsgate.vault import sealer_of

_LONGEST_KEEP = 24 * 366


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the `credential` command."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    put = verbs.add_parser("put", help="store a credential, asked for or from standard input")
    put.add_argument("key", help="such as africastalking.com:incoming")
    put.add_argument(
        "--stdin", action="store_true", help="read it from standard input, less one line break"
    )
    put.add_argument(
        "--keep-hours",
        type=_hours,
        default=KEEP,
        metavar="H",
        help="how long the incoming credential before it stays valid (24)",
    )
    verbs.add_parser("list", help="which there are and which are missing; never their values")
    remove = verbs.add_parser("remove", help="remove credentials")
    which = remove.add_mutually_exclusive_group(required=True)
    which.add_argument("key", nargs="?", help="the credential")
    which.add_argument("--lost", action="store_true", help="all that no key in the key file opens")
    parser.set_defaults(run=run)


def add_rotation(parser: argparse.ArgumentParser) -> None:
    """Describe the `rotate-key` command."""
    parser.add_argument(
        "--keep-file",
        action="store_true",
        help="seal with the first key of the key file and leave the file as it is",
    )
    parser.set_defaults(run=run_rotation)


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Run one verb.

    Raises:
        CommandError: it cannot be done.
    """
    return asyncio.run(_run(settings, args))


def run_rotation(settings: Settings, args: argparse.Namespace) -> int:
    """Exchange the key.

    Raises:
        CommandError: it cannot be done; every credential opens all the same.
    """
    return asyncio.run(_rotate(settings, keep_file=args.keep_file))


async def _run(settings: Settings, args: argparse.Namespace) -> int:
    async with open_store(settings) as store:
        match args.verb:
            case "put":
                return await _put(store, settings, args)
            case "remove":
                return await _remove(store, settings, args)
            case _:
                return await _list(store, settings)


async def _put(store: Store, settings: Settings, args: argparse.Namespace) -> int:
    if not args.key.isprintable() or not 0 < len(args.key) <= LONGEST_NAME:
        raise CommandError(f"a key has 1 to {LONGEST_NAME} printable characters")
    aggregators = await _aggregators(store)
    names = spellings(args.key, aggregators)
    stored = await store.write(
        PutCredential(
            names=names,
            secret=_given(from_stdin=args.stdin),
            sealer=sealer_of(settings),
            by=who_runs_it(),
            at=clock.now(),
            keep=args.keep_hours,
        )
    )
    if isinstance(stored, Unusable):
        raise CommandError(stored.reason)
    print(f"stored {names[0]}")
    if stored.former_until is not None:
        print(f"the one before it stays valid until {to_iso(stored.former_until)}")
    if names[0] not in expected(aggregators):
        print(f"note: no installed aggregator uses {names[0]}; it is kept", file=sys.stderr)
    return 0


async def _aggregators(store: Store) -> AggregatorRegistry:
    """Those that are installed and those that the settings describe."""
    async with store.read() as connection:
        document = documents.parsed(await documents.newest(connection))
    own = document.get("smsgate")
    return installed().described(own if isinstance(own, dict) else {})


async def _remove(store: Store, settings: Settings, args: argparse.Namespace) -> int:
    job = RemoveCredentials(
        by=who_runs_it(),
        at=clock.now(),
        names=() if args.lost else spellings(args.key, await _aggregators(store)),
        unless_opened_by=sealer_of(settings) if args.lost else None,
    )
    gone = await store.write(job)
    if not gone and not args.lost:
        raise CommandError(f"there is no credential {args.key}")
    for name in gone:
        print(f"removed {name}")
    return 0


async def _list(store: Store, settings: Settings) -> int:
    now = clock.now()
    async with store.read() as connection:
        known = await listed(connection, sealer_of(settings), now=now)
    lines = {}
    for one in known:
        words = [f"since {to_iso(one.since)} by {one.by}" if one.since else ""]
        if one.former_until is not None:
            words.append(f"the one before it is valid until {to_iso(one.former_until)}")
        if not one.opens:
            words.append("CANNOT BE OPENED: put the key file back, or remove it and store it again")
        lines[one.key] = "; ".join(words)
    for key in expected(await _aggregators(store)) - set(lines):
        lines[key] = "not stored"
    width = max(map(len, lines), default=0)
    for key in sorted(lines):
        print(f"{key:<{width}}  {lines[key]}")
    return 0


async def _rotate(settings: Settings, *, keep_file: bool) -> int:
    async with open_store(settings) as store:
        sealer = sealer_of(settings)
        async for done in rotate(
            store, sealer, by=who_runs_it(), at=clock.now(), keep_file=keep_file
        ):
            print(done)
    print("Copies of the database made before now need the key file as it was then.")
    return 0


def _given(*, from_stdin: bool) -> Secret:
    if from_stdin:
        try:
            # One line break is how `echo` and editors end a text; more would be part of it.
            text = _less_a_break(sys.stdin.buffer.read().decode())
        except UnicodeDecodeError:
            raise CommandError("the credential must be text in UTF-8") from None
    elif sys.stdin.isatty():
        text = getpass.getpass("credential (not shown): ")
    else:
        raise CommandError("say --stdin to read the credential from standard input")
    if not text:
        raise CommandError("the credential is empty")
    return Secret(text)


def _less_a_break(text: str) -> str:
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def _hours(text: str) -> timedelta:
    try:
        hours = float(text)
    except ValueError:
        hours = -1.0
    if not 0 <= hours <= _LONGEST_KEEP:
        raise argparse.ArgumentTypeError(f"hours are a number from 0 to {_LONGEST_KEEP}")
    return timedelta(hours=hours)
