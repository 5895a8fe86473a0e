"""`GET /api/v1/report/{id}`: a record as the CHT document (protocol section 4.4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate.clock import to_iso
from smsgate.jsontext import storable
from smsgate.store import records, told
from smsgate.web.auth import caller
from smsgate.web.problems import Problem


async def show(request: Request) -> Response:
    """One report, its tasks with their states. A record without a form is no report."""
    who = await caller(request, "can_view_reports")
    async with who.services.store.read() as connection:
        row = await records.get(connection, storable(request.path_params["id"]))
        if row is None or row["form"] is None:
            raise Problem(404, "Report not found")
        messages = await told.of_record(connection, row["id"])
        stories = await told.history(connection, [message["id"] for message in messages])
    return JSONResponse(document(row, messages, stories))


def document(
    row: Mapping[str, Any],
    messages: Sequence[Mapping[str, Any]],
    stories: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    """The CHT document of a record: as it was accepted, with what its messages came to since."""
    stored = json.loads(row["document"])
    digest = hashlib.md5(row["document"].encode(), usedforsecurity=False).hexdigest()
    return {
        "_id": row["id"],
        "_rev": f"{row['version']}-{digest}",
        **stored,
        "tasks": [_task(message, stories[message["id"]]) for message in messages],
    }


def _task(message: Mapping[str, Any], story: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sent = {"uuid": message["id"], "to": message["recipient"], "message": message["text"]}
    if message["original_text"] is not None:
        sent["original_message"] = message["original_text"]
    task: dict[str, Any] = {
        "messages": [sent],
        "state": message["state"],
        "state_history": [_step(entry) for entry in story if entry["applied"]],
    }
    if message["details"]:
        task["state_details"] = json.loads(message["details"])
    if message["gateway_ref"]:
        task["gateway_ref"] = message["gateway_ref"]
    return task


def _step(entry: Mapping[str, Any]) -> dict[str, Any]:
    step = {"state": entry["state"], "timestamp": to_iso(entry["at"])}
    if entry["details"]:
        step["state_details"] = json.loads(entry["details"])
    return step
