"""`/api/v1/monitoring`, `/api/v2/monitoring`: open to all, and 200 whatever fails behind them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate import log, monitoring
from smsgate.errors import SmsgateError
from smsgate.figures import Review
from smsgate.monitoring import CONNECTED_DAYS, Sources
from smsgate.web.services import Services, services_of

T = TypeVar("T")

_LONGEST_DAYS = 36_500

logger = log.get(__name__)


async def v1(request: Request) -> Response:
    """The figures as the CHT had them first."""
    services = services_of(request)
    return JSONResponse(monitoring.v1(await _sources(services), connected_days=_days(request)))


async def v2(request: Request) -> Response:
    """The figures as CHT Watchdog reads them."""
    services = services_of(request)
    return JSONResponse(monitoring.v2(await _sources(services), connected_days=_days(request)))


async def _sources(services: Services) -> Sources:
    return Sources(
        at=services.clock(),
        started_at=services.started_at,
        figures=await _or_none(services.figures.snapshot()),
        review=await _or_none(_review(services)),
    )


async def _review(services: Services) -> Review:
    programme = await services.programmes.current(await services.store.revisions())
    midnight = monitoring.midnight_a_week_ago(services.clock(), programme.reading.timezone)
    return await services.figures.review(midnight)


async def _or_none(probe: Awaitable[T]) -> T | None:
    try:
        return await probe
    except SmsgateError as error:
        logger.warning("monitoring is incomplete", reason=str(error))
    except Exception as error:  # an error status would say that the whole instance is down
        logger.error("monitoring is incomplete", exc_info=error)
    return None


def _days(request: Request) -> float:
    text = request.query_params.get("connected_user_interval", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return CONNECTED_DAYS
    return min(int(text), _LONGEST_DAYS) or CONNECTED_DAYS
