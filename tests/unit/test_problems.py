"""Errors on the wire: the one table, the two forms; and paths tidied on the way in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from smsgate.errors import CommandError, StoreBusy, StoreUnavailable
from smsgate.web.middleware import TidyPath
from smsgate.web.problems import Problem, answer, of_error, prefers_json

TABLE: list[tuple[Exception, int, str, dict[str, str]]] = [
    (Problem(418, "teapot", headers={"X": "y"}), 418, "teapot", {"X": "y"}),
    (StoreBusy("b", retry_after=7), 503, "Busy, try again later", {"Retry-After": "7"}),
    (StoreUnavailable("u"), 503, "The database is not available", {"Retry-After": "30"}),
    (HTTPException(404), 404, "Not found", {}),
    (HTTPException(405, headers={"Allow": "GET"}), 405, "Method not allowed", {"Allow": "GET"}),
    (HTTPException(409, "odd"), 409, "odd", {}),
    (CommandError("inside"), 500, "Server error", {}),
    (ValueError("inside"), 500, "Server error", {}),
    (KeyError("inside"), 500, "Server error", {}),
]


@pytest.mark.parametrize(("error", "status", "text", "headers"), TABLE)
def test_every_error_has_its_answer(
    error: Exception, status: int, text: str, headers: dict[str, str]
) -> None:
    problem = of_error(error)
    assert (problem.status, problem.message, problem.headers) == (status, text, headers)


def _request(accept: str) -> Request:
    return Request({"type": "http", "headers": [(b"accept", accept.encode())]})


@pytest.mark.parametrize(
    ("details", "text"),
    [
        (None, "no"),
        ("why", 'no: "why"'),
        (["a", "\u00e9"], 'no: ["a", "\u00e9"]'),
        ({}, "no: {}"),
        (0, "no: 0"),
    ],
)
def test_details_are_in_both_forms(details: Any, text: str) -> None:
    problem = Problem(400, "no", details=details)
    plain = answer(_request("text/plain"), problem)
    assert bytes(plain.body).decode() == text
    found = json.loads(bytes(answer(_request("application/json"), problem).body))
    expected = {"code": 400, "error": "no", "message": "no"}
    assert found == (expected if details is None else {**expected, "details": details})


@given(st.text(max_size=60))
def test_no_accept_header_breaks_the_choice(accept: str) -> None:
    assert prefers_json(accept) in (True, False)


async def _run(app: Any, path: str, kind: str = "http") -> None:
    async def send(message: Message) -> None:
        raise AssertionError

    async def receive() -> Message:
        return {"type": "http.request"}

    scope: Scope = {"type": kind, "path": path, "method": "GET", "headers": []}
    await app(scope, receive, send)


async def test_what_is_no_request_passes_untouched() -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["path"])

    await _run(TidyPath(inner), "//x/", "lifespan")
    assert seen == ["//x/"]


@pytest.mark.parametrize(
    ("given_path", "served"),
    [("/", "/"), ("//", "/"), ("", ""), ("*", "*"), ("/a/", "/a"), ("//a///b//", "/a/b")],
)
async def test_a_path_is_tidied_in_place(given_path: str, served: str) -> None:
    seen: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["path"])

    await _run(TidyPath(inner), given_path)
    assert seen == [served]
