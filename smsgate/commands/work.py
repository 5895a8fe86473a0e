"""`smsgate work`: what `serve` does beside answering, in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import signal

from smsgate import clock
from smsgate.aggregators.registry import installed
from smsgate.commands.session import open_store
from smsgate.errors import CommandError
from smsgate.outside import Outside
from smsgate.programme import Programmes
from smsgate.settings import Settings
from smsgate.tally import Tally
from smsgate.vault import Vault, sealer_of
from smsgate.worker import working


def run(settings: Settings, _args: argparse.Namespace) -> int:
    """Work until told to stop.

    Raises:
        CommandError: the database is SQLite, which one process serves.
        StartError: a credential cannot be opened, or a form not be read.
    """
    if settings.on_sqlite:
        raise CommandError(
            "`smsgate work` needs PostgreSQL: on SQLite `smsgate serve` does all of it"
        )
    return asyncio.run(_work(settings))


async def _work(settings: Settings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with open_store(settings) as store:
        programmes = Programmes(store, forms_dir=settings.forms_dir, clock=clock.now)
        await programmes.start()
        vault = Vault(store, sealer_of(settings), clock=clock.now)
        await vault.start()
        print("smsgate works", flush=True)
        outside = Outside(store, programmes, vault, installed(), clock.now)
        async with working(outside, tally=Tally()):
            await stop.wait()
    return 0
