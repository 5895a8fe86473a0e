"""`/api/v1/sms/<aggregator>/<endpoint>`: where aggregators call.

Who calls is known before the body is looked at. What was taken in is answered 200 with a body,
never with a redirect: their senders do not follow one, and do not repeat themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from smsgate import hearing, log
from smsgate.aggregators import reading
from smsgate.aggregators.base import (
    Acknowledgement,
    Aggregator,
    BadCall,
    Call,
    Denied,
    Options,
    Secret,
    Taken,
)
from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.errors import StoreUnavailable
from smsgate.web import body
from smsgate.web.problems import Problem
from smsgate.web.services import services_of

LIMIT: Final = 64 * body.KIB

logger = log.get(__name__)


async def take(request: Request) -> Response:
    """Take in what an aggregator says."""
    services = services_of(request)
    programme = await services.webhooks.programme()
    options = programme.options()
    registry = services.aggregators.described(options.own)
    aggregator = _aggregator(registry, request.path_params["aggregator"])
    endpoint = request.path_params["endpoint"]
    if endpoint not in aggregator.endpoints:
        there = ", ".join(aggregator.endpoints)
        raise Problem(404, f"{aggregator.name} has no such endpoint; there are: {there}")
    secrets = await services.vault.incoming(aggregator)
    call = Call(
        endpoint=endpoint,
        method=request.method,
        url=_url(request, options),
        headers={name.lower(): value for name, value in request.headers.items()},
        query=reading.pairs(request.scope["query_string"]),
        body=b"",
        at=services.clock(),
    )
    if aggregator.signs_body:
        call = replace(call, body=await body.read(request, LIMIT))
    denied = _denied(aggregator, call, secrets, options)
    if denied is not None and not services.vault.up_to_date:
        # The credential may have been stored a moment before the database went away.
        raise StoreUnavailable("the credentials cannot be read")
    if denied is not None:
        services.tally.auth_failures["webhook"] += 1
        raise Problem(denied.status, denied.message)
    if not aggregator.signs_body:
        call = replace(call, body=await body.read(request, LIMIT))
    heard = hearing.heard_in(aggregator, call, options)
    if isinstance(heard, BadCall):
        raise Problem(heard.status, heard.message)
    taken = await services.webhooks.take_in(
        aggregator, call, heard, programme=programme, secrets=secrets
    )
    return _answer(aggregator, call, taken, options)


def _aggregator(registry: AggregatorRegistry, name: str) -> Aggregator:
    found = registry.named(name)
    if found is None or not found.endpoints:
        there = ", ".join(one.name for one in registry.aggregators if one.endpoints)
        raise Problem(404, f"No such aggregator; there are: {there}")
    return found


def _url(request: Request, options: Options) -> str:
    """The whole address as its caller wrote it, for those that sign it."""
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    query: bytes = request.scope["query_string"]
    base = options.callback_url or f"{request.url.scheme}://{request.url.netloc}"
    address = base + raw_path.decode("latin-1")
    return f"{address}?{query.decode('latin-1')}" if query else address


def _denied(
    aggregator: Aggregator, call: Call, secrets: Sequence[Secret], options: Options
) -> Denied | None:
    try:
        return aggregator.verify(call, secrets, options)
    except Exception as error:  # a plugin's fault opens no door
        logger.error("call refused", stage="verify", source=aggregator.name, exc_info=error)
        return Denied("Incorrect token")


def _answer(aggregator: Aggregator, call: Call, taken: Taken, options: Options) -> Response:
    try:
        said = aggregator.acknowledge(call, taken, options)
    except Exception as error:  # it is on disk: whatever the words, the answer is yes
        logger.error("call answered plainly", source=aggregator.name, exc_info=error)
        said = Acknowledgement.json({"saved": taken.saved})
    if isinstance(said, BadCall):
        raise Problem(said.status, said.message)
    if 300 <= said.status < 400 or not said.body:
        said = Acknowledgement.json({"saved": taken.saved})
    return Response(said.body, said.status, {"Content-Type": said.content_type})
