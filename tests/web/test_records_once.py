"""What makes two posts to `/records` the same: a reference (decision 7), a key (decision 35)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from smsgate.store.tables import inbound, outbound, records
from tests.looking import execute, rows, total
from tests.posting import SENDER, TEXT, V1, V2, VALUES, post
from tests.running import Running


async def test_a_reference_makes_a_text_the_same(server: Running) -> None:
    body = {"from": SENDER, "message": TEXT, "gateway_ref": "ref-1"}
    first = (await post(server, body)).json()

    for path, user in ((V2, "clerk"), (V1, "clerk"), (V2, "officer")):
        assert (await post(server, body, to=path, user=user)).json() == first
    other = (await post(server, {**body, "message": TEXT + "#1"})).json()
    assert other["id"] != first["id"]

    texts = await rows(server, inbound)
    assert [(row["gateway_ref"], row["seen_count"]) for row in texts] == [
        ("ref-1", 4),
        ("ref-1", 1),
    ]
    assert [row["id_conflict"] for row in texts] == [False, True]
    assert len(await rows(server, records)) == 2
    assert len(await rows(server, outbound)) == 2


async def test_without_a_reference_every_text_is_new(server: Running) -> None:
    for extra in ({}, {"gateway_ref": ""}):
        answers = [await post(server, {"from": SENDER, "message": TEXT, **extra}) for _ in "ab"]
        first, second = (answer.json()["id"] for answer in answers)
        assert first != second
    assert len(await rows(server, records)) == 4


async def test_a_reference_known_from_a_phone_is_another(server: Running) -> None:
    await server.poll({"id": "ref-1", "from": SENDER, "content": TEXT})

    assert (await post(server, {"from": SENDER, "message": TEXT, "gateway_ref": "ref-1"})).json()
    assert len(await rows(server, records)) == 2


async def test_a_race_for_a_reference_has_one_record(server: Running) -> None:
    body = {"from": SENDER, "message": TEXT, "gateway_ref": "ref-1"}

    answers = await asyncio.gather(*(post(server, body) for _ in range(20)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await rows(server, records)) == 1
    assert len(await rows(server, outbound)) == 1


BODIES: dict[str, dict[str, Any]] = {"form": {"from": SENDER, "message": TEXT}, "json": VALUES}


@pytest.mark.parametrize("kind", BODIES)
async def test_an_idempotency_key_has_one_answer(server: Running, kind: str) -> None:
    body = BODIES[kind]
    first = await post(server, body, Idempotency_Key="k-1")
    before = await total(server)

    again = await post(server, body, Idempotency_Key="k-1")
    assert (again.status_code, again.json()) == (200, first.json())
    assert await total(server) == before

    for other, path in (({**VALUES, "week": 24}, V2), (body, V1)):
        misused = await post(server, other, to=path, Idempotency_Key="k-1")
        assert misused.status_code == 422
        assert misused.json()["error"] == "This Idempotency-Key was used with another request body"
    assert await total(server) == before

    for fresh in (
        await post(server, body, Idempotency_Key="k-2"),
        await post(server, body, Idempotency_Key="k-1", user="officer"),
        await post(server, body),
    ):
        assert fresh.status_code == 200, fresh.text
        assert fresh.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("kind", BODIES)
async def test_a_race_for_a_key_has_one_record(server: Running, kind: str) -> None:
    answers = await asyncio.gather(
        *(post(server, BODIES[kind], Idempotency_Key="k-1") for _ in range(20)),
        *(post(server, BODIES[kind]) for _ in range(5)),
    )

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers[:20]}) == 1
    assert len({answer.json()["id"] for answer in answers}) == 6
    assert len(await rows(server, records)) == 6


async def test_a_key_and_a_reference_together(server: Running) -> None:
    body = {"from": SENDER, "message": TEXT, "gateway_ref": "ref-1"}
    first = (await post(server, body)).json()

    keyed = [(await post(server, body, Idempotency_Key="k-1")).json() for _ in "ab"]

    assert keyed == [first, first]
    assert len(await rows(server, records)) == 1


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_that_is_none(embedded: Running, key: str) -> None:
    answer = await post(embedded, VALUES, Idempotency_Key=key)

    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "Idempotency-Key must have 1 to 255 characters",
    )
    assert await total(embedded) == 0


async def test_a_refused_request_does_not_use_up_its_key(embedded: Running) -> None:
    refused = await post(embedded, {"_meta": {"form": "zzz"}}, Idempotency_Key="k-1")
    assert refused.status_code == 500

    assert (await post(embedded, VALUES, Idempotency_Key="k-1")).status_code == 200


async def test_a_text_is_known_after_its_record_was_purged(server: Running) -> None:
    body = {"from": SENDER, "message": TEXT, "gateway_ref": "ref-1"}
    await server.call("PUT", "/api/v1/settings", json={"smsgate": {"replies": None}})
    first = await post(server, body)
    await execute(server, "DELETE FROM records")

    assert (await post(server, body)).json() == first.json()
    assert await rows(server, records) == []
