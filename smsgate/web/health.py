"""`/healthz`, `/readyz`, `/api/info` and the front door: open to all, telling nothing private."""

from __future__ import annotations

import shutil

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from smsgate import __version__
from smsgate.errors import SmsgateError
from smsgate.web.services import Services, services_of

_LEAST_DISK_SHARE = 0.05


async def healthz(_request: Request) -> Response:
    """The process is alive. Touches nothing, so that a slow database does not get it killed."""
    return JSONResponse({"ok": True})


async def readyz(request: Request) -> Response:
    """The process can take messages in; 503 with the reasons where it cannot."""
    services = services_of(request)
    reasons = await reasons_not_ready(services)
    # Calls that are kept for the database are none of the reasons: taking them in goes on.
    kept = services.spool.depth if services.spool is not None else 0
    spooled = {"spooled": kept} if kept else {}
    if reasons:
        return JSONResponse({"ok": False, "reasons": reasons, **spooled}, 503)
    return JSONResponse({"ok": True, **spooled})


async def reasons_not_ready(services: Services) -> list[str]:
    """What stands in the way of taking messages in, in words; empty when nothing does."""
    reasons = []
    try:
        await services.store.probe()
    except SmsgateError as error:
        reasons.append(str(error))
    if services.settings.on_sqlite:
        usage = shutil.disk_usage(services.settings.data_dir)
        if usage.free < usage.total * _LEAST_DISK_SHARE:
            reasons.append("less than 5 % of the disk is free")
    return reasons


async def info(_request: Request) -> Response:
    """The version, as the CHT's clients ask for it."""
    return JSONResponse({"version": __version__})


async def front_door(_request: Request) -> Response:
    """What a person sees who opens the address in a browser."""
    return PlainTextResponse(
        "smsgate is running.\n\nPhones: enter this address with /api/sms at its end in cht-gateway."
        "\nHealth: /healthz, readiness: /readyz.\n"
    )
