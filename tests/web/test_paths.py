"""Paths: every spelling answers, none redirects, no 2xx is empty (decision 2, reliability A9)."""

from __future__ import annotations

import itertools

import pytest
from starlette.routing import Route

from smsgate.web.routes import ROUTES
from tests import make
from tests.running import Running

PATHS = sorted({route.path.replace("{id}", "x") for route in ROUTES if isinstance(route, Route)})


def _spellings(path: str) -> list[str]:
    return [
        path,
        path + "/",
        path + "//",
        "/" + path,
        path.replace("/", "//"),
        path.replace("/", "///") + "/",
    ]


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
async def test_no_route_in_any_spelling_redirects(embedded: Running, method: str) -> None:
    spellings = [*itertools.chain(*map(_spellings, PATHS)), "/API/SMS", "/nothing", "/%2e%2e/api"]
    for path in spellings:
        for user in ("admin", None):
            response = await embedded.call(
                method,
                path,
                user=user,
                content=b"{}" if method in ("POST", "PUT") else None,
                headers={"Content-Type": "application/json", "X-Forwarded-Proto": "http"},
            )
            assert not 300 <= response.status_code < 400, (method, path)
            documented = "records" in path  # decision 3: the CHT's 500 for what is missing
            assert response.status_code < 500 or documented, (method, path, response.text)
            if response.is_success and method != "HEAD":
                assert response.status_code == 200, (method, path)
                assert response.content, (method, path)


async def test_every_spelling_is_the_same_endpoint(embedded: Running) -> None:
    for path in (p for p in PATHS if p != "/"):
        answers = {
            (await embedded.call("GET", spelling)).status_code for spelling in _spellings(path)
        }
        assert len(answers) == 1, path


@pytest.mark.parametrize("path", _spellings("/api/sms"))
async def test_a_poll_at_any_spelling_is_a_poll(embedded: Running, path: str) -> None:
    response = await embedded.call(
        "POST", path, user="gateway", json={"messages": [make.sms()], "updates": []}
    )
    assert response.status_code == 200
    assert len(response.json()["messages"]) == 1


async def test_a_phone_verifies_the_address(embedded: Running) -> None:
    for path in _spellings("/api/sms"):
        response = await embedded.call("GET", path, user="gateway")
        assert (response.status_code, response.json()) == (200, {"medic-gateway": True})
        assert response.headers["content-type"].startswith("application/json")
        head = await embedded.call("HEAD", path, user="gateway")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(response.content))


async def test_a_query_does_not_matter_to_a_phone(embedded: Running) -> None:
    response = await embedded.call("GET", "/api/sms?x=%00&y=%ff&limit=nine", user="gateway")
    assert response.json() == {"medic-gateway": True}


async def test_unknown_paths_and_methods_say_so_in_the_one_shape(embedded: Running) -> None:
    for method, path, code, text in [
        ("GET", "/nothing", 404, "Not found"),
        ("POST", "/api/v1/nothing", 404, "Not found"),
        ("DELETE", "/api/sms", 405, "Method not allowed"),
        ("POST", "/healthz", 405, "Method not allowed"),
    ]:
        answer = await embedded.call(method, path)
        assert answer.status_code == code
        assert answer.json() == {"code": code, "error": text, "message": text}
        plain = await embedded.call(method, path, headers={"Accept": "text/plain"})
        assert (plain.status_code, plain.text) == (code, text)


async def test_every_answer_is_dressed(embedded: Running) -> None:
    for path, user in [("/", None), ("/api/sms", "gateway"), ("/api/sms", None), ("/nope", None)]:
        response = await embedded.call("GET", path, user=user)
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert len(response.headers["x-request-id"]) == 16


async def test_a_request_id_is_echoed_if_it_is_harmless(embedded: Running) -> None:
    async def echoed(given: str) -> str:
        response = await embedded.call("GET", "/healthz", headers={"X-Request-Id": given})
        return response.headers["x-request-id"]

    assert await echoed("trace-1234.A_b") == "trace-1234.A_b"
    for odd in ("short", "x" * 65, "with space in it", "a\tb-1234567"):
        assert await echoed(odd) != odd


async def test_the_front_door_tells_where_phones_go(embedded: Running) -> None:
    response = await embedded.call("GET", "/", user=None)
    assert response.status_code == 200
    assert "/api/sms" in response.text
    info = await embedded.get("/api/info", user=None)
    assert info["version"]


async def test_answers_are_compressed_for_those_who_ask(embedded: Running) -> None:
    await embedded.poll(*(make.sms(f"text number {i} " + "x" * 100) for i in range(10)))
    listed = "/api/v1/messages"
    packed = await embedded.call("GET", listed, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "accept-encoding" in packed.headers["vary"].lower()
    plain = await embedded.call("GET", listed, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == packed.json()
    small = await embedded.call("GET", "/healthz", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers
