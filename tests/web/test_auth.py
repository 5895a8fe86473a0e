"""Who is let in (protocol 9.1 to 9.3, decisions 1, 2, 6)."""

from __future__ import annotations

import asyncio
import base64

import httpx2
import pytest

from smsgate.accounts import AddUser, RemoveUser, SetPassword
from smsgate.passwords import hash_password
from smsgate.web.auth import credentials
from tests.make import basic
from tests.running import PASSWORD, Running

PATHS = ("/api/sms", "/api/v1/messages", "/api/v1/settings", "/api/v1/quarantine")
JSON_ACCEPTS = [
    "application/json",
    "application/*",
    "application/json, text/plain, */*",
    "application/json; charset=utf-8",
    "text/plain;q=0.5, application/json",
    "text/plain;q=0, application/json;q=0.1",
    "APPLICATION/JSON",
]
TEXT_ACCEPTS = [
    "",
    "*/*",
    "text/*",
    "text/plain",
    "text/plain, application/json",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "application/xml",
    "image/png",
    "application/json;q=0",
    "application/json;q=nonsense",
    ";;;,,q=",
]


async def _add(server: Running, name: str, password: str, *roles: str) -> None:
    job = AddUser(name, hash_password(password), roles or ("gateway",), "test", server.clock())
    assert await server.services.store.write(job)


async def _with(server: Running, authorization: str, path: str = "/api/sms") -> httpx2.Response:
    headers = {"Authorization": authorization}
    return await server.call("GET", path, user=None, headers=headers)


def _encoded(raw: bytes) -> str:
    return "Basic " + base64.b64encode(raw).decode()


async def test_without_credentials_a_json_client_is_told_so(embedded: Running) -> None:
    for path in PATHS:
        for accept in JSON_ACCEPTS:
            response = await embedded.call("GET", path, user=None, headers={"Accept": accept})
            assert response.status_code == 401, accept
            assert response.json() == {
                "code": 401,
                "error": "unauthorized",
                "message": "unauthorized",
            }
            assert response.headers["www-authenticate"].startswith("Basic realm=")
            assert response.headers["logout-authorization"] == "CHT-Core API"


async def test_without_credentials_others_get_text_and_a_challenge(embedded: Running) -> None:
    for path in PATHS:
        for accept in TEXT_ACCEPTS:
            response = await embedded.call("GET", path, user=None, headers={"Accept": accept})
            assert (response.status_code, response.text) == (401, "not logged in"), accept
            assert response.headers["content-type"].startswith("text/plain")
            assert response.headers["www-authenticate"].startswith("Basic realm=")
            assert response.headers["logout-authorization"] == "CHT-Core API"


async def test_a_browser_is_not_sent_to_a_login_page(embedded: Running) -> None:
    for agent in ("Mozilla/5.0", "curl/8", "Dalvik/2.1.0 medic.gateway.alert/1.7"):
        headers = {"User-Agent": agent, "Accept": "text/html"}
        response = await embedded.call("GET", "/api/sms", user=None, headers=headers)
        assert response.status_code == 401
        assert "location" not in response.headers


NO_CREDENTIALS = {
    "another scheme": "Bearer " + PASSWORD,
    "digest": 'Digest username="gateway"',
    "no base64": "Basic !!!!",
    "cut base64": "Basic Z2F0ZXdheQ",
    "no colon": _encoded(b"gateway"),
    "nothing": "Basic =",
    "only a colon": _encoded(b":"),
    "no name": _encoded(b":" + PASSWORD.encode()),
    "no password": _encoded(b"gateway:"),
    "wrong password": basic("gateway", "wrong"),
    "password with a space more": basic("gateway", PASSWORD + " "),
    "password in lower case": basic("gateway", PASSWORD.lower()),
    "name in upper case": basic("GATEWAY", PASSWORD),
    "unknown name": basic("nobody", PASSWORD),
    "two of them": basic("nobody", PASSWORD) + ", " + basic("gateway", PASSWORD),
    "NUL": _encoded(b"gateway\0:" + PASSWORD.encode()),
    "raw bytes": _encoded(bytes(range(128, 256)) + b":" + bytes(range(128, 256))),
    "scheme alone": "Basic",
    "long": basic("gateway", "x" * 20_000),
    "injection": basic("' OR 1=1 --", "' OR 1=1 --"),
}


async def test_what_shows_no_right_password_is_401(embedded: Running) -> None:
    for name, header in NO_CREDENTIALS.items():
        assert (await _with(embedded, header)).status_code == 401, name


