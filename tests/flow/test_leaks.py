"""Nothing personal and no secret in a log line or an error page (reliability D22)."""

from __future__ import annotations

import json

import pytest

from smsgate import log
from tests import make
from tests.looking import execute
from tests.make import basic
from tests.running import PASSWORD, Running, quiet

NUMBER = "15550100042"
TEXT = "CANARY-PHI-7f3a"
SECRET = "canary-secret-91c4"
CANARIES = (NUMBER, TEXT, TEXT.lower(), SECRET, PASSWORD)


in_both_forms = pytest.mark.parametrize("form", ["json", "console"])


@in_both_forms
async def test_nothing_leaks_whatever_happens(
    server: Running, form: str, capfd: pytest.CaptureFixture[str]
) -> None:
    log.configure("DEBUG", form)
    item = make.sms(TEXT, **{"from": "+" + NUMBER})
    pages: list[str] = []
    given = await server.poll(item, item, {"from": "+" + NUMBER, "content": TEXT}, TEXT)
    assert given
    await server.poll(updates=[{"id": TEXT, "status": TEXT, "reason": TEXT}, {"status": TEXT}])
    await server.poll({**item, "content": TEXT + " again"})
    for path, user in [
        (f"/api/sms?token={SECRET}", "gateway"),
        (f"/{TEXT}?to={NUMBER}", None),
        (f"/api/v1/messages/{TEXT}?key={SECRET}", "admin"),
        (f"/api/v1/messages?to={NUMBER}&state={TEXT}&limit={SECRET}", "admin"),
        (f"/api/v1/report/{NUMBER}", "admin"),
    ]:
        response = await server.call("GET", path, user=user)
        if response.status_code >= 400:
            pages.append(response.text)
    for header in (basic(TEXT, SECRET), f"Bearer {SECRET}", basic("admin", SECRET)):
        headers = {"Authorization": header, "X-Request-Id": "trace-12345", "User-Agent": TEXT}
        pages.append((await server.call("GET", "/api/sms", user=None, headers=headers)).text)
    for content in (f'{{"{TEXT}":"{NUMBER}"', f'[{{"to":"{NUMBER}","content":"{TEXT}"}}]'):
        for path in ("/api/sms", "/api/v1/messages", f"/api/v1/quarantine/{TEXT}/replay"):
            response = await server.call(
                "POST",
                path,
                content=content.encode(),
                headers={"Content-Type": "application/json", "Idempotency-Key": SECRET},
            )
            if response.status_code >= 400:
                pages.append(response.text)
    # The database fails in the middle of it, quoting what it was given.
    await execute(server, "ALTER TABLE quarantine RENAME TO away")
    await execute(server, "ALTER TABLE outbound_messages RENAME TO gone")
    broken = make.sms(TEXT, **{"from": "+" + NUMBER})
    for method, path, body in [
        ("POST", "/api/sms", {"messages": [broken], "updates": [{"id": TEXT}]}),
        ("POST", "/api/v1/messages", {"to": "+254712345678", "content": TEXT}),
        ("GET", f"/api/v1/messages/{TEXT}", None),
        ("GET", f"/api/v1/messages?to={NUMBER}", None),
        ("POST", f"/api/v1/quarantine/{TEXT}/discard", {"reason": TEXT}),
    ]:
        response = await server.call(method, path, json=body)
        assert response.status_code >= 500, path
        assert response.json()["error"] == "Server error"
        pages.append(response.text)
    await execute(server, "ALTER TABLE away RENAME TO quarantine")
    await execute(server, "ALTER TABLE gone RENAME TO outbound_messages")
    quiet()
    lines = capfd.readouterr().err
    assert "request failed" in lines
    assert "trace-12345" in lines
    for canary in CANARIES:
        assert canary not in lines, canary
        assert not [page for page in pages if canary in page], canary


@in_both_forms
async def test_a_library_that_speaks_is_heard_without_its_words(
    form: str, capfd: pytest.CaptureFixture[str]
) -> None:
    import logging  # noqa: PLC0415 - what strangers use

    log.configure("DEBUG", form)
    logging.getLogger("somebody").warning("a text from %s", NUMBER)
    try:
        int(TEXT)  # the error quotes it
    except ValueError:
        logging.getLogger("somebody.else").exception("failed on %s", TEXT)
        log.get("smsgate.x").error("ours", exc_info=True, phone=NUMBER, reason="known", text=TEXT)
    quiet()
    lines = capfd.readouterr().err
    assert "library message" in lines
    assert "library error" in lines
    assert "ValueError" in lines
    assert "test_leaks.py" in lines  # where, but not what
    for canary in CANARIES:
        assert canary not in lines


def test_a_line_is_one_line_whatever_is_in_it(capfd: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", "json")
    log.get("smsgate.x").info("said", reason="a\r\nb\x1b[31m\u2028c")
    quiet()
    (line,) = capfd.readouterr().err.splitlines()
    assert json.loads(line)["reason"] == "a\r\nb\x1b[31m\u2028c"
