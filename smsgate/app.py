"""The composition root: process settings in, an ASGI application out."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from smsgate import clock as clocks
from smsgate import log
from smsgate.accounts import Accounts
from smsgate.aggregators.registry import installed
from smsgate.clock import Clock
from smsgate.draining import Drain
from smsgate.errors import SmsgateError
from smsgate.figures import Figures
from smsgate.gateway import Gateway
from smsgate.heartbeat import Heartbeats
from smsgate.outside import Outside
from smsgate.programme import Programmes
from smsgate.settings import Settings
from smsgate.store.database import Store
from smsgate.store.spool import Spool
from smsgate.tally import Tally
from smsgate.vault import Vault, sealer_of
from smsgate.web.looks import Looks
from smsgate.web.middleware import Envelope, GZipOnRequest, TidyPath
from smsgate.web.problems import Problem, handle
from smsgate.web.routes import ROUTES
from smsgate.web.services import Services
from smsgate.web.sms import PhoneLane
from smsgate.web.traffic import Traffic
from smsgate.webhooks import Webhooks
from smsgate.worker import working

logger = log.get(__name__)


def create_app(settings: Settings, *, clock: Clock = clocks.now) -> Starlette:
    """The application on a migrated database (`smsgate migrate`).

    Its lifespan opens the store and checks what durability and forms rest on, so that a server
    which cannot keep its promises never opens its port.

    Args:
        settings: how this process runs.
        clock: what time it is; tests set it.
    """
    store = Store(settings.database_url)
    programmes = Programmes(store, forms_dir=settings.forms_dir, clock=clock)
    heartbeats = Heartbeats(store)
    vault = Vault(store, sealer_of(settings), clock=clock)
    tally = Tally()
    # The embedded database is never away.
    spool = None if settings.on_sqlite else Spool(settings.data_dir / "spool.db")
    services = Services(
        settings=settings,
        store=store,
        programmes=programmes,
        accounts=Accounts(store),
        looks=Looks(functools.partial(store.revisions, exact=False)),
        gateway=Gateway(store),
        heartbeats=heartbeats,
        vault=vault,
        figures=Figures(store, heartbeats, clock),
        aggregators=installed(),
        spool=spool,
        webhooks=Webhooks(store, programmes, tally, spool),
        traffic=Traffic(),
        tally=tally,
        started_at=clock(),
        clock=clock,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with store:
            await programmes.start()
            await vault.start()
            work = working(
                Outside(store, programmes, vault, services.aggregators, clock),
                tally=tally,
                heartbeats=heartbeats,
                dispatch=settings.dispatch,
                alone=settings.on_sqlite,
            )
            try:
                async with work, _drained(services):
                    yield
            finally:
                # A database that is away does not keep a server from ending.
                with contextlib.suppress(SmsgateError):
                    await heartbeats.flush(clock())
        logger.info("stopped")

    app = Starlette(
        routes=ROUTES,
        lifespan=lifespan,
        middleware=[
            Middleware(Envelope, traffic=services.traffic),
            Middleware(GZipOnRequest, minimum_size=1024),
            Middleware(TidyPath),
            Middleware(PhoneLane),
        ],
        # What none of these names is answered by `Envelope`.
        exception_handlers={Problem: handle, SmsgateError: handle, HTTPException: handle},
    )
    app.router.redirect_slashes = False
    app.state.services = services
    return app


@contextlib.asynccontextmanager
async def _drained(services: Services) -> AsyncIterator[None]:
    """Empty the spool while the block runs."""
    spool = services.spool
    if spool is None:
        yield
        return
    await spool.open()
    drain = Drain(spool, services.store, services.programmes, services.aggregators, services.tally)
    task = asyncio.create_task(drain.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await spool.close()
