"""`/api/v1/records` and `/api/v2/records`: texts and values from integrators (protocol section 4).

What is wrong with a request is answered 500, and what is wrong with its content not at all: that is
the CHT's contract (decision 3), and integrators hang on its texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate import jsontext, submission
from smsgate.record import RecordRefused
from smsgate.submission import Submission
from smsgate.web import body
from smsgate.web.auth import Caller, caller
from smsgate.web.messages import idempotency_claim
from smsgate.web.problems import SERVER_ERROR, Problem

PERMISSION = "can_create_records"
FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
_MOST_PARAMETERS = 1000
_CHARSETS: Final = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "iso-8859-1",
    "latin1": "iso-8859-1",
    "windows-1252": "windows-1252",
}


async def create_v1(request: Request) -> Response:
    """One record; `?locale=` is the language of its errors where the body names none."""
    locale = request.query_params.get("locale")
    return await _create(request, {"locale": locale} if locale else {})


async def create_v2(request: Request) -> Response:
    """One record."""
    return await _create(request, {})


async def _create(request: Request, query: Mapping[str, str]) -> Response:
    who = await caller(request, PERMISSION)
    kind = body.media_type(request)
    if kind not in (FORM, JSON) or not _has_body(request):
        raise Problem(500, SERVER_ERROR)
    raw = await body.read(request, body.SMS_LIMIT)
    charset = _charset(request)
    if kind == FORM:
        read = submission.from_form(
            read_form(raw, charset),
            query=query,
            programme=who.programme,
            by=who.account.name,
            at=who.at,
            raw=raw,
        )
    else:
        read = submission.from_json(_json(raw, charset), programme=who.programme, at=who.at)
    if isinstance(read, RecordRefused):
        raise Problem(500, SERVER_ERROR, details=read.details)
    return await _store(request, who, read, raw)


async def _store(request: Request, who: Caller, read: Submission, raw: bytes) -> Response:
    stored = await who.services.store.write(
        submission.Submit(
            submission=read,
            by=who.account.name,
            at=who.at,
            claim=idempotency_claim(request, who.account.name, raw),
        )
    )
    if stored.misused:
        raise Problem(422, "This Idempotency-Key was used with another request body")
    result = "stored" if stored.fresh else "duplicate"
    who.services.tally.inbound[submission.SOURCE, result] += 1
    return JSONResponse({"success": True, "id": stored.record_id})


def read_form(raw: bytes, charset: str) -> dict[str, str | list[str]]:
    """A urlencoded body as the CHT reads it: a repeated key is a list, brackets mean nothing.

    Bytes that are no text of `charset` come out as lone surrogates, for the store to replace.

    Raises:
        Problem: 413 for more than a thousand parameters.
    """
    if raw.count(b"&") >= _MOST_PARAMETERS:
        raise Problem(413, "too many parameters")
    found: dict[str, str | list[str]] = {}
    for parameter in raw.split(b"&"):
        if not parameter:
            continue
        key, value = (
            unquote_to_bytes(part.replace(b"+", b" ")).decode(charset, "surrogateescape")
            for part in parameter.partition(b"=")[::2]
        )
        before = found.get(key)
        if before is None:
            found[key] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            found[key] = [before, value]
    return found


def _json(raw: bytes, charset: str) -> Any:
    if not raw:
        return {}
    if charset != "utf-8":
        raw = raw.decode(charset, "replace").encode()
    value = jsontext.read(raw)
    if isinstance(value, jsontext.BadJson) or not isinstance(value, dict | list):
        raise Problem(500, SERVER_ERROR, details="Invalid JSON in request body")
    return value


def _charset(request: Request) -> str:
    for parameter in request.headers.get("content-type", "").split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = _CHARSETS.get(value.strip().strip('"').lower())
            if charset is None:
                raise Problem(500, SERVER_ERROR)
            return charset
    return "utf-8"


def _has_body(request: Request) -> bool:
    # As the CHT sees it: an announced body of no bytes is one.
    return "content-length" in request.headers or "transfer-encoding" in request.headers
