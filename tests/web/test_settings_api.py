"""`/api/v1/settings`: merge, replace, overwrite (REST specification section 2, decision 29)."""

from __future__ import annotations

from typing import Any

import pytest

from smsgate.document import Mode
from smsgate.permissions import DEFAULT_PERMISSIONS
from smsgate.programme import PutSettings
from smsgate.store.database import Store
from smsgate.store.tables import audit, settings_versions
from tests.looking import rows
from tests.running import Running

PATH = "/api/v1/settings"


async def _put(server: Running, document: Any, query: str = "", **rest: Any) -> dict[str, Any]:
    response = await server.call("PUT", PATH + query, json=document, **rest)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    assert answer["success"] is True
    assert answer["updated"] is answer["upgraded"]
    return answer


async def _document(server: Running) -> dict[str, Any]:
    found: dict[str, Any] = await server.get(PATH)
    return found


async def test_merging_goes_deep_and_replaces_anything_but_objects(server: Running) -> None:
    await _put(server, {"a": {"b": {"c": 1}, "l": [1, 2], "s": "x"}, "n": 1})
    await _put(server, {"a": {"b": {"d": 2}, "l": [3], "s": None}, "n": {"o": 1}})
    found = await _document(server)
    assert found["a"] == {"b": {"c": 1, "d": 2}, "l": [3], "s": None}
    assert found["n"] == {"o": 1}
    assert found["locale"] == "en"  # what the body does not name is kept


async def test_replacing_exchanges_top_level_keys_whole(server: Running) -> None:
    await _put(server, {"a": {"b": 1, "c": 2}})
    await _put(server, {"a": {"d": 3}}, "?replace=true")
    found = await _document(server)
    assert found["a"] == {"d": 3}
    assert found["locale"] == "en"


async def test_overwriting_keeps_permissions_and_smsgates_own_keys(server: Running) -> None:
    own = (await _document(server))["smsgate"]
    await _put(server, {"a": 1}, "?overwrite=true")
    found = await _document(server)
    assert found == {
        "a": 1,
        "smsgate": own,
        "permissions": {name: list(roles) for name, roles in DEFAULT_PERMISSIONS.items()},
    }
    await _put(server, {"a": 2, "smsgate": {}}, "?overwrite=1&replace=1")
    assert (await _document(server))["smsgate"] == {}


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("", "merge"),
        ("?replace=", "merge"),
        ("?replace=false", "merge"),
        ("?replace=0&overwrite=no", "merge"),
        ("?overwrite=false", "merge"),
        ("?replace=true", "replace"),
        ("?replace=1", "replace"),
        ("?replace=YES", "replace"),
        ("?overwrite=true", "overwrite"),
        ("?overwrite=1&replace=false", "overwrite"),
        ("?replace=true&overwrite=true", "overwrite"),
        ("?replace=maybe", None),
        ("?overwrite=2", None),
        ("?overwrite=null", None),
    ],
)
async def test_flags_are_booleans(embedded: Running, query: str, mode: str | None) -> None:
    await _put(embedded, {"a": {"b": 1}, "z": 1})
    response = await embedded.call("PUT", PATH + query, json={"a": {"c": 2}})
    if mode is None:
        assert response.status_code == 400
        assert "must be true or false" in response.json()["error"]
    found = await _document(embedded)
    expected = {
        "merge": ({"b": 1, "c": 2}, True),
        "replace": ({"c": 2}, True),
        "overwrite": ({"c": 2}, False),
        None: ({"b": 1}, True),
    }[mode]
    assert (found["a"], "z" in found) == expected


async def test_what_changes_nothing_says_so_and_makes_no_version(server: Running) -> None:
    document = {"forms_only_mode": True, "x": {"a": 1, "b": [1]}}
    assert (await _put(server, document))["updated"] is True
    versions = len(await rows(server, settings_versions))
    for query in ("", "?replace=true"):
        assert (await _put(server, document, query))["updated"] is False
    assert (await _put(server, {}))["updated"] is False
    assert len(await rows(server, settings_versions)) == versions


async def test_the_order_of_keys_is_kept(server: Running) -> None:
    forms = {"ZED": {"b": 1, "a": 2}, "ALPHA": {}}
    await _put(server, {"zzz": 1, "aaa": forms})
    found = await _document(server)
    assert list(found)[-2:] == ["zzz", "aaa"]
    assert [list(found["aaa"]), list(found["aaa"]["ZED"])] == [["ZED", "ALPHA"], ["b", "a"]]


async def test_every_version_is_kept_with_who_put_it(server: Running) -> None:
    await _put(server, {"x": 1}, user="officer")
    await _put(server, {"x": 2, "y": 1})
    kept = await rows(server, settings_versions)
    assert [(row["version"], row["updated_by"]) for row in kept] == [
        (1, "smsgate"),
        (2, "officer"),
        (3, "admin"),
    ]
    acts = [row for row in await rows(server, audit) if row["action"] == "settings.put"]
    assert [act["details"] for act in acts] == [
        '{"mode": "merge", "keys": ["x"]}',
        '{"mode": "merge", "keys": ["x", "y"]}',
    ]


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"', b"null", b"{", b"", b"[{}]"])
async def test_what_is_no_object_is_400(embedded: Running, body: bytes) -> None:
    before = await _document(embedded)
    response = await embedded.call(
        "PUT", PATH, content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    assert await _document(embedded) == before


async def test_another_type_is_400(embedded: Running) -> None:
    response = await embedded.call("PUT", PATH, content=b"{}", headers={"Content-Type": "text/x"})
    assert response.json()["error"] == "Content-Type must be application/json"
    large = {"x": "y" * (2 * 1024 * 1024)}
    assert (await _put(embedded, large))["updated"] is True  # a real app_settings is this large


async def test_odd_settings_are_warned_of_and_kept(embedded: Running) -> None:
    document = {
        "smsgate": {
            "replies": {"form_feedback": "yes", "loud": 1},
            "outbound": {"lease_minutes": True},
            "timezone": "Mars/Olympus",
            "colour": "red",
        },
        "sms": {"outgoing_service": ""},
    }
    answer = await _put(embedded, document)
    text = "\n".join(answer["warnings"])
    for part in (
        "smsgate.replies.form_feedback has the wrong type",
        "smsgate.replies.loud is not known",
        "smsgate.outbound.lease_minutes has the wrong type",
        "smsgate.timezone names no time zone",
        "smsgate.colour is not known",
        "sms.outgoing_service is not set",
    ):
        assert part in text
    assert (await _document(embedded))["smsgate"]["colour"] == "red"
    await _put(embedded, {"smsgate": {"replies": 5}})
    assert "must be an object" in str((await _put(embedded, {"x": 1}))["warnings"])
    answer = await _put(embedded, {"smsgate": 5})
    assert answer["warnings"][0].startswith("smsgate must be an object")


async def test_another_processs_change_is_seen_by_the_next_request(server: Running) -> None:
    assert "x" not in await _document(server)
    async with Store(server.services.settings.database_url) as other:
        for value in range(3):
            job = PutSettings(document={"x": value}, mode=Mode.MERGE, by="other", at=server.clock())
            assert await other.write(job)
            assert (await _document(server))["x"] == value
