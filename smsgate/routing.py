"""The ways out to aggregators, as the settings document has them: one value per route.

For now there is one: the outgoing service, whose route is called as the aggregator is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from smsgate.addresses import Network, networks
from smsgate.aggregators.base import Aggregator, Options
from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.programme import PHONES, Programme
from smsgate.rules import number
from smsgate.transport import Transport

_PARALLEL: Final = 16
_MOST_PARALLEL: Final = 256
_UNKNOWN_MINUTES: Final = 15.0
_WEEK_MINUTES: Final = 7 * 24 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One way out.

    Attributes:
        name: As in `smsgate.routes`, in the tables and in metrics.
        aggregator: Who takes the messages.
        options: What the aggregator is told.
        parallel: How many messages may be under way at a time, in each process.
        rate: SMS parts a second, over all processes; None for no limit.
        retry_unknown: Whether a message of unknown outcome is sent again.
        unknown_after: How long a report on such a message is waited for.
        allowed: Networks that are reached although they are private, and without TLS.
    """

    name: str
    aggregator: Aggregator
    options: Options
    parallel: int = _PARALLEL
    rate: float | None = None
    retry_unknown: bool = False
    unknown_after: timedelta = timedelta(minutes=_UNKNOWN_MINUTES)
    allowed: tuple[Network, ...] = ()


def route_of(programme: Programme, registry: AggregatorRegistry) -> Route | None:
    """The way out that the settings choose; None where messages are for phones, or for nobody."""
    sms = programme.document.get("sms")
    service = sms.get("outgoing_service") if isinstance(sms, dict) else None
    if not isinstance(service, str) or service == PHONES:
        return None
    aggregator = registry.described(programme.options().own).named(service)
    if aggregator is None or not aggregator.sends:
        return None
    options = programme.options(aggregator.name)
    stated = options.route
    return Route(
        name=aggregator.name,
        aggregator=aggregator,
        options=options,
        parallel=int(number(stated.get("parallel"), 1, _MOST_PARALLEL) or _PARALLEL),
        rate=number(stated.get("segments_per_second"), 0.001, 1e6),
        retry_unknown=stated.get("unknown") == "retry",
        unknown_after=timedelta(
            minutes=number(stated.get("unknown_minutes"), 0.1, _WEEK_MINUTES) or _UNKNOWN_MINUTES
        ),
        allowed=networks(stated.get("allow")),
    )


Connect = Callable[[Route], Transport]


def connect(route: Route) -> Transport:
    """The connections of a route, as its settings allow them."""
    return Transport(allowed=route.allowed, parallel=route.parallel)
