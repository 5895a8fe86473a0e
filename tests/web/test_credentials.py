"""`/api/v1/credentials` over real HTTP: who may, in which order, and what is never told."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from smsgate.accounts import AddUser
from smsgate.aggregators.registry import installed
from smsgate.store import credentials as stored
from smsgate.store.tables import audit, credentials
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from tests.looking import rows
from tests.make import NOON
from tests.running import _HASH, PASSWORD, Running

PATH = "/api/v1/credentials/"
KEY = "rapidpro:incoming"
TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
OFFLINE = {
    "code": 403,
    "error": "forbidden",
    "details": "Offline users are not allowed access to this endpoint",
}
NO_BODY = (400, "Missing required request body")
NO_ADMIN = (403, "Insufficient permissions")
ROLES = {
    "root": ("_admin",),
    "health": ("chw",),  # offline in the settings document
    "mixed": ("program_officer", "chw"),
    "ghost": ("no_such_role",),
    "online": ("no_such_role", "mm-online"),
    "both": ("admin", "chw"),
}


async def _put(server: Running, body: bytes = b"x", key: str = KEY, **rest: Any) -> Any:
    rest.setdefault("headers", TEXT)
    return await server.call("PUT", PATH + key, content=body, **rest)


async def _others(server: Running) -> None:
    for name, roles in ROLES.items():
        await server.services.store.write(AddUser(name, _HASH, roles, "test", NOON))


# Who asks, with which type and body; what is answered. What comes first decides.
ORDER = [
    (None, TEXT, b"x", (401, "unauthorized")),
    (None, JSON, b"", (401, "unauthorized")),
    ("health", TEXT, b"x", OFFLINE),
    ("health", JSON, b"", OFFLINE),
    ("mixed", TEXT, b"x", OFFLINE),
    ("ghost", TEXT, b"", OFFLINE),
    ("officer", TEXT, b"x", NO_ADMIN),  # can_configure is not enough
    ("officer", TEXT, b"", NO_BODY),
    ("officer", JSON, b'"x"', NO_BODY),
    ("clerk", TEXT, b"x", NO_ADMIN),
    ("gateway", TEXT, b"x", NO_ADMIN),
    ("online", TEXT, b"x", NO_ADMIN),
    ("admin", TEXT, b"", NO_BODY),
    ("admin", JSON, b'{"secret":"x"}', NO_BODY),
    ("admin", {"Content-Type": "application/x-www-form-urlencoded"}, b"x=1", NO_BODY),
    ("admin", {"Content-Type": "text/html"}, b"x", NO_BODY),
    ("admin", {}, b"x", NO_BODY),
    ("admin", TEXT, b"\xff\xfe", (400, "The request body must be text in UTF-8")),
    ("admin", TEXT, b"x" * 65_537, (413, "Payload Too Large")),
    ("admin", TEXT, b"x" * 65_536, None),
    ("admin", TEXT, b"\n", None),
    ("admin", {"Content-Type": "Text/Plain; charset=utf-8"}, b"x", None),
    ("admin", {"Content-Type": "text/csv"}, b"x", None),
    ("admin", {"Content-Type": "application/xml"}, b"<x/>", None),
    ("admin", {**TEXT, "Content-Encoding": "gzip"}, gzip.compress(b"x"), None),
    ("root", TEXT, b"x", None),
    ("both", TEXT, b"x", None),
]


async def test_the_order_of_checks(server: Running) -> None:
    await _others(server)
    for user, headers, body, told in ORDER:
        before = len(await rows(server, audit))
        answer = await _put(server, body, user=user, headers=headers)
        case = (user, headers, body[:20])
        if told is None:
            assert (answer.status_code, answer.json()) == (200, {"ok": True}), case
            continue
        found = answer.json()
        if isinstance(told, dict):
            assert (answer.status_code, found) == (403, told), case
        else:
            assert (answer.status_code, found["error"]) == told, case
        assert len(await rows(server, audit)) == before, case


async def test_offline_users_are_told_in_json_whatever_they_accept(server: Running) -> None:
    await _others(server)
    answer = await _put(server, user="health", headers={**TEXT, "Accept": "text/plain"})
    assert (answer.status_code, answer.json()) == (403, OFFLINE)


async def test_the_value_is_kept_verbatim(server: Running) -> None:
    rapidpro = installed().named("rapidpro")
    assert rapidpro is not None
    for secret in ("plain", "ends\n", "\r\n \t ", "\ufeffmarked", "a\0b", "ключ", "x" * 65_000):
        assert (await _put(server, secret.encode())).status_code == 200
        assert (await server.services.vault.incoming(rapidpro))[0] == secret


# A key in the address, and the one that is stored.
KEYS = [
    ("africastalking.com:outgoing", "africastalking.com:outgoing"),
    ("africastalking:incoming", "africastalking.com:incoming"),
    ("africas-talking:outgoing", "africastalking.com:outgoing"),
    ("rapidpro%3Aincoming", "rapidpro:incoming"),
    ("anything-else/", "anything-else"),  # the CHT takes any key
    ("%D0%BA:outgoing", "к:outgoing"),
    ("k" * 256, "k" * 256),
]


async def test_any_key_is_kept(server: Running) -> None:
    for key, _ in KEYS:
        assert (await _put(server, key=key)).status_code == 200, key
    assert {row["name"] for row in await rows(server, credentials)} == {kept for _, kept in KEYS}


async def test_a_key_that_is_no_text_is_refused(server: Running) -> None:
    for key in ("k" * 257, "a%00b", "a%0Ab", "%FF", "%ED%A0%80"):
        answer = await _put(server, key=key)
        assert answer.status_code == 400, key
    assert await rows(server, credentials) == []


async def test_there_is_nothing_to_read_and_nothing_to_delete(server: Running) -> None:
    await _put(server)
    for method in ("GET", "HEAD", "DELETE", "POST", "PATCH"):
        assert (await server.call(method, PATH + KEY)).status_code == 405, method
    for key in ("a/b", ""):
        assert (await _put(server, key=key)).status_code in (404, 405)


async def test_how_long_the_former_one_stays(embedded: Running) -> None:
    for number, (given, hours) in enumerate(
        [("", 24), ("?keep_hours=2", 2), ("?keep_hours=0.5", 0.5), ("?keep_hours=8784", 8784),
         ("?keep_hours=0", None)]
    ):  # fmt: skip
        await _put(embedded, b"old %d" % number)
        await _put(embedded, b"new %d" % number, key=KEY + given)
        listed = {one["key"]: one for one in (await embedded.get(PATH))["data"]}
        until = None
        if hours is not None:
            until = (NOON + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        assert listed[KEY]["former_valid_until"] == until, given


async def test_other_hours_are_refused(embedded: Running) -> None:
    for hours in ("-1", "8785", "nan", "inf", "soon", "", "1e999"):
        answer = await _put(embedded, key=f"{KEY}?keep_hours={hours}")
        assert (answer.status_code, answer.json()["error"]) == (
            400,
            "keep_hours must be a number from 0 to 8784",
        )


async def test_the_list_tells_what_there_is_and_what_is_missing(server: Running) -> None:
    await _put(server, b"canary-secret-91c4")
    await _put(server, b"canary-secret-91c4", key="nobodys:outgoing")
    answer = await server.call("GET", "/api/v1/credentials")
    assert "canary" not in answer.text
    found = {one.pop("key"): one for one in answer.json()["data"]}
    here = {
        "has_secret": True,
        "opens": True,
        "since": "2026-03-09T12:00:00.000Z",
        "by": "admin",
        "former_valid_until": None,
    }
    missing = {"has_secret": False, "opens": False, "since": None, "by": None}
    assert found[KEY] == found["nobodys:outgoing"] == here
    assert found["rapidpro:outgoing"] == {**missing, "former_valid_until": None}
    assert list(found) == sorted(found)
    for user in ("officer", "clerk", "gateway"):
        refused = await server.call("GET", "/api/v1/credentials", user=user)
        assert (refused.status_code, refused.json()["error"]) == NO_ADMIN


async def test_without_its_key_nothing_is_stored_and_it_is_told_why(server: Running) -> None:
    await _put(server)
    server.services.vault.sealer.path.unlink()
    answer = await _put(server, b"y")
    assert answer.status_code == 503
    assert "put the key file back" in answer.json()["error"]
    found = (await server.get(PATH))["data"]
    assert [one["opens"] for one in found if one["key"] == KEY] == [False]
    assert len(await rows(server, credentials)) == 1


async def test_it_is_noted_who_did_it(server: Running) -> None:
    await _put(server, b"canary-secret-91c4")
    async with server.services.store.read() as connection:
        noted = (await connection.execute(select(audit))).mappings().all()
    (one,) = [row for row in noted if row["action"] == "credential.put"]
    assert (one["actor"], one["target"]) == ("admin", KEY)
    assert json.loads(one["details"]) == {"former_until": None}
    assert PASSWORD not in str(noted)
    assert "canary" not in str(noted)


async def test_a_caller_whose_credential_does_not_open_is_told_to_come_back(
    server: Running,
) -> None:
    await _put(server, b"right")
    call: Any = {"json": {"id": "1", "from": "+254711000001", "content": "hi"}, "user": None}
    path = "/api/v1/sms/rapidpro/incoming-messages"
    shown = {"Authorization": "Token right"}
    assert (await server.call("POST", path, headers=shown, **call)).status_code == 200
    await server.services.store.write(Damage())
    answer = await server.call("POST", path, headers=shown, **call)
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    await _put(server, b"right")
    assert (await server.call("POST", path, headers=shown, **call)).status_code == 200


class Damage(Job[None]):
    """Someone changes the rows by hand."""

    async def run(self, connection: Connection) -> None:
        await stored.take_turn(connection)
        await connection.execute(update(credentials).values(sealed=b"\1" * 60))
