"""`smsgate doctor [URL]`: is everything a server needs in order, and does URL answer a phone?"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator

from smsgate import clock
from smsgate.commands.examining import check_credentials
from smsgate.errors import SmsgateError
from smsgate.programme import Programmes
from smsgate.settings import Settings
from smsgate.simulate.endpoint import Finding, check_endpoint
from smsgate.store import schema
from smsgate.store.database import Store
from smsgate.store.engine import sqlite_path

_MARK = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}
_LEAST_DISK = 0.05
_FIRST_YEAR = 2026
# Before 3.51.3 two processes that checkpoint at once could damage the log; smsgate lets one only.
_SQLITE_FIXED = (3, 51, 3)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the `doctor` command."""
    parser.add_argument(
        "url", nargs="?", help="what a phone has: http://user:password@host/api/sms"
    )
    parser.add_argument("--user", help="the account, where URL names none")
    parser.add_argument(
        "--password-env", default="SMSGATE_PASSWORD", help="variable that holds its password"
    )
    parser.set_defaults(run=run)


def run(settings: Settings, args: argparse.Namespace) -> int:
    """Print each finding as it is made; 1 if anything failed."""
    return asyncio.run(_run(settings, args))


async def _run(settings: Settings, args: argparse.Namespace) -> int:
    failed = False
    async for finding in _findings(settings, args):
        failed = failed or finding.level == "fail"
        print(f"{_MARK[finding.level]}  {finding.text}", flush=True)
    return 1 if failed else 0


async def _findings(settings: Settings, args: argparse.Namespace) -> AsyncIterator[Finding]:
    yield _clock()
    if args.url is None or sqlite_exists(settings):
        async for finding in _database(settings):
            yield finding
        yield _disk(settings)
    if args.url is not None:
        password = os.environ.get(args.password_env)
        for finding in await check_endpoint(args.url, args.user, password):
            yield finding


def sqlite_exists(settings: Settings) -> bool:
    """Whether there is a local database to look at, or one elsewhere that was named."""
    path = sqlite_path(settings.database_url)
    return path is None or path.exists()


def _clock() -> Finding:
    if clock.now().year < _FIRST_YEAR:
        return Finding("fail", "this machine's clock is years behind: set it, or run an NTP client")
    return Finding("ok", f"this machine's clock says {clock.to_iso(clock.now())}")


def _disk(settings: Settings) -> Finding:
    place = settings.data_dir if settings.data_dir.exists() else settings.data_dir.parent
    usage = shutil.disk_usage(place)
    share = usage.free / usage.total
    text = f"{share:.0%} of the data directory's disk is free"
    if share < _LEAST_DISK:
        return Finding("fail", text + ": make room, messages are refused when it is full")
    return Finding("ok", text)


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    path = sqlite_path(settings.database_url)
    if path is not None and not path.exists():
        yield Finding(
            "warn", f"there is no database in {path.parent} yet: `smsgate serve` makes one"
        )
        return
    try:
        found = await schema.current(settings.database_url)
        if found != schema.head():
            yield Finding("fail", f"the database has schema {found}: run `smsgate migrate`")
            return
        store = Store(settings.database_url)
        promises = await store.open()
        try:
            kept = ", ".join(f"{name}={value}" for name, value in promises.items())
            yield Finding("ok", f"the database keeps its promises: {kept}")
            programmes = Programmes(store, forms_dir=settings.forms_dir, clock=clock.now)
            programme = await programmes.current(await store.revisions())
            for warning in programme.warnings:
                yield Finding("warn", warning)
            async for finding in check_credentials(store, settings, programme):
                yield finding
        finally:
            await store.close()
    except SmsgateError as error:
        yield Finding("fail", f"database: {error}")
        return
    if path is not None and sqlite3.sqlite_version_info < _SQLITE_FIXED:
        yield Finding(
            "warn",
            f"SQLite is {sqlite3.sqlite_version}; 3.51.3 and later are safer against a damaged log",
        )
