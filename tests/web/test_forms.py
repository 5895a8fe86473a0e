"""`/api/v1/forms`: lists, files, and the check of an XForm (protocol section 10.1, decision 30)."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import httpx2
import pytest

from smsgate.store.tables import settings_versions
from tests.byhand import by_hand
from tests.looking import rows, total
from tests.running import Running
from tests.unit.test_xform import HOSTILE, NO_HTML, xform

FORMS = Path(__file__).parents[2] / "forms"
XFORM = (FORMS / "anc_visit.xml").read_bytes()
SHIPPED = ["anc_visit.xml", "ALERT.json", "ANC.json", "JANMA.json", "STOCK.json", "YYYZ.json"]
NAMESPACE = "{http://openrosa.org/xforms/xformsList}"


@pytest.mark.parametrize("user", ["gateway", "clerk", "officer", "admin"])
async def test_the_list_is_for_any_account(server: Running, user: str) -> None:
    for path in ("/api/v1/forms", "/api/v1/forms/"):
        assert await server.get(path, user=user) == SHIPPED


async def test_the_settings_document_has_forms_too(server: Running) -> None:
    definition = {"meta": {"code": "VIS"}, "fields": {"n": {"type": "integer"}}}
    forms = {"VIS": definition, "ANC": None, "STOCK": {**definition, "meta": {"code": "STOCK"}}}
    put = await server.call("PUT", "/api/v1/settings", json={"forms": forms})
    assert put.status_code == 200

    listed = await server.get("/api/v1/forms")

    assert listed == ["anc_visit.xml", "ALERT.json", "JANMA.json", "STOCK.json", "VIS.json",
                      "YYYZ.json"]  # fmt: skip
    assert await server.get("/api/v1/forms/VIS.json") == definition
    assert list(await server.get("/api/v1/forms/STOCK.json")) == ["meta", "fields"]
    gone = await server.call("GET", "/api/v1/forms/ANC.json")
    assert (gone.status_code, gone.json()["error"]) == (404, "Form not found: ANC (json)")


async def test_the_list_of_openrosa(server: Running) -> None:
    answer = await server.call(
        "GET", "/api/v1/forms", user="clerk", headers={"X-OpenRosa-Version": "1.0"}
    )

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert answer.headers["x-openrosa-version"] == "1.0"
    root = fromstring(answer.text)
    assert root.tag == f"{NAMESPACE}xforms"
    (entry,) = root
    assert {child.tag.removeprefix(NAMESPACE): child.text for child in entry} == {
        "name": "Antenatal visit",
        "formID": "anc_visit",
        "hash": f"md5:{hashlib.md5(XFORM).hexdigest()}",
        "downloadUrl": f"{server.url}/api/v1/forms/anc_visit.xml",
    }
    url = entry.findtext(f"{NAMESPACE}downloadUrl", "").removeprefix(server.url)
    assert (await server.call("GET", url, user="clerk")).content == XFORM


@pytest.mark.parametrize("version", ["1.0", "2.0", "", "anything"])
async def test_any_openrosa_version_gets_the_list(embedded: Running, version: str) -> None:
    answer = await embedded.call("GET", "/api/v1/forms", headers={"X-OpenRosa-Version": version})

    assert answer.headers["content-type"] == "text/xml; charset=utf-8"


async def test_the_address_is_the_one_that_was_asked(embedded: Running) -> None:
    for host in ("sms.example.org", "sms.example.org:8443", "a&<b>'\""):
        answer = await embedded.call(
            "GET", "/api/v1/forms", headers={"X-OpenRosa-Version": "1.0", "Host": host}
        )
        url = fromstring(answer.text).findtext(f"*/{NAMESPACE}downloadUrl", "")
        assert url == f"http://{host}/api/v1/forms/anc_visit.xml"


async def test_an_xform_is_its_file(server: Running) -> None:
    answer = await server.call("GET", "/api/v1/forms/anc_visit.xml", user="gateway")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/xml"
    assert answer.content == XFORM


@pytest.mark.parametrize("name", ["ANC.json", "anc.json", "a%E2%80%8Bnc.json"])
async def test_a_json_form_is_its_definition(embedded: Running, name: str) -> None:
    definition = json.loads((FORMS / "ANC.json").read_text("utf-8"))

    answer = await embedded.get(f"/api/v1/forms/{name}", user="gateway")

    assert answer == definition
    assert list(answer["fields"]) == list(definition["fields"])


@pytest.mark.parametrize(
    ("name", "status", "text"),
    [
        ("x", 400, 'Invalid form name (form="", format="x")'),
        ("validate", 400, 'Invalid form name (form="", format="validate")'),
        (".xml", 400, 'Invalid form name (form="", format="xml")'),
        ("anc_visit.pdf", 400, 'Invalid file format (format="pdf")'),
        ("anc_visit.XML", 400, 'Invalid file format (format="XML")'),
        ("anc_visit.", 400, 'Invalid file format (format="")'),
        ("a.b.c", 400, 'Invalid file format (format="c")'),
        ("zzz.xml", 404, "Form not found: zzz (xml)"),
        ("ANC_VISIT.xml", 404, "Form not found: ANC_VISIT (xml)"),
        ("a.b.xml", 404, "Form not found: a.b (xml)"),
        ("zzz.json", 404, "Form not found: zzz (json)"),
        ("anc_visit.json", 404, "Form not found: anc_visit (json)"),
        ("%2e%2e%2fpyproject.xml", 404, None),
        ("..%5cpyproject.xml", 404, "Form not found: ..\\pyproject (xml)"),
        ("%00.xml", 404, "Form not found: \0 (xml)"),
        ("%ff.json", 404, None),
    ],
)
async def test_a_form_that_is_not_there(
    embedded: Running, name: str, status: int, text: str | None
) -> None:
    as_json = await embedded.call("GET", f"/api/v1/forms/{name}")
    as_text = await embedded.call("GET", f"/api/v1/forms/{name}", headers={"Accept": "text/plain"})

    assert as_json.status_code == as_text.status_code == status
    if text is not None:
        assert as_json.json() == {"code": status, "error": text, "message": text}
        assert as_text.text == text


async def test_nobody_unknown_sees_a_form(embedded: Running) -> None:
    for path in ("", "/ANC.json", "/anc_visit.xml"):
        answer = await embedded.call("GET", f"/api/v1/forms{path}", user=None)
        assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")
        assert answer.headers["logout-authorization"] == "CHT-Core API"


async def validate(server: Running, content: bytes, **rest: Any) -> httpx2.Response:
    rest.setdefault("headers", {"Content-Type": "text/plain"})
    return await server.call("POST", "/api/v1/forms/validate", content=content, **rest)


async def test_a_sound_xform(server: Running) -> None:
    for content in (XFORM, xform(), xform().decode().encode("utf-16")):
        for kind in ("text/plain", "application/xml", "text/xml; charset=utf-8", ""):
            answer = await validate(server, content, headers={"Content-Type": kind})
            assert (answer.status_code, answer.json()) == (200, {"ok": True})
    packed = await validate(
        server, gzip.compress(XFORM), headers={"Content-Encoding": "gzip"}, user="officer"
    )
    assert (packed.status_code, packed.json()) == (200, {"ok": True})
    assert await server.get("/api/v1/forms") == SHIPPED
    assert await total(server) == 0
    assert len(await rows(server, settings_versions)) == 1


TOO_LARGE = {"error": "Payload Too Large", "message": "Payload Too Large"}

FAULTY = {
    "nothing": (b"", "not XML: no element found: line 1, column 0"),
    "other XML": (b"<a/>", f"{NO_HTML}, not a"),
    "two faults": (
        xform(binds='<bind/><bind nodeset="/d/x"/>'),
        "bind 1 has no nodeset; bind 2: /d/x is not in the instance",
    ),
    **{name: (content, "; ".join(faults)) for name, (content, faults) in HOSTILE.items()},
}


@pytest.mark.parametrize("accept", ["application/json", "text/plain"])
async def test_a_faulty_xform(embedded: Running, accept: str) -> None:
    for name, (content, text) in FAULTY.items():
        took = []
        for _ in range(
            3
        ):  # the quickest counts: what else runs beside it takes its share of caches
            started = time.process_time()
            answer = await validate(embedded, content, headers={"Accept": accept})
            took.append(time.process_time() - started)
            expected = (400, {"error": text, "message": text})
            assert (answer.status_code, answer.json()) == expected, name
        assert min(took) < 0.1, name


async def test_the_limit_of_a_form(embedded: Running) -> None:
    large = xform() + b" " * 8 * 1024 * 1024
    packed = gzip.compress(large)

    answer = await validate(embedded, packed, headers={"Content-Encoding": "gzip"})
    assert (answer.status_code, answer.json()) == (413, TOO_LARGE)
    # Announced and never sent: the answer does not wait for it.
    raw = await by_hand(
        embedded,
        "POST /api/v1/forms/validate",
        user="admin",
        headers={"Content-Length": str(len(large))},
    )
    assert raw.startswith(b"HTTP/1.1 413 ")
    assert raw.endswith(json.dumps(TOO_LARGE, separators=(",", ":")).encode())
    fitting = xform() + b" " * (8 * 1024 * 1024 - len(xform()))
    assert (await validate(embedded, fitting)).status_code == 200


async def test_who_may_have_an_xform_checked(server: Running) -> None:
    for user, status in (("admin", 200), ("officer", 200), ("clerk", 403), ("gateway", 403)):
        answer = await validate(server, XFORM, user=user)
        assert answer.status_code == status, user
        if status == 403:
            text = "Insufficient privileges"
            assert answer.json() == {"error": text, "message": text}
    for accept, text in (("application/json", "unauthorized"), ("*/*", "not logged in")):
        answer = await validate(server, b"<", user=None, headers={"Accept": accept})
        assert (answer.status_code, answer.json()) == (401, {"error": text, "message": text})
        assert answer.headers["logout-authorization"] == "CHT-Core API"
        assert answer.headers["www-authenticate"].startswith("Basic ")
