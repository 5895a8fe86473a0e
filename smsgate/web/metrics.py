"""`/metrics` for Prometheus, and `/api/v1/express-metrics` as the CHT has it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate import log
from smsgate.alerts import PHONES
from smsgate.web import exposition
from smsgate.web.auth import caller, is_at_home
from smsgate.web.services import services_of
from smsgate.web.watch import machine, outgoing

logger = log.get(__name__)


async def metrics(request: Request) -> Response:
    """Everything there is to measure; from this machine, or with `can_configure`."""
    if not is_at_home(request):
        await caller(request, "can_configure")
    services = services_of(request)
    try:
        figures = await services.figures.snapshot()
        programme = await services.programmes.current(await services.store.revisions())
        goes_by = outgoing(programme, services.aggregators)
    except Exception as error:  # what the process counted itself is told all the same
        logger.error("metrics are incomplete", exc_info=error)
        figures, goes_by = None, PHONES
    families = exposition.own(
        figures,
        services.traffic,
        services.tally,
        services.store.writer,
        machine(services),
        outgoing=goes_by,
        spooled=services.spool.depth if services.spool is not None else 0,
    )
    return _text(exposition.Families(families))


async def express(request: Request) -> Response:
    """Requests and the process, under the names of the CHT's API server."""
    return _text(exposition.Families(exposition.express(services_of(request).traffic)))


async def express_json(request: Request) -> Response:
    """The same as JSON."""
    families = exposition.express(services_of(request).traffic)
    return JSONResponse(
        [
            {
                "name": family.name,
                "help": family.documentation,
                "type": family.type,
                "values": [
                    {"metricName": sample.name, "labels": sample.labels, "value": sample.value}
                    for sample in family.samples
                ],
                "aggregator": "sum",
            }
            for family in families
        ]
    )


def _text(families: exposition.Families) -> Response:
    registry = CollectorRegistry()
    registry.register(families)
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
