"""`smsgate user add|list|password|remove`: accounts, also beside a running server."""

from __future__ import annotations

import argparse
import asyncio
import sys

from smsgate import clock
from smsgate.accounts import NAME, AddUser, RemoveUser, SetPassword
from smsgate.commands.session import open_store, who_runs_it
from smsgate.errors import CommandError
from smsgate.passwords import generate, hash_password
from smsgate.permissions import Permissions
from smsgate.settings import Settings
from smsgate.store import documents, users
from smsgate.store.database import Store

_SHORTEST = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the `user` command."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add = verbs.add_parser("add", help="create an account; its password is printed once")
    add.add_argument("name")
    add.add_argument(
        "--role", action="append", required=True, help="admin, gateway, data_entry, …; repeatable"
    )
    password = verbs.add_parser("password", help="give an account a new password")
    password.add_argument("name")
    for verb in (add, password):
        verb.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input"
        )
    verbs.add_parser("list", help="every account and its roles")
    verbs.add_parser("remove", help="remove an account").add_argument("name")
    parser.set_defaults(run=run)


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Run one verb.

    Raises:
        CommandError: the account is not there, or there already.
    """
    return asyncio.run(_run(settings, args))


async def _run(settings: Settings, args: argparse.Namespace) -> int:
    async with open_store(settings) as store:
        match args.verb:
            case "add":
                return await _add(store, args)
            case "password":
                return await _password(store, args)
            case "remove":
                return await _remove(store, args)
            case _:
                return await _list(store)


async def _add(store: Store, args: argparse.Namespace) -> int:
    if not NAME.match(args.name):
        raise CommandError("a name has lower-case letters, digits and . _ + - only")
    async with store.read() as connection:
        newest = await documents.newest(connection)
    permissions = Permissions.from_settings(documents.parsed(newest))
    for role in args.role:
        if not permissions.knows_role(role):
            known = ", ".join(["admin", *sorted(permissions.declared)])
            raise CommandError(f"there is no role {role!r}; there are {known}")
    password, made = _choose(from_stdin=args.password_stdin)
    job = AddUser(args.name, hash_password(password), tuple(args.role), who_runs_it(), clock.now())
    if not await store.write(job):
        raise CommandError(f"there is an account {args.name!r} already")
    _say(f"added {args.name}", password, made=made)
    return 0


async def _password(store: Store, args: argparse.Namespace) -> int:
    password, made = _choose(from_stdin=args.password_stdin)
    job = SetPassword(args.name, hash_password(password), who_runs_it(), clock.now())
    if not await store.write(job):
        raise CommandError(f"there is no account {args.name!r}")
    _say(f"changed the password of {args.name}", password, made=made)
    return 0


async def _remove(store: Store, args: argparse.Namespace) -> int:
    if not await store.write(RemoveUser(args.name, who_runs_it(), clock.now())):
        raise CommandError(f"there is no account {args.name!r}")
    print(f"removed {args.name}")
    return 0


async def _list(store: Store) -> int:
    async with store.read() as connection:
        rows = await users.all_of_them(connection)
    width = max((len(row["name"]) for row in rows), default=0)
    for row in rows:
        print(f"{row['name']:<{width}}  {', '.join(row['roles'])}")
    return 0


def _choose(*, from_stdin: bool) -> tuple[str, bool]:
    if not from_stdin:
        return generate(), True
    password = sys.stdin.readline().removesuffix("\n")
    if len(password) < _SHORTEST:
        raise CommandError(f"a password has at least {_SHORTEST} characters")
    return password, False


def _say(done: str, password: str, *, made: bool) -> None:
    print(done)
    if made:
        print(f"password, shown this once: {password}")
