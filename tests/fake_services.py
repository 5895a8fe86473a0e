"""Fakes of aggregators' services on a loopback port, in the test's own event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from smsgate.fakes.africastalking import AfricasTalking
from smsgate.fakes.callbacks import Callbacks
from smsgate.fakes.rapidpro import RapidPro
from smsgate.fakes.service import Service
from smsgate.fakes.serving import serving

AnyService = TypeVar("AnyService", bound=Service)


@dataclass
class Served(Generic[AnyService]):
    """A fake, where it is served, and what posts its callbacks."""

    service: AnyService
    url: str
    callbacks: Callbacks


@asynccontextmanager
async def served(
    service: AnyService, *, port: int = 0, **posting: Any
) -> AsyncIterator[Served[AnyService]]:
    """Serve this fake; `posting` is what `Callbacks` takes."""
    async with (
        Callbacks(told=lambda _post, _heard: service.happened(), **posting) as callbacks,
        serving(service, port=port) as url,
    ):
        yield Served(service, url, callbacks)


@asynccontextmanager
async def africastalking(
    *, reports_url: str = "", port: int = 0, posting: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Served[AfricasTalking]]:
    """Africa's Talking; reports by itself where `reports_url` is given (or set later)."""
    service = AfricasTalking(**options)
    async with served(service, port=port, **(posting or {})) as running:
        service.callbacks = running.callbacks
        service.reports_url = reports_url
        yield running


@asynccontextmanager
async def rapidpro(
    *, port: int = 0, posting: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Served[RapidPro]]:
    """RapidPro, with a new token, walk or version through `options`."""
    service = RapidPro(**options)
    async with served(service, port=port, **(posting or {})) as running:
        service.callbacks = running.callbacks
        yield running
