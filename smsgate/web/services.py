"""What a request finds in the application: put together once, in `smsgate.app`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request

from smsgate import clock
from smsgate.accounts import Accounts
from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.clock import Clock
from smsgate.figures import Figures
from smsgate.gateway import Gateway
from smsgate.heartbeat import Heartbeats
from smsgate.programme import Programmes
from smsgate.settings import Settings
from smsgate.store.database import Store
from smsgate.store.spool import Spool
from smsgate.tally import Tally
from smsgate.vault import Vault
from smsgate.web.looks import Looks
from smsgate.web.traffic import Traffic
from smsgate.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that endpoints call."""

    settings: Settings
    store: Store
    programmes: Programmes
    accounts: Accounts
    looks: Looks
    gateway: Gateway
    heartbeats: Heartbeats
    vault: Vault
    figures: Figures
    aggregators: AggregatorRegistry
    spool: Spool | None
    webhooks: Webhooks
    traffic: Traffic
    tally: Tally
    started_at: datetime
    clock: Clock = field(default=clock.now)


def services_of(request: Request) -> Services:
    """The services of the application that serves `request`."""
    services: Services = request.app.state.services
    return services