# password, what is sent
SENT: list[tuple[str, bytes]] = [
    ("Tulip-Rain-42", b"Tulip-Rain-42"),
    ("p@ss#word/?", b"p@ss#word/?"),
    ("p@ss#word/?", b"p%40ss%23word%2F%3F"),  # as cht-gateway sends it
    ("p@ss#word/?", b"p%40ss%23word%2f%3f"),
    ("with:colon:s", b"with:colon:s"),
    ("with:colon:s", b"with%3Acolon%3As"),
    ("caf\u00e9-cr\u00e8me", "caf\u00e9-cr\u00e8me".encode()),
    ("caf\u00e9-cr\u00e8me", "caf\u00e9-cr\u00e8me".encode("iso-8859-1")),
    ("caf\u00e9-cr\u00e8me", b"caf%C3%A9-cr%C3%A8me"),
    ("caf\u00e9-cr\u00e8me", b"caf%E9-cr%E8me"),
    ("\u0928\u092e\u0938\u094d\u0924\u0947-1", "\u0928\u092e\u0938\u094d\u0924\u0947-1".encode()),
    ("100%25sure", b"100%25sure"),  # a password that looks encoded, sent as it is
    ("50%off", b"50%off"),
    ("a b c d e", b"a%20b%20c%20d%20e"),
    ("ends with space ", b"ends with space "),
]


async def test_a_password_is_right_in_every_way_it_is_sent(embedded: Running) -> None:
    for place, (password, sent) in enumerate(SENT):
        await _add(embedded, f"phone-{place}", password)
        header = _encoded(f"phone-{place}:".encode() + sent)
        assert (await _with(embedded, header)).status_code == 200, sent
        wrong = _encoded(f"phone-{place}:".encode() + sent + b"x")
        assert (await _with(embedded, wrong)).status_code == 401, sent


def test_each_reading_of_a_header_is_tried_once() -> None:
    assert credentials(basic("a", "b")) == [("a", "b")]
    assert credentials(basic("a", "b%40")) == [("a", "b%40"), ("a", "b@")]
    assert credentials("bAsIc " + basic("a", "b")[6:]) == [("a", "b")]
    assert credentials(basic("a", "b:c:d")) == [("a", "b:c:d")]
    assert credentials("") == []


async def test_polling_costs_one_hash(embedded: Running) -> None:
    verifier = embedded.services.accounts.verifier
    await embedded.poll()
    before = verifier.hashes
    for _ in range(20):
        await embedded.poll()
        await embedded.call("GET", "/api/sms", user="gateway")
    assert verifier.hashes == before


async def test_polls_that_come_together_share_a_hash(embedded: Running) -> None:
    verifier = embedded.services.accounts.verifier
    before = verifier.hashes
    await asyncio.gather(*(embedded.poll() for _ in range(20)))
    assert verifier.hashes - before == 1


async def test_a_changed_password_counts_from_the_next_request(server: Running) -> None:
    await _add(server, "phone-x", "old password")
    assert (await _with(server, basic("phone-x", "old password"))).status_code == 200
    changed = SetPassword("phone-x", hash_password("new password"), "test", server.clock())
    await server.services.store.write(changed)
    assert (await _with(server, basic("phone-x", "old password"))).status_code == 401
    assert (await _with(server, basic("phone-x", "new password"))).status_code == 200


async def test_a_removed_account_is_out_from_the_next_request(server: Running) -> None:
    await _add(server, "phone-x", "some password")
    assert (await _with(server, basic("phone-x", "some password"))).status_code == 200
    await server.services.store.write(RemoveUser("phone-x", "test", server.clock()))
    assert (await _with(server, basic("phone-x", "some password"))).status_code == 401


async def test_a_new_account_with_another_role_takes_the_place_of_the_old(server: Running) -> None:
    await _add(server, "worker", "the password", "gateway")
    header = basic("worker", "the password")
    assert (await _with(server, header)).status_code == 200
    await server.services.store.write(RemoveUser("worker", "test", server.clock()))
    await _add(server, "worker", "the password", "data_entry")
    assert (await _with(server, header)).status_code == 403


@pytest.mark.parametrize("accept", ["application/json", "text/plain"])
async def test_a_missing_permission_is_403(embedded: Running, accept: str) -> None:
    response = await embedded.call("GET", "/api/sms", user="clerk", headers={"Accept": accept})
    assert response.status_code == 403
    if accept == "text/plain":
        assert response.text == "Insufficient privileges"
        return
    assert response.json() == {
        "code": 403,
        "error": "Insufficient privileges",
        "message": "Insufficient privileges",
    }


async def test_the_type_is_looked_at_before_the_password_and_the_password_before_the_body(
    embedded: Running,
) -> None:
    json_type = {"Content-Type": "application/json"}
    response = await embedded.call("POST", "/api/sms", user=None, content=b"x")
    assert (response.status_code, response.json()["error"]) == (
        400,
        "Content-Type must be application/json",
    )
    for content in (b"{", b"x" * 3_000_000):
        response = await embedded.call(
            "POST", "/api/sms", user=None, content=content, headers=json_type
        )
        assert response.status_code == 401
    response = await embedded.call(
        "POST", "/api/sms", user="clerk", content=b"{", headers=json_type
    )
    assert response.status_code == 403


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/json;charset=UTF-8", 200),
        ("APPLICATION/JSON", 200),
        ("text/plain", 400),
        ("application/x-www-form-urlencoded", 400),
        ("application/jsonx", 400),
        ("application/vnd.api+json", 400),
        ("", 400),
    ],
)
async def test_a_poll_is_json(embedded: Running, kind: str, status: int) -> None:
    response = await embedded.call(
        "POST", "/api/sms", user="gateway", content=b"{}", headers={"Content-Type": kind}
    )
    assert response.status_code == status
