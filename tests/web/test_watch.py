"""Phones, alerts, monitoring and metrics over HTTP."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

import httpx2
import pytest
from httpx2 import ASGITransport
from prometheus_client.parser import text_string_to_metric_families

from smsgate.app import create_app
from smsgate.settings import Settings
from smsgate.store import gateways
from smsgate.store.database import Store
from tests import make
from tests.make import basic
from tests.running import PASSWORD, Running, first_accounts, running

AGENT = "Dalvik/2.1.0 (Linux; U; Android 9) medic.gateway.alert.generic/1.8.0"


async def send(server: Running, count: int = 1, **item: Any) -> list[dict[str, Any]]:
    body = [{"to": make.SENDER, "content": f"Hello {n}", **item} for n in range(count)]
    response = await server.call("POST", "/api/v1/messages", json=body)
    assert response.status_code == 201, response.text
    made: list[dict[str, Any]] = response.json()
    return made


async def poll(server: Running, user: str = "gateway", **body: Any) -> list[dict[str, str]]:
    response = await server.call(
        "POST", "/api/sms", user=user, json=body, headers={"User-Agent": AGENT}
    )
    assert response.status_code == 200
    given: list[dict[str, str]] = response.json()["messages"]
    return given


async def test_a_gateway_and_what_waits_for_it(server: Running) -> None:
    await send(server, 25)
    given = await poll(server)
    await send(server, 3)
    await send(server, 2, gateway="gateway")
    await poll(server, updates=[{"id": one["id"], "status": "FAILED"} for one in given[:4]])
    await send(server, 3)
    await send(server, 2, gateway="gateway")
    server.clock.move(seconds=6)
    found = await server.get("/api/v1/gateways")
    known = {one["account"]: one for one in found["data"]}
    assert set(known) == {"gateway", "phone2"}  # an administrator is no phone
    mine = known["gateway"]
    assert mine["last_poll"] == "2026-03-09T12:00:00.000Z"
    assert (mine["app_version"], mine["address"]) == ("1.8.0", "127.0.0.1")
    held = 25 - 4 + 5
    assert mine["held"] == held
    assert mine["waiting"] == 5
    assert mine["waiting_for_it_alone"] == {"count": 2, "since": "2026-03-09T12:00:00.000Z"}
    assert mine["last_hour"] == {"finished": 4, "failed": 4, "failure_ratio": 1.0}
    assert known["phone2"]["last_poll"] is None
    assert known["phone2"]["waiting"] == 3
    assert found["waiting"] == {"count": 5, "since": "2026-03-09T12:00:00.000Z"}


async def test_an_idle_poll_writes_nothing_and_the_end_writes_it_down(
    settings: Settings, clock: make.Clock
) -> None:
    async with running(settings, clock) as server:
        await poll(server)
        await server.services.heartbeats.flush(clock())
        before = server.services.store.writer.commits.total
        for _ in range(5):
            clock.move(seconds=5)
            assert await poll(server) == []
        assert server.services.store.writer.commits.total == before
    async with Store(settings.database_url) as store, store.read() as connection:
        (found,) = await gateways.all_of_them(connection)
    assert (found.account, found.last_poll_at) == ("gateway", clock())
    async with running(settings, clock) as again:
        shown = await again.get("/api/v1/gateways")
        assert shown["data"][0]["last_poll"] == "2026-03-09T12:00:25.000Z"


async def test_alerts_begin_and_end(embedded: Running) -> None:
    assert (await embedded.get("/api/v1/alerts"))["data"] == []
    await poll(embedded)
    await send(embedded)
    embedded.clock.move(minutes=31)
    alerts = (await embedded.get("/api/v1/alerts"))["data"]
    assert [(one["name"], one["severity"], one["subject"]) for one in alerts] == [
        ("PhoneNotPolling", "page", "gateway"),
        ("OutboundQueueOld", "warn", "phones"),
    ]
    assert alerts[0]["since"] == alerts[1]["since"] == "2026-03-09T12:00:00.000Z"
    await poll(embedded)
    embedded.clock.move(seconds=6)
    assert (await embedded.get("/api/v1/alerts"))["data"] == []
    document = {"smsgate": {"alerts": {"phone_warn_minutes": 0.05}}, "forms": {"X": 3}}
    await embedded.call("PUT", "/api/v1/settings", json=document)
    names = [one["name"] for one in (await embedded.get("/api/v1/alerts"))["data"]]
    assert set(names) == {"PhoneNotPolling", "SettingsWarning"}


async def test_two_addresses_on_one_account(settings: Settings, clock: make.Clock) -> None:
    if not settings.on_sqlite:
        pytest.skip("tests/store/test_heartbeat.py has both engines")
    settings = settings.with_flags(allow_http=True)
    async with Store(settings.database_url) as store:
        await first_accounts(store, clock)
    app = create_app(settings, clock=clock)
    header = {"Authorization": basic("gateway", PASSWORD), "User-Agent": AGENT}
    transport = ASGITransport(app, client=("10.0.0.7", 40_000))
    async with app.router.lifespan_context(app):
        for turn in range(6):
            clock.move(seconds=30)
            transport = ASGITransport(app, client=(f"10.0.0.{7 + turn % 2}", 40_000))
            async with httpx2.AsyncClient(transport=transport, base_url="http://g") as caller:
                response = await caller.post("/api/sms", json={}, headers=header)
                assert response.status_code == 200
        async with httpx2.AsyncClient(transport=transport, base_url="http://g") as caller:
            admin = {"Authorization": basic("admin", PASSWORD), "Accept": "application/json"}
            alerts = (await caller.get("/api/v1/alerts", headers=admin)).json()["data"]
            # From another host, /metrics wants an account that may configure.
            statuses = [
                (await caller.get("/metrics", headers=one)).status_code
                for one in ({}, header, admin)
            ]
    assert [(one["name"], one["subject"]) for one in alerts] == [("AccountShared", "gateway")]
    assert statuses == [401, 403, 200]


async def test_the_arithmetic_of_the_cht(server: Running) -> None:
    due = await send(server, 8)
    await poll(server)
    said = ["SENT", "SENT", "DELIVERED", "FAILED", "FAILED", "UNSENT", "PENDING"]
    await poll(
        server,
        updates=[{"id": m["id"], "status": s} for m, s in zip(due, said, strict=False)],
    )
    await send(server, 2, to="+254700000000", due="2026-03-12T12:00:00Z")
    server.clock.move(seconds=6)
    v1 = (await server.get("/api/v1/monitoring", user=None))["messaging"]["outgoing"]["state"]
    assert v1 == {"due": 8, "scheduled": 2, "muted": 0, "failed": 2, "delivered": 3}
    v2 = await server.get("/api/v2/monitoring", user=None)
    outgoing = v2["messaging"]["outgoing"]
    assert outgoing["total"] == v1
    assert outgoing["seven_days"] == {**v1, "scheduled": 0}
    assert outgoing["last_hundred"] == {
        "pending": {
            "pending": 0,
            "forwarded-to-gateway": 1,
            "received-by-gateway": 1,
            "forwarded-by-gateway": 1,
        },
        "final": {"sent": 2, "delivered": 1, "failed": 2},
        "muted": {"denied": 0, "cleared": 0, "muted": 0, "duplicate": 0},
    }
    assert v2["smsgate"]["outgoing"]["by_state"]["sent"] == 2
    assert v2["connected_users"]["count"] == 1
    assert v2["couchdb"]["medic"]["doc_count"] == 0
    assert v2["couchdb"]["sentinel"]["doc_count"] == -1
    assert v2["date"] == {"current": 1773057606000, "uptime": 6.0}


async def test_monitoring_answers_whatever_fails(embedded: Running) -> None:
    path = embedded.services.settings.data_dir / "smsgate.db"
    with contextlib.closing(sqlite3.connect(path)) as beside:
        beside.execute("ALTER TABLE orphan_reports RENAME TO elsewhere")
    found = await embedded.get("/api/v2/monitoring", user=None)
    assert set(found["messaging"]["outgoing"]["total"].values()) == {-1}
    assert found["smsgate"]["quarantine"]["count"] == -1
    assert found["connected_users"]["count"] == -1
    assert set(found["messaging"]["outgoing"]["seven_days"].values()) == {0}
    assert found["version"]["app"]
    with contextlib.closing(sqlite3.connect(path)) as beside:
        beside.execute("ALTER TABLE outbound_messages RENAME TO elsewhere_too")
    embedded.clock.move(minutes=1)
    found = await embedded.get("/api/v2/monitoring", user=None)
    assert found["messaging"]["outgoing"]["last_hundred"]["final"]["sent"] == -1
    assert found["version"]["database"] == ""
    text = (await embedded.call("GET", "/metrics", user=None)).text
    assert "smsgate_http_requests_total" in text
    assert "smsgate_outbound_messages" not in text


@pytest.mark.parametrize("days", ["0", "-1", "x", "99999999", "٣", "1e9"])
async def test_an_odd_interval_is_no_error(embedded: Running, days: str) -> None:
    await embedded.get("/api/v1/monitoring", user=None, params={"connected_user_interval": days})


async def test_metrics_are_counted_and_tell_nothing_private(server: Running) -> None:
    item = make.sms("1!ANC!CANARY-PHI#23#2015")
    await server.poll(item)
    await server.poll(item)
    await server.poll({"id": "x"})
    record = {"message": "hello", "from": make.SENDER, "gateway_ref": "r1"}
    for _ in range(2):
        await server.call("POST", "/api/v2/records", data=record)
    await server.call("GET", "/api/v1/messages/secret-id", user=None)
    await server.call("GET", "/nowhere/secret-id", user=None)
    server.clock.move(seconds=6)
    text = (await server.call("GET", "/metrics", user=None)).text
    values = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    counted = "smsgate_inbound_messages_total", "cht-gateway"
    assert values[*counted, "stored"] == 1
    assert values["smsgate_inbound_messages_total", "records", "stored"] == 1
    assert values["smsgate_inbound_messages_total", "duplicate", "records"] == 1
    assert values[*counted, "duplicate"] == 1
    assert values["smsgate_inbound_messages_total", "cht-gateway", "quarantined"] == 1
    assert values["smsgate_quarantine_items",] == 1
    assert values["smsgate_auth_failures_total", "no_credentials"] == 1
    assert values["smsgate_http_requests_total", "/api/sms", "200", "POST"] == 3
    assert values["smsgate_http_requests_total", "/api/v1/messages/{id}", "401", "GET"] == 1
    assert values["smsgate_http_requests_total", "(none)", "404", "GET"] == 1
    assert values["smsgate_http_inflight",] == 1  # this one
    assert values["smsgate_phone_last_poll_timestamp_seconds", "gateway"] == 1773057600
    assert values["smsgate_db_commit_seconds_count",] >= 3
    for secret in ("CANARY", "secret-id", item["from"], item["id"], PASSWORD):
        assert secret not in text
    through_a_proxy = {"X-Forwarded-For": "203.0.113.9"}
    refused = await server.call("GET", "/metrics", user=None, headers=through_a_proxy)
    assert refused.status_code == 401


async def test_what_happens_to_messages_is_counted_once_it_is_stored(server: Running) -> None:
    await send(server, 3)
    one, two, three = await poll(server)
    await poll(
        server,
        updates=[
            {"id": one["id"], "status": "DELIVERED"},
            {"id": one["id"], "status": "SENT"},
            {"id": two["id"], "status": "FAILED", "reason": "NO_SERVICE"},
            {"id": two["id"], "status": "FAILED", "reason": "NO_SERVICE"},
            {"id": three["id"], "status": "EATEN"},
            {"id": "nobody-knows", "status": "SENT"},
        ],
    )
    await server.call("POST", f"/api/v1/messages/{two['id']}/retry")
    await poll(server, updates=[{"id": two["id"], "status": "FAILED", "reason": "RADIO_OFF"}])
    text = (await server.call("GET", "/metrics", user=None)).text
    moves, ignored = (
        {
            tuple(sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"smsgate_outbound_{name}_total"
        }
        for name in ("state_changes", "reports_ignored")
    )
    assert moves == {
        ("pending", "forwarded-to-gateway"): 4,
        ("forwarded-to-gateway", "delivered"): 1,
        ("forwarded-to-gateway", "failed"): 1,
        ("failed", "pending"): 1,
    }
    assert ignored == {
        ("late",): 1,
        ("repeated",): 1,
        ("unknown_status",): 1,
        ("unknown_message",): 1,
        ("former_attempt",): 1,
    }


async def test_a_poll_that_was_redirected_is_noticed(embedded: Running) -> None:
    verify = {"User-Agent": AGENT, "Content-Type": "application/json"}
    await embedded.call("GET", "/api/sms", user="gateway", headers=verify)
    assert embedded.services.tally.redirected_polls == 0
    redirected = {"User-Agent": AGENT, "Cache-Control": "no-cache"}
    await embedded.call("GET", "/api/sms", user="gateway", headers=redirected)
    assert embedded.services.tally.redirected_polls == 1
    (alert,) = (await embedded.get("/api/v1/alerts"))["data"]
    assert (alert["name"], alert["severity"]) == ("SuspectedRedirect", "page")


async def test_express_metrics(embedded: Running) -> None:
    await embedded.poll(make.sms())
    text = (await embedded.call("GET", "/api/v1/express-metrics", user=None)).text
    names = {family.name for family in text_string_to_metric_families(text)}
    assert names >= {
        "cht_api_http_request_duration_seconds",
        "cht_api_http_request_size_bytes",
        "cht_api_http_response_size_bytes",
        "cht_api_app_version",
        "cht_api_process_resident_memory_bytes",
    }
    assert 'route="/api/sms"' in text
    told = await embedded.get("/api/v1/express-metrics.json", user=None)
    assert {one["name"] for one in told} >= {"cht_api_http_request_duration_seconds"}


async def test_figures_are_kept_for_a_moment(embedded: Running) -> None:
    async def waiting() -> int:
        count: int = (await embedded.get("/api/v1/gateways"))["waiting"]["count"]
        return count

    assert await waiting() == 0
    await send(embedded)
    assert await waiting() == 0
    embedded.clock.move(seconds=6)
    assert await waiting() == 1
    embedded.clock.move(hours=-1)
    await send(embedded, expires="2026-03-20T00:00:00Z")
    assert await waiting() >= 1  # a clock that was set back keeps nothing for an hour


async def test_long_texts_are_cut_and_kept_whole(server: Running) -> None:
    whole = "नि" * 336  # 672 code units: eleven parts
    await server.call("PUT", "/api/v1/settings", json={"multipart_sms_limit": "3"})
    (made,) = await send(server, content=whole)
    assert made["segments"] == 3
    assert made["content"] == "नि" * 96 + "..."
    assert made["original_content"] == whole
    assert await server.get(f"/api/v1/messages/{made['id']}") == made
    (given,) = await server.poll()
    assert given["content"] == made["content"]
    await server.call("PUT", "/api/v1/settings", json={"multipart_sms_limit": 0})
    alerts = (await server.get("/api/v1/alerts"))["data"]
    assert any("multipart_sms_limit" in one["summary"] for one in alerts)
