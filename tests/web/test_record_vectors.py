"""Every records case that HTTP can carry, sent to a real server: from the body to the record."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from smsgate.jsontext import storable_tree
from smsgate.settings import Settings
from smsgate.store.tables import records
from tests import make
from tests.looking import rows
from tests.parsers.cases import VECTORS, Case, defaults, load
from tests.running import Running, running

DEFINITIONS = json.loads((VECTORS / "forms.json").read_text("utf-8"))
OURS = {answer["id"]: answer["expect"] for answer in load("quirks.smsgate")}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# All but those that no request can say: values of a form or a query that are no texts, no body.
_CARRIED = {"records.public": 272, "records.quirks": 99}


@pytest.fixture
async def frozen(settings: Settings, tmp_path: Path) -> AsyncIterator[Running]:
    """A server without forms of its own, at the time of the cases."""
    empty = tmp_path / "no-forms"
    empty.mkdir()
    clock = make.Clock(_EPOCH + timedelta(milliseconds=defaults()["frozen_now_ms"]))
    async with running(replace(settings, forms_dir=empty), clock) as started:
        yield started


def carried(case: Case) -> bool:
    given = case["input"]
    if given["kind"] == "json" or given["body"] is None:
        return given["body"] is not None
    return all(isinstance(text, str) for text in (*given["body"].values(), given.get("locale", "")))


def settings_of(case: Case) -> str:
    """The document of a case, as text: cases of one document are sent in a row."""
    chosen = case["settings"].get("forms") or []
    forms = {code: DEFINITIONS[code] for code in (DEFINITIONS if chosen == "*" else chosen)}
    document = {**case["settings"], "forms": forms, "translations": defaults()["translations"]}
    return json.dumps(document)


async def send(server: Running, case: Case) -> Case:
    """What the endpoint answers to a case: the record's id, or the error's details."""
    given = case["input"]
    path = "/api/v2/records"
    if "locale" in given:
        path = f"/api/v1/records?locale={given['locale']}"
    if given["kind"] == "json":
        body, kind = json.dumps(given["body"]), "application/json; charset=utf-8"
    else:
        body, kind = urlencode(given["body"]), "application/x-www-form-urlencoded"
    answer = await server.call(
        "POST", path, content=body.encode(), headers={"Content-Type": kind}, user="clerk"
    )
    value: Case = answer.json()
    if answer.status_code == 500:
        assert value["error"] == "Server error"
        return {"error": value.get("details")}
    assert answer.status_code == 200, answer.text
    return value


def expected(case: Case) -> Any:
    answer = OURS.get(case["id"]) or case["expect"]
    return storable_tree({key: value for key, value in answer.items() if key != "error_class"})


@pytest.mark.parametrize("name", _CARRIED)
async def test_every_case_over_http(frozen: Running, name: str) -> None:
    cases = [case for case in load(name) if carried(case)]
    assert len(cases) == _CARRIED[name]
    answers: dict[str, Case] = {}
    in_force = ""
    for case in sorted(cases, key=settings_of):
        if settings_of(case) != in_force:
            in_force = settings_of(case)
            put = await frozen.call(
                "PUT", "/api/v1/settings?overwrite=true", json=json.loads(in_force)
            )
            assert put.status_code == 200, put.text
        answers[case["id"]] = await send(frozen, case)
    documents = {row["id"]: json.loads(row["document"]) for row in await rows(frozen, records)}

    for case in cases:
        answer = answers[case["id"]]
        got = documents[answer["id"]] if "id" in answer else answer
        assert got == expected(case), case["id"]
    assert len(documents) == sum("id" in answer for answer in answers.values())
