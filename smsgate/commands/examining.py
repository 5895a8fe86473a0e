"""What `smsgate doctor` says of credentials: are they there, do they open, can they be used?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from smsgate import clock
from smsgate.aggregators.base import Aggregator, Push, Secret, Unready
from smsgate.aggregators.registry import installed
from smsgate.credentials import listed
from smsgate.errors import SecretUnreadable
from smsgate.programme import Programme
from smsgate.routing import Route, route_of
from smsgate.sealing import Unusable
from smsgate.settings import Settings
from smsgate.simulate.endpoint import Finding
from smsgate.store import credentials
from smsgate.store.database import Store
from smsgate.vault import Vault, sealer_of

# Never sent: what an aggregator would ask for it says whether it could send anything.
_PROBE = Push("doctor", "+254711000001", "test")


async def check_credentials(
    store: Store, settings: Settings, programme: Programme
) -> AsyncIterator[Finding]:
    """Look at the stored credentials, and at those the outgoing service needs. Makes no key."""
    sealer = sealer_of(settings)
    async with store.read() as connection:
        needed = await credentials.key_ids(connection)
        known = await listed(connection, sealer, now=clock.now())
    problem = sealer.ring(needed) if needed else None
    if isinstance(problem, Unusable):
        yield Finding("fail", problem.reason)
        return
    for one in known:
        if not one.opens:
            yield Finding("fail", f"the credential {one.key} is damaged: store it again")
    registry = installed().described(programme.options().own)
    vault = Vault(store, sealer)
    for aggregator in registry.aggregators:
        async for finding in _broken_off(vault, aggregator):
            yield finding
    route = route_of(programme, registry)
    if route is not None:
        async for finding in _service(vault, route):
            yield finding
    elif not programme.offers_to_phones:
        there = ", ".join(one.name for one in registry.aggregators if one.sends)
        yield Finding(
            "fail",
            "nothing is sent: sms.outgoing_service names neither medic-gateway nor one of these:"
            f" {there}",
        )


async def _broken_off(vault: Vault, aggregator: Aggregator) -> AsyncIterator[Finding]:
    """Credentials that somebody stored with a line break they hardly meant."""
    for use, secrets in (
        ("incoming", await _incoming(vault, aggregator)),
        ("outgoing", [await _outgoing(vault, aggregator)]),
    ):
        if any(secret is not None and secret != secret.strip() for secret in secrets):
            yield Finding(
                "warn",
                f"the credential {aggregator.credential_prefixes[0]}:{use} begins or ends with a"
                " space or a line break: if that is not meant, store it again without",
            )


async def _service(vault: Vault, route: Route) -> AsyncIterator[Finding]:
    aggregator = route.aggregator
    incoming = await _incoming(vault, aggregator)
    options = replace(route.options, incoming=incoming[0] if incoming else None)
    asked = aggregator.compose(_PROBE, await _outgoing(vault, aggregator), options)
    if isinstance(asked, Unready):
        yield Finding("fail", f"nothing can be sent through {route.name}: {asked.reason}")
    else:
        yield Finding("ok", f"messages can be sent through {route.name}")
    if aggregator.endpoints and not incoming:
        prefix = aggregator.credential_prefixes[0] if aggregator.credential_prefixes else route.name
        yield Finding(
            "warn",
            f"calls of {route.name} are refused: store the credential {prefix}:incoming",
        )


async def _incoming(vault: Vault, aggregator: Aggregator) -> Sequence[Secret]:
    try:
        return await vault.incoming(aggregator)
    except SecretUnreadable:  # told above
        return ()


async def _outgoing(vault: Vault, aggregator: Aggregator) -> Secret | None:
    try:
        return await vault.outgoing(aggregator)
    except SecretUnreadable:  # likewise
        return None
