"""Retention and erasure through a whole server: afterwards nothing is left, in any byte."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from smsgate import lock
from smsgate.purging import Keeper
from smsgate.store import tables as t
from smsgate.timekeeper import Timekeeper
from tests import make
from tests.looking import rows, total
from tests.running import Running
from tests.traces import in_files, in_tables
from tests.typed import typed

NUMBER = "+254712345678"
SPELLED = "0712 345-678"
CANARY = "CANARY-PHI-7f3a"
OTHER = "+254799000111"
WORDS = ("712345678", "712 345-678", CANARY)


def keeper(server: Running) -> Keeper:
    return Keeper(server.services.store, server.services.programmes, server.clock)


async def smsgate(server: Running, *words: str) -> tuple[int, str]:
    """A command beside the server."""
    settings = server.services.settings
    return await typed(*words, url=settings.database_url, data=settings.data_dir)


async def filled(server: Running) -> list[dict[str, Any]]:
    """Put the number and the word into every place there is for them; the phone's log."""
    await server.call(
        "PUT", "/api/v1/settings", json={"default_country_code": "254", "locale": "en"}
    )
    log = [
        make.sms(f"1!ANC!{CANARY}#23#2015", **{"from": NUMBER}),
        make.sms(f"{CANARY} hello", **{"from": SPELLED}),
        make.sms(f"nul \x00 {CANARY}", **{"from": NUMBER}),
        make.sms("stop", **{"from": NUMBER}),
        make.sms(f"{CANARY} " * 300, **{"from": NUMBER}),
    ]
    await server.poll(*log)
    await server.poll({"from": NUMBER, "content": CANARY}, {"from": SPELLED, "id": "x"})
    for key, to in (("one", "+254712345678"), ("two", "0712345678")):
        body = [{"to": to, "content": CANARY}, {"to": OTHER, "content": "for the other"}]
        headers = {"Idempotency-Key": key}
        sent = await server.call("POST", "/api/v1/messages", json=body, headers=headers)
        assert sent.status_code == 201, sent.text
    record = {"_meta": {"form": "ANC", "from": NUMBER}, "name": CANARY, "weeks": 3}
    answer = await server.call("POST", "/api/v2/records", json=record)
    assert answer.status_code == 200, answer.text
    await server.poll(
        updates=[{"id": f"{NUMBER}-unknown", "status": "FAILED", "reason": f"no {NUMBER}"}]
    )
    return log


async def test_retention_leaves_no_trace_and_stores_no_repeat(server: Running) -> None:
    log = await filled(server)
    waiting = [row for row in await rows(server, t.quarantine) if row["status"] == "waiting"]
    for row in waiting:
        path = f"/api/v1/quarantine/{row['id']}/discard"
        await server.call("POST", path, json={"reason": "no sender"})
    server.clock.move(days=30)  # what waits has expired by then
    services = server.services
    await Timekeeper(services.store, server.clock, None, services.programmes).sweep()
    before = await total(server)
    server.clock.move(days=366)
    found = dict(await keeper(server).purge())
    await keeper(server).tidy()
    assert found.pop("orphan_reports") == 1
    assert set(found) == {"raw", "inbound", "records", "outbound", "answers", "quarantine"}
    # Left is the consent list, which must know the number.
    assert await in_tables(services.store, *WORDS) == ["consent.number"]
    assert await in_tables(server.services.store, CANARY) == []
    folder = server.services.settings.data_dir
    if server.services.store.embedded:
        assert in_files(folder, CANARY) == []
    assert await total(server) == before - 1
    # A phone that was installed anew replays its log.
    given = await server.poll(*log)
    assert given == []
    assert await total(server) == before - 1
    assert await in_tables(server.services.store, CANARY) == []
    # The same key gets the same answer, without what was said.
    body = [{"to": NUMBER, "content": CANARY}, {"to": OTHER, "content": "for the other"}]
    again = await server.call(
        "POST", "/api/v1/messages", json=body, headers={"Idempotency-Key": "one"}
    )
    assert again.status_code == 201
    assert [one["content"] for one in again.json()] == [None, None]
    for path in ("/api/v1/messages?direction=inbound", "/api/v1/messages", "/metrics"):
        assert (await server.call("GET", path)).status_code == 200
    page = (await server.call("GET", "/metrics")).text
    assert 'smsgate_purged_rows_total{kind="inbound"} 5.0' in page


