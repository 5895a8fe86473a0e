"""A real server: uvicorn on a loopback port, in the test's own event loop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn
from argon2 import PasswordHasher

from smsgate import bootstrap, log
from smsgate.accounts import AddUser
from smsgate.app import create_app
from smsgate.settings import Settings
from smsgate.store.database import Store
from smsgate.web.onepiece import OnePiece
from tests.make import Clock, basic

PASSWORD = "Tulip-Rain-42"
# One hash for all accounts of all tests, and a cheap one: it says itself what it costs, and every
# server would spend that time on its first request. `hash_password` has tests of its own.
_HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
ACCOUNTS = {
    "admin": ("admin",),
    "gateway": ("gateway",),
    "phone2": ("gateway",),
    "clerk": ("data_entry",),
    "officer": ("program_officer",),
}


@dataclass
class Running:
    """A server, a client for it, and its parts for looking into."""

    url: str
    client: httpx2.AsyncClient
    services: Any
    clock: Clock

    async def call(
        self, method: str, path: str, *, user: str | None = "admin", **rest: Any
    ) -> httpx2.Response:
        """One request, with an account's credentials unless `user` is None."""
        headers = {"Accept": "application/json", **rest.pop("headers", {})}
        if user is not None:
            headers.setdefault("Authorization", basic(user, PASSWORD))
        return await self.client.request(method, self.url + path, headers=headers, **rest)

    async def poll(
        self,
        *messages: Any,
        updates: list[Any] | None = None,
        user: str = "gateway",
    ) -> list[dict[str, str]]:
        """One poll of a phone; what it was given."""
        body = {"messages": list(messages), "updates": updates or []}
        response = await self.call("POST", "/api/sms", json=body, user=user)
        assert response.status_code == 200, response.text
        given: list[dict[str, str]] = response.json()["messages"]
        return given

    async def get(self, path: str, **rest: Any) -> Any:
        """The JSON at `path`, which must be there."""
        response = await self.call("GET", path, **rest)
        assert response.status_code == 200, response.text
        return response.json()


def quiet() -> None:
    """Let nothing be logged: what fails on purpose is noise, and captured streams get closed."""
    log.configure("CRITICAL", "json")
    logging.getLogger().handlers = [logging.NullHandler()]


async def first_accounts(store: Store, clock: Clock) -> None:
    """Settings of a new installation and the accounts above."""
    for name, roles in ACCOUNTS.items():
        await store.write(AddUser(name, _HASH, roles, "test", clock()))
    await bootstrap.prepare(store, admin_password=None, clock=clock)


@asynccontextmanager
async def running(settings: Settings, clock: Clock) -> AsyncIterator[Running]:
    """Serve until the block ends."""
    async with Store(settings.database_url) as store:
        await first_accounts(store, clock)
    app = create_app(settings, clock=clock)
    # With its protocol named: asyncio spares only such sockets the 40 ms of Nagle's algorithm.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", ws="none", http=OnePiece
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Without uvicorn's loop, which looks at its signals ten times a second: ending is immediate.
    await server.startup(sockets=[listener])
    if server.should_exit:
        listener.close()
        raise RuntimeError("the server did not start")
    try:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx2.AsyncClient(timeout=30, trust_env=False, verify=False) as client:
            yield Running(url, client, app.state.services, clock)
        while server.server_state.connections:  # noqa: ASYNC110 - a turn of the loop is all it takes
            await asyncio.sleep(0)
    finally:
        for one in server.servers:
            one.close()
        listener.close()
        await server.lifespan.shutdown()
