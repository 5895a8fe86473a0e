"""Which role reaches what (protocol 9.4), over every route there is."""

from __future__ import annotations

import httpx2
import pytest
from httpx2 import ASGITransport

from smsgate.app import create_app
from smsgate.settings import Settings
from smsgate.store.database import Store
from tests import make
from tests.make import basic
from tests.running import PASSWORD, Running, first_accounts

ALL = {"admin", "gateway", "clerk", "officer"}
# method, path, body, who may; "clerk" is data_entry, "officer" is program_officer
ROUTES: list[tuple[str, str, object, set[str]]] = [
    ("GET", "/api/sms", None, {"admin", "gateway"}),
    ("HEAD", "/api/sms", None, {"admin", "gateway"}),
    ("POST", "/api/sms", {}, {"admin", "gateway"}),
    ("GET", "/api/v1/settings", None, ALL),
    ("PUT", "/api/v1/settings", {}, {"admin", "officer"}),
    ("GET", "/api/v1/messages", None, {"admin", "officer"}),
    ("GET", "/api/v1/messages/x", None, {"admin", "officer"}),
    ("POST", "/api/v1/messages", {}, {"admin", "officer"}),
    ("GET", "/api/v1/report/x", None, {"admin", "officer", "clerk"}),
    ("GET", "/api/v1/gateways", None, {"admin", "officer"}),
    ("GET", "/api/v1/alerts", None, {"admin", "officer"}),
    ("GET", "/api/v1/quarantine", None, {"admin", "officer"}),
    ("POST", "/api/v1/quarantine/x/replay", {}, {"admin", "officer"}),
    ("POST", "/api/v1/quarantine/x/discard", {"reason": "r"}, {"admin", "officer"}),
]
OPEN = [
    *("/", "/healthz", "/readyz", "/api/info"),
    *("/api/v1/monitoring", "/api/v2/monitoring"),
    *("/api/v1/express-metrics", "/api/v1/express-metrics.json"),
]


async def test_each_role_reaches_what_it_should_and_nothing_else(embedded: Running) -> None:
    for method, path, body, allowed in ROUTES:
        reached = set()
        for user in sorted(ALL):
            response = await embedded.call(
                method,
                path,
                user=user,
                json=body,
                headers={"Content-Type": "application/json"},
            )
            assert response.status_code != 401, (method, path, user)
            if response.status_code != 403:
                reached.add(user)
        assert reached == allowed, (method, path)
        response = await embedded.call(
            method, path, user=None, json=body, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 401, (method, path)


async def test_what_is_open_needs_no_password(embedded: Running) -> None:
    for path in OPEN:
        assert (await embedded.call("GET", path, user=None)).status_code == 200, path


async def test_permissions_follow_the_settings_at_once(embedded: Running) -> None:
    async def put(document: dict[str, object]) -> None:
        response = await embedded.call("PUT", "/api/v1/settings", json=document)
        assert response.status_code == 200, response.text

    async def status(user: str, path: str = "/api/sms") -> int:
        return (await embedded.call("GET", path, user=user)).status_code

    await put({"permissions": {"can_access_gateway_api": ["data_entry"]}})
    assert (await status("gateway"), await status("clerk")) == (403, 200)
    assert await status("admin") == 200
    # A role that is not declared grants nothing, even where a permission lists it.
    await put({"permissions": {"can_view_messages": ["program_officer"]}})
    assert await status("officer", "/api/v1/messages") == 200
    roles = await embedded.get("/api/v1/settings")
    del roles["roles"]["program_officer"]
    response = await embedded.call(
        "PUT", "/api/v1/settings?replace=true", json={"roles": roles["roles"]}
    )
    assert response.status_code == 200
    assert await status("officer", "/api/v1/messages") == 403


@pytest.mark.parametrize(
    ("scheme", "client", "allow", "status"),
    [
        ("http", "127.0.0.1", False, 200),
        ("http", "127.8.9.1", False, 200),
        ("http", "::1", False, 200),
        ("http", "10.0.0.9", False, 403),
        ("http", "192.168.1.5", False, 403),
        ("http", "2001:db8::7", False, 403),
        ("https", "10.0.0.9", False, 200),
        ("http", "10.0.0.9", True, 200),
        ("http", "a-unix-socket", False, 200),
    ],
)
async def test_passwords_in_the_clear_are_refused_from_afar(
    settings: Settings, clock: make.Clock, scheme: str, client: str, allow: bool, status: int
) -> None:
    if not settings.on_sqlite:
        pytest.skip("no database has a part in it")
    settings = settings.with_flags(allow_http=allow)
    async with Store(settings.database_url) as store:
        await first_accounts(store, clock)
    app = create_app(settings, clock=clock)
    transport = ASGITransport(app, client=(client, 40_000))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, trust_env=False, verify=False) as caller,
    ):
        address = f"{scheme}://gate.example/api/sms"
        header = {"Authorization": basic("gateway", PASSWORD), "Accept": "application/json"}
        response = await caller.get(address, headers=header)
        assert response.status_code == status
        if status == 403:
            assert "HTTPS" in response.json()["message"]
        # Without a password there is nothing to protect: the usual challenge.
        assert (await caller.get(address)).status_code == 401
