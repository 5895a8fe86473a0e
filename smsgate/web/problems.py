"""Errors on the wire: one body, two forms (decision 1), and the one table of status codes.

A client that prefers JSON gets `{"code", "error", "message"}` and `"details"` where there are any;
others get text. `message` is what cht-gateway shows on the phone's screen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from smsgate import log
from smsgate.errors import SmsgateError, StoreBusy, StoreUnavailable

logger = log.get(__name__)

SERVER_ERROR: Final = "Server error"
_TEXTS: Final = {404: "Not found", 405: "Method not allowed", 413: "Payload Too Large"}


class Problem(Exception):
    """An answer other than 2xx, raised wherever a request is found wanting."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        details: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details
        self.headers = dict(headers or {})


def prefers_json(accept: str) -> bool:
    """Whether an `Accept` header ranks JSON above text; a tie goes to text (protocol 0.1)."""
    ranks = {}
    for place, offered in enumerate(("text/plain", "application/json")):
        best = max(
            (
                (quality, specificity, -order)
                for order, (kind, quality) in enumerate(_accepted(accept or "*/*"))
                if (specificity := _specificity(kind, offered)) and quality > 0
            ),
            default=None,
        )
        if best is not None:
            ranks[offered] = (*best, -place)
    return bool(ranks) and max(ranks, key=lambda offered: ranks[offered]) == "application/json"


def _accepted(accept: str) -> list[tuple[str, float]]:
    found = []
    for part in accept.split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        found.append((kind, quality))
    return found


def _specificity(pattern: str, kind: str) -> int:
    if pattern == kind:
        return 3
    if pattern == kind.partition("/")[0] + "/*":
        return 2
    return 1 if pattern == "*/*" else 0


def answer(request: Request, problem: Problem) -> Response:
    """The response that tells `request` of `problem`."""
    if prefers_json(request.headers.get("accept", "")):
        body = {"code": problem.status, "error": problem.message, "message": problem.message}
        if problem.details is not None:
            body["details"] = problem.details
        return JSONResponse(body, problem.status, headers=problem.headers)
    text = problem.message
    if problem.details is not None:
        text += ": " + json.dumps(problem.details, ensure_ascii=False)
    return PlainTextResponse(text, problem.status, headers=problem.headers)


def of_error(error: Exception) -> Problem:
    """Which answer an error becomes: the table that rule 5 of the house plan asks for."""
    match error:
        case Problem():
            return error
        case StoreBusy():
            return Problem(
                503, "Busy, try again later", headers={"Retry-After": str(error.retry_after)}
            )
        case StoreUnavailable():
            return Problem(503, "The database is not available", headers={"Retry-After": "30"})
        case HTTPException():
            headers = dict(error.headers or {})
            return Problem(
                error.status_code, _TEXTS.get(error.status_code, error.detail), headers=headers
            )
        case SmsgateError() | _:
            return Problem(500, SERVER_ERROR)


async def handle(request: Request, error: Exception) -> Response:
    """Starlette's exception handler for everything above."""
    problem = of_error(error)
    if problem.status >= 500 and not isinstance(error, Problem):
        route = getattr(request.scope.get("route"), "path", "")
        logger.error("request failed", route=route, code=problem.status, exc_info=error)
    return answer(request, problem)
