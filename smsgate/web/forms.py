"""`/api/v1/forms`: the forms there are, and whether an XForm is sound (protocol section 10.1)."""

from __future__ import annotations

import asyncio
from html import escape
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate import jsontext
from smsgate.form import code_key
from smsgate.programme import Programme
from smsgate.web import body
from smsgate.web.auth import caller
from smsgate.web.problems import Problem
from smsgate.xform import BadXForm, read_xform

_LIST = "http://openrosa.org/xforms/xformsList"


async def list_(request: Request) -> Response:
    """Every form's file name; for OpenRosa clients the XForms with their hashes, as XML."""
    who = await caller(request)
    if "x-openrosa-version" in request.headers:
        return Response(
            _openrosa_list(request, who.programme),
            media_type="text/xml",
            headers={"X-OpenRosa-Version": "1.0"},
        )
    xforms = [f"{form_id}.xml" for form_id in sorted(who.programme.xforms)]
    return JSONResponse(xforms + [f"{code}.json" for code in sorted(who.programme.reading.forms)])


async def show(request: Request) -> Response:
    """One form: an XForm as its file, a JSON form as its definition."""
    who = await caller(request)
    name, _, extension = request.path_params["name"].rpartition(".")
    if not name:
        raise Problem(400, f'Invalid form name (form="", format="{extension}")')
    if extension == "xml":
        xform = who.programme.xforms.get(name)
        if xform is not None:
            return Response(xform.content, media_type="application/xml")
    elif extension == "json":
        form = who.programme.reading.forms.get(code_key(name))
        if form is not None:
            definition = jsontext.write(jsontext.storable_tree(dict(form.definition)))
            return Response(definition, media_type="application/json; charset=utf-8")
    else:
        raise Problem(400, f'Invalid file format (format="{extension}")')
    raise Problem(404, f"Form not found: {name} ({extension})")


async def validate(request: Request) -> Response:
    """Whether the XForm in the body is sound; `{"error": "…"}` in JSON for whatever is wrong."""
    try:
        await caller(request, "can_configure")
        content = await body.read(request, body.SETTINGS_LIMIT)
    except Problem as problem:
        # This endpoint's errors have a form of their own, whatever the client accepts.
        return _refusal(problem.status, problem.message, headers=problem.headers)
    # On a thread: a form of the largest size takes a second, and phones are waiting.
    read = await asyncio.to_thread(read_xform, content)
    if isinstance(read, BadXForm):
        return _refusal(400, "; ".join(read.faults))
    return JSONResponse({"ok": True})


def _refusal(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": text, "message": text}, status, headers=headers)


def _openrosa_list(request: Request, programme: Programme) -> str:
    host = request.headers.get("host", "")
    forms = f"{request.scope['scheme']}://{host}/api/v1/forms/"
    items = [
        f"<xform><name>{escape(xform.title)}</name>"
        f"<formID>{escape(xform.id)}</formID>"
        f"<hash>md5:{xform.md5}</hash>"
        f"<downloadUrl>{escape(f'{forms}{quote(xform.id)}.xml')}</downloadUrl></xform>"
        for _, xform in sorted(programme.xforms.items())
    ]
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<xforms xmlns="{_LIST}">{"".join(items)}</xforms>'
    )