async def test_erasing_a_number_leaves_no_trace(server: Running) -> None:
    log = await filled(server)
    mention = make.sms("ask 0712345678 too", **{"from": OTHER})
    await server.poll(mention)
    counted = {
        "inbound": 5, "records": 6, "outbound": 7, "quarantine": 2, "answers": 2, "orphan": 1,
        "consent": 1,
    }  # fmt: skip
    code, said = await smsgate(server, "erase", "--phone", SPELLED, "--dry-run")
    assert code == 0, said
    shown = [int(line.split()[0]) for line in said.splitlines()[: len(counted)]]
    assert shown == list(counted.values()), said
    assert "nothing was changed" in said
    code, said = await smsgate(server, "erase", "--phone", "0712345678")
    assert (code, "add --yes" in said) == (0, True)
    assert await in_tables(server.services.store, CANARY) != []

    # Where a server runs, the server empties the log.
    tidy = asyncio.create_task(tidied(server))
    with lock.hold(server.services.settings.data_dir):
        code, said = await smsgate(server, "erase", "--phone", NUMBER, "--yes")
    tidy.cancel()
    assert code == 0, said
    left = await in_tables(server.services.store, *WORDS)
    mentions = {"inbound_messages.text", "records.document"}
    assert set(left) == mentions
    assert await in_tables(server.services.store, CANARY) == []
    if server.services.store.embedded:
        folder = server.services.settings.data_dir
        assert in_files(folder, CANARY, NUMBER[1:], SPELLED, SPELLED.replace(" ", "+")) == []
        assert "log of the database is still" not in said
    # What was for others is as it was.
    kept = [row for row in await rows(server, t.outbound) if row["recipient"] == OTHER]
    assert [row["text"] for row in kept if row["text"] == "for the other"] == ["for the other"] * 2
    mine = [row for row in await rows(server, t.outbound) if row["recipient"] is None]
    assert {row["state"] for row in mine} <= {"cleared", "expired", "denied"}
    (act,) = [act for act in await rows(server, t.audit) if act["action"] == "erase"]
    assert NUMBER[1:] not in str(act)
    assert len(act["target"]) == 64
    # Who opted out is still not texted, and a replayed log stores nothing.
    known = len(await rows(server, t.inbound))
    given = await server.poll(*log)
    assert NUMBER not in {one["to"] for one in given}
    assert len(await rows(server, t.inbound)) == known
    sent = await server.call("POST", "/api/v1/messages", json={"to": NUMBER, "content": "hello"})
    assert sent.json()["state"] == "denied"


async def tidied(server: Running) -> None:
    """What the server's own keeper does, without waiting for its turn."""
    while True:
        await keeper(server).tidy()
        await asyncio.sleep(0.05)


async def test_what_is_in_hand_is_not_sent_again(server: Running) -> None:
    sent = await server.call("POST", "/api/v1/messages", json={"to": NUMBER, "content": CANARY})
    (given,) = await server.poll()
    code, said = await smsgate(server, "erase", "--phone", NUMBER, "--yes")
    assert code == 0, said
    assert await server.poll() == []
    id_ = sent.json()["id"]
    found = await server.get(f"/api/v1/messages/{id_}")
    assert (found["state"], found["to"], found["content"]) == ("expired", None, None)
    # The phone had it, and says that it went out.
    await server.poll(updates=[{"id": given["id"], "status": "SENT"}])
    assert (await server.get(f"/api/v1/messages/{id_}"))["state"] == "sent"


async def test_nothing_about_a_number_is_said(server: Running) -> None:
    code, said = await smsgate(server, "erase", "--phone", "MPESA")
    assert code == 0
    assert "this is no phone number here" in said
    code, said = await smsgate(server, "erase", "--phone", "MPESA", "--yes")
    assert (code, "erased: 0" in said) == (0, True)


def test_what_is_measured_can_fail(tmp_path: Any) -> None:
    """Without zeroing and without emptying the log the bytes stay: the search would see them."""
    path = tmp_path / "x.db"
    plain = sqlite3.connect(path, isolation_level=None)
    plain.execute("PRAGMA journal_mode=WAL")
    plain.execute("CREATE TABLE x (a TEXT)")
    plain.execute("INSERT INTO x VALUES (?)", [CANARY])
    plain.execute("UPDATE x SET a = NULL")
    assert in_files(tmp_path, CANARY) == ["x.db-wal"]
    plain.close()
