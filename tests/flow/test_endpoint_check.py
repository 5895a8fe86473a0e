"""The endpoint check against a real HTTP server on loopback."""

from __future__ import annotations

import re

import pytest

from smsgate.simulate.endpoint import Finding, check_endpoint
from tests.bench.serving import free_port
from tests.fakes.phone_server import PASSWORD, USER, PhoneServer, serving


def bad(findings: list[Finding]) -> str:
    return "\n".join(f"{f.level} {f.text}" for f in findings if f.level != "ok")


async def test_the_endpoint_check_finds_nothing_wrong_with_a_good_server() -> None:
    server = PhoneServer()
    server._reply("+254700000001")
    with serving(server) as running:
        findings = await check_endpoint(running.url, USER, PASSWORD)
    assert bad(findings) == ""
    texts = [f.text for f in findings]
    assert (
        "POST /api/sms/: a poll is answered; 1 offered, the phone gets them again at its next poll"
        in texts
    )
    assert "without a password: 401 with a Basic challenge" in texts
    assert not any(PASSWORD in text for text in texts)


@pytest.mark.parametrize(
    ("server", "complaint"),
    [
        (
            PhoneServer(faults=["redirect"]),
            r"fail POST /api/sms: redirected with HTTP 301 to /elsewhere; .* lost in silence",
        ),
        (PhoneServer(faults=["", "redirect"]), r"fail POST /api/sms/: redirected"),
        (PhoneServer(faults=["204"]), "fail POST /api/sms: HTTP 204 whose body is no JSON object"),
        (PhoneServer(faults=["500"]), "fail POST /api/sms: HTTP 500; the phone repeats"),
        (PhoneServer(faults=["401"]), "fail POST /api/sms: HTTP 401; the server refuses this user"),
        (PhoneServer(faults=["not gzip"]), "fail POST /api/sms: the body is not encoded as"),
        (PhoneServer(traits=frozenset({"no array"})), "fail POST /api/sms: no `messages` array"),
        (
            PhoneServer(get=(302, b"", {"Location": "https://u:hush@h/x?k=hush"})),
            "fail GET /api/sms: redirected with HTTP 302 to https://h/x",
        ),
        (PhoneServer(get=(200, b"{}", {})), "fail GET /api/sms: not the expected app"),
        (
            PhoneServer(get=(200, b'{"medic-gateway":true}', {"Content-Encoding": "x"})),
            "fail GET /api/sms: answered in an encoding",
        ),
    ],
)
async def test_what_the_endpoint_check_finds(server: PhoneServer, complaint: str) -> None:
    with serving(server) as running:
        found = bad(await check_endpoint(running.url, USER, PASSWORD))
    assert re.search(complaint, found), found
    assert "hush" not in found
    assert PASSWORD not in found


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ((401, b"", {}), "fail 401 without a Basic challenge"),
        ((200, b'{"medic-gateway":true,"messages":[]}', {}), "fail it answers without a password"),
        ((201, b'{"messages":[]}', {}), "warn POST /api/sms: HTTP 201 where 200 is due"),
        ((404, b"", {}), "warn without a password: HTTP 404 where 401 is due"),
        (
            (301, b"", {"Location": "http://[x"}),
            "fail GET without a password: redirected with HTTP 301\n",
        ),
        (
            (401, b"", {"Date": "Mon, 01 Jan 2001 00:00:00 GMT"}),
            r"warn the server's clock is \d+ s behind",
        ),
        (
            (401, b"", {"Date": "Tue, 01 Jan 2199 00:00:00 -0000"}),
            r"warn the server's clock is \d+ s ahead of",
        ),
        ((401, b"", {"Date": "soon"}), "warn no readable Date header"),
    ],
)
async def test_what_a_stranger_gets(
    answer: tuple[int, bytes, dict[str, str]], complaint: str
) -> None:
    with serving(PhoneServer(always=answer)) as running:
        found = bad(await check_endpoint(running.url, USER, PASSWORD))
    assert re.search(complaint, found), found


async def test_an_endpoint_that_is_slow_or_hangs() -> None:
    with serving(PhoneServer()) as running:
        found = bad(await check_endpoint(running.url, USER, PASSWORD, slow=0))
    assert "warn POST /api/sms: 0.0 s to answer; the phone polls nothing else meanwhile" in found
    with serving(PhoneServer(traits=frozenset({"hangs"}))) as running:
        found = bad(await check_endpoint(running.url, USER, PASSWORD, patience=0.1))
    assert "fail no answer: " in found


async def test_an_endpoint_whose_connection_breaks() -> None:
    with serving(PhoneServer(faults=["hang up"])) as running:
        found = bad(await check_endpoint(running.url, USER, PASSWORD))
    assert found == "fail POST /api/sms: the connection broke before the response was read"


async def test_addresses_the_endpoint_check_wonders_about() -> None:
    assert bad(await check_endpoint("gopher://x", None, None)).startswith("fail the URL must look")
    nowhere = f"127.0.0.1:{free_port()}"
    found = bad(await check_endpoint(f"http://{nowhere}", None, None))
    assert "warn the address has no path" in found
    assert "warn no user given" in found
    assert "fail no answer: cannot contact the server" in found
    # 127.0.0.2 is loopback too, but not a name of it the check knows.
    found = bad(await check_endpoint(f"http://127.0.0.2:{free_port()}/api/sms/", "u", "p"))
    assert "warn plain HTTP" in found
    secure = await check_endpoint(f"https://{nowhere}/api/sms/", "u", "p")
    assert secure[0] == Finding("ok", "the way to the server is encrypted")
