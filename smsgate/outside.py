"""What it takes to reach aggregators: given to whatever pushes, asks and tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from smsgate.aggregators.base import Aggregator, Secret
from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.clock import Clock
from smsgate.programme import Programme, Programmes
from smsgate.routing import Connect, connect
from smsgate.store.database import Store


class Secrets(Protocol):
    """Where credentials are; `smsgate.vault.Vault`."""

    async def incoming(self, aggregator: Aggregator) -> Sequence[Secret]:
        """Those an aggregator may show."""
        ...

    async def outgoing(self, aggregator: Aggregator) -> Secret | None:
        """The one to show to it."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """The way to aggregators.

    Attributes:
        store: An open store.
        programmes: Where the settings in force are.
        vault: Where credentials are.
        registry: The aggregators there are.
        clock: What time it is.
        connect: Makes the connections of a route.
    """

    store: Store
    programmes: Programmes
    vault: Secrets
    registry: AggregatorRegistry
    clock: Clock
    connect: Connect = connect

    async def programme(self, *, exact: bool = True) -> Programme:
        """The settings in force; `exact` as `Store.revisions` has it."""
        return await self.programmes.current(await self.store.revisions(exact=exact))
