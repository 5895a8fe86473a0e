"""`Idempotency-Key`: the same request again is the same answer, and one message (decision 35)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from smsgate.store.tables import audit, outbound
from tests.looking import rows
from tests.running import Running

PATH = "/api/v1/messages"
BODY = {"to": "+254712345678", "content": "hello"}


async def _send(
    server: Running, key: str, body: Any = None, path: str = PATH, user: str = "admin"
) -> httpx2.Response:
    return await server.call(
        "POST", path, json=body or BODY, headers={"Idempotency-Key": key}, user=user
    )


async def test_the_same_key_and_body_get_the_same_answer(server: Running) -> None:
    first = await _send(server, "k1")
    server.clock.move(days=1)
    for path in (PATH, PATH + "/", "//api/v1/messages"):
        again = await _send(server, "k1", path=path)
        assert (again.status_code, again.content) == (201, first.content)
    assert len(await rows(server, outbound)) == 1
    sent = [act for act in await rows(server, audit) if act["action"] == "message.send"]
    assert len(sent) == 1


async def test_the_same_key_with_another_body_is_422(server: Running) -> None:
    await _send(server, "k1")
    other = await _send(server, "k1", {**BODY, "content": "other"})
    assert other.status_code == 422
    assert "another request body" in other.json()["error"]
    assert len(await rows(server, outbound)) == 1


async def test_keys_belong_to_their_account(server: Running) -> None:
    one = await _send(server, "k1")
    two = await _send(server, "k1", {**BODY, "content": "other"}, user="officer")
    assert (one.status_code, two.status_code) == (201, 201)
    assert len(await rows(server, outbound)) == 2


async def test_a_refused_request_leaves_its_key_free(server: Running) -> None:
    assert (await _send(server, "k1", {"to": "x"})).status_code == 400
    assert (await _send(server, "k1")).status_code == 201


async def test_twenty_at_once_make_one_message(server: Running) -> None:
    answers = await asyncio.gather(*(_send(server, "race") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len(await rows(server, outbound)) == 1


async def test_twenty_at_once_with_two_bodies_make_one_message(server: Running) -> None:
    answers = await asyncio.gather(
        *(_send(server, "race", {**BODY, "content": f"text {i % 2}"}) for i in range(20))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 10 + [422] * 10
    assert len(await rows(server, outbound)) == 1


async def test_a_list_is_claimed_whole(server: Running) -> None:
    body = [BODY, BODY, BODY]
    first = await _send(server, "k", body)
    assert (await _send(server, "k", body)).content == first.content
    assert len(await rows(server, outbound)) == 3


@pytest.mark.parametrize(("key", "status"), [("", 400), ("x" * 256, 400), ("x" * 255, 201)])
async def test_a_key_has_1_to_255_characters(embedded: Running, key: str, status: int) -> None:
    assert (await _send(embedded, key)).status_code == status


async def test_without_a_key_each_request_is_new(embedded: Running) -> None:
    for _ in range(2):
        assert (await embedded.call("POST", PATH, json=BODY)).status_code == 201
    assert len(await rows(embedded, outbound)) == 2
