"""One item that cannot be taken in never stops its neighbours, or the phone (reliability A7)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from smsgate.grammar import registry
from smsgate.store.tables import inbound, outbound, outbound_history, quarantine
from tests import make
from tests.looking import counts, execute, rows
from tests.running import Running

# A grammar as somebody else's package would bring it, with a fault that shows on one word.
PLUGIN = """
class Faulty:
    name = "faulty"
    priority = 1000

    def code(self, text):
        return {}[text] if "POISON" in text else None

    def claims(self, text, form):
        return False

    def parse(self, text, form):
        raise AssertionError

    def render(self, values, form):
        return None

grammar = Faulty()
"""


@pytest.fixture
def faulty_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """That package, installed."""
    (tmp_path / "faulty_grammar.py").write_text(PLUGIN)
    information = tmp_path / "faulty_grammar-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: faulty-grammar\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[smsgate.grammars]\nfaulty = faulty_grammar:grammar\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry.installed.cache_clear()
    yield
    registry.installed.cache_clear()


TRIGGERS = {
    "sqlite": [
        (
            "CREATE TRIGGER refuse BEFORE INSERT ON {table} WHEN NEW.{column} LIKE '%POISON%'"
            " BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    ],
    "postgresql": [
        (
            "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN"
            " IF NEW.{column} LIKE '%POISON%' THEN RAISE EXCEPTION 'no'; END IF;"
            " RETURN NEW; END $$ LANGUAGE plpgsql"
        ),
        "CREATE TRIGGER refuse BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}


async def _refuse(server: Running, table: str, column: str) -> None:
    """From now on the database does not take rows of `table` with the word in `column`."""
    kind = "sqlite" if server.services.settings.on_sqlite else "postgresql"
    statements = [text.format(table=table, column=column) for text in TRIGGERS[kind]]
    await execute(server, *statements)


def _batch(place: int = 4) -> list[dict[str, object]]:
    texts = ["1!ANC!Sam#23#2015"] * 10
    texts[place] = "1!ANC!POISON#23#2015"
    return [make.sms(text) for text in texts]


async def _one_of_ten_is_set_aside(server: Running, reason: str) -> None:
    batch = _batch()
    given = await server.poll(*batch)
    assert len(given) == 9
    assert await counts(server) == {"inbound": 9, "records": 9, "quarantine": 1}
    (kept,) = await rows(server, quarantine)
    assert kept["reason"].startswith(reason)
    item = json.loads(kept["raw"])
    assert {key: item[key] for key in ("id", "from", "content")} == {
        key: batch[4][key] for key in ("id", "from", "content")
    }
    # The phone's next poll carries nothing of it, and gets what it has not acknowledged.
    assert await server.poll() == given
    # A phone that missed the answer says it all again: nothing is doubled.
    assert await server.poll(*batch) == given
    assert await counts(server) == {"inbound": 9, "records": 9, "quarantine": 1}
    (kept,) = await rows(server, quarantine)
    assert kept["seen_count"] == 2


async def test_what_a_grammar_fails_on_is_set_aside(faulty_plugin: None, server: Running) -> None:
    await _one_of_ten_is_set_aside(server, "intake_failed: KeyError")


@pytest.mark.parametrize(
    ("table", "column"),
    [("inbound_messages", "text"), ("records", "document")],
)
async def test_what_the_database_refuses_is_set_aside(
    server: Running, table: str, column: str
) -> None:
    await _refuse(server, table, column)
    await _one_of_ten_is_set_aside(server, "storing_failed: ")


async def test_a_reply_that_cannot_be_stored_takes_its_message_along(server: Running) -> None:
    """Never half of it: a message without the record or the reply it caused."""
    (reply,) = await server.poll(make.sms("xyzzy"))
    await _refuse(server, "outbound_messages", "text")
    translations = {"en": {"sms_received": "POISON"}}
    response = await server.call("PUT", "/api/v1/settings", json={"translations": translations})
    assert response.status_code == 200
    assert await server.poll(make.sms(), make.sms("xyzzy"), make.sms()) != [reply]
    assert await counts(server) == {"inbound": 3, "records": 3, "quarantine": 1}


async def test_many_phones_at_once_lose_only_the_poison(server: Running) -> None:
    await _refuse(server, "inbound_messages", "text")
    batches = [_batch(place) if place < 3 else [make.sms("fine")] for place in range(12)]
    await asyncio.gather(*(server.poll(*batch) for batch in batches))
    assert await counts(server) == {"inbound": 36, "records": 36, "quarantine": 3}


async def test_a_report_that_cannot_be_applied_is_set_aside(server: Running) -> None:
    one, two = await server.poll(make.sms(), make.sms())
    await _refuse(server, "outbound_history", "details")
    updates = [
        {"id": one["id"], "status": "FAILED", "reason": "POISON"},
        {"id": two["id"], "status": "SENT"},
    ]
    await server.poll(make.sms("hello"), updates=updates)
    states = {row["id"]: row["state"] for row in await rows(server, outbound)}
    assert (states[one["id"]], states[two["id"]]) == ("forwarded-to-gateway", "sent")
    (kept,) = await rows(server, quarantine)
    assert kept["reason"].startswith("report_failed: ")
    assert json.loads(kept["raw"]) == updates[0]
    assert all("POISON" not in str(row) for row in await rows(server, outbound_history))


async def test_poison_is_replayed_once_its_cause_is_mended(server: Running) -> None:
    await _refuse(server, "inbound_messages", "text")
    await server.poll(*_batch())
    (item,) = (await server.get("/api/v1/quarantine"))["data"]
    path = f"/api/v1/quarantine/{item['id']}/replay"
    again = await server.call("POST", path)
    assert again.status_code == 422
    assert again.json()["details"].startswith("storing_failed: ")
    on = "" if server.services.settings.on_sqlite else " ON inbound_messages"
    await execute(server, f"DROP TRIGGER refuse{on}")
    assert (await server.call("POST", path)).status_code == 200
    assert (await counts(server))["inbound"] == 10
    stored = await rows(server, inbound)
    assert [row["gateway_ref"] for row in stored if "POISON" in row["text"]] == [item["raw"]["id"]]


async def test_poison_that_still_fails_to_be_read_stays(
    faulty_plugin: None, server: Running
) -> None:
    await server.poll(*_batch())
    (item,) = (await server.get("/api/v1/quarantine"))["data"]
    path = f"/api/v1/quarantine/{item['id']}/replay"
    again = await server.call("POST", path)
    assert (again.status_code, again.json()["details"]) == (422, "intake_failed: KeyError")
    mended = await server.call("POST", path, json={"content": "1!ANC!Sam#23#2015"})
    assert mended.status_code == 200
