"""Posting to `/api/v1/records` and `/api/v2/records` as integrators do."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import httpx2

from smsgate.store.tables import records
from tests.looking import rows
from tests.running import Running

V1, V2 = "/api/v1/records", "/api/v2/records"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
FORM_HEADER = {"Content_Type": FORM["Content-Type"]}
TEXT = "1!ANC!Sam#23#2015"
SENDER = "+254712345678"
VALUES = {"_meta": {"form": "anc", "from": SENDER}, "name": "Sam", "week": 23, "year": 2015}


async def post(
    server: Running,
    body: bytes | dict[str, Any],
    *,
    to: str = V2,
    user: str | None = "clerk",
    **headers: str,
) -> httpx2.Response:
    """A form of a mapping with `message` or `from`, JSON of another; bytes as they are."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, dict):
        is_form = "message" in body or "from" in body
        given = {**(FORM if is_form else JSON), **given}
        body = (urlencode(body, doseq=True) if is_form else json.dumps(body)).encode()
    return await server.call("POST", to, content=body, headers=given, user=user)


async def record(server: Running, response: httpx2.Response) -> dict[str, Any]:
    """The document of the record that a request made."""
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["success"] is True
    assert list(answer) == ["success", "id"]
    (row,) = [row for row in await rows(server, records) if row["id"] == answer["id"]]
    document: dict[str, Any] = json.loads(row["document"])
    return document
