"""The stand-ins for aggregators answer as the companies' pages say, and fail on demand."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import httpx2
import pytest

from smsgate.fakes import africastalking as at
from smsgate.fakes import rapidpro as rp
from smsgate.fakes.callbacks import Callbacks
from smsgate.fakes.faults import (
    Answer,
    Fault,
    bomb,
    huge,
    redirect,
    server_error,
    throttled,
)
from smsgate.fakes.service import Request, Service
from smsgate.fakes.serving import serving
from tests.fake_services import africastalking, rapidpro

NUMBER = "+254711000001"
TOKEN = {"Authorization": "Token fake-key"}


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(trust_env=False, timeout=5) as made:
        yield made


async def text(
    client: httpx2.AsyncClient, url: str, to: str = NUMBER, key: str = "fake-key", **more: str
) -> httpx2.Response:
    form = {"username": "sandbox", "to": to, "message": "hello", **more}
    return await client.post(url + at.MESSAGING, data=form, headers={"apiKey": key})


@pytest.mark.parametrize(
    ("to", "code", "status", "sent"),
    [
        (NUMBER, 101, "Sent", "Sent to 1/1 Total Cost: KES 0.8000"),
        ("+254711000102", 102, "Queued", "Sent to 1/1 Total Cost: KES 0.8000"),
        *(
            (f"+254711{number:06d}", number, status, "Sent to 0/1 Total Cost: KES 0.0000")
            for number, status in at.STATUS_OF.items()
            if number > 400
        ),
        ("hello", 403, "InvalidPhoneNumber", "Sent to 0/1 Total Cost: KES 0.0000"),
    ],
)
async def test_a_recipient_of_africas_talking(
    client: httpx2.AsyncClient, to: str, code: int, status: str, sent: str
) -> None:
    async with africastalking(by_number=True) as fake:
        response = await text(client, fake.url, to)
    assert response.status_code == 201
    data = response.json()["SMSMessageData"]
    (recipient,) = data["Recipients"]
    assert data["Message"] == sent
    assert (recipient["statusCode"], recipient["status"]) == (code, status)
    if code < 400:
        assert recipient["messageId"].startswith("ATXid_")
        assert (recipient["cost"], recipient["messageParts"]) == ("KES 0.8000", 1)
    else:
        assert (recipient["messageId"], recipient["cost"]) == ("None", "0")


@pytest.mark.parametrize(
    ("changes", "status", "body"),
    [
        ({"key": "other"}, 401, "The supplied authentication is invalid"),
        ({"username": "other"}, 401, "The supplied authentication is invalid"),
        ({"message": ""}, 400, "Request is missing required form field 'message'"),
        ({"to": ""}, 400, "Request is missing required form field 'to'"),
        (
            {"from": "NOBODY"},
            201,
            {"SMSMessageData": {"Message": "InvalidSenderId", "Recipients": []}},
        ),
    ],
)
async def test_a_whole_request_that_africas_talking_refuses(
    client: httpx2.AsyncClient, changes: dict[str, str], status: int, body: object
) -> None:
    async with africastalking(username="sandbox", sender_ids=["CLINIC"]) as fake:
        response = await text(client, fake.url, **changes)
        assert not fake.service.taken
    assert response.status_code == status
    assert (response.json() if isinstance(body, dict) else response.text) == body


async def test_several_recipients_and_the_newer_service(client: httpx2.AsyncClient) -> None:
    async with africastalking() as fake:
        response = await text(client, fake.url, f"{NUMBER},+254711000002", message="x" * 161)
        old = response.json()["SMSMessageData"]
        body = {"username": "u", "message": "ग" * 71, "phoneNumbers": [NUMBER]}
        response = await client.post(fake.url + at.BULK, json=body, headers={"apiKey": "fake-key"})
        new = response.json()["SMSMessageData"]
        elsewhere = await client.get(fake.url + "/elsewhere")
    assert old["Message"] == "Sent to 2/2 Total Cost: KES 3.2000"
    assert [each["number"] for each in old["Recipients"]] == [NUMBER, "+254711000002"]
    assert new["Recipients"][0]["messageParts"] == 2
    assert elsewhere.status_code == 404


async def test_incoming_messages_that_are_fetched(client: httpx2.AsyncClient) -> None:
    async with africastalking() as fake:
        fake.service.inbox += [{"id": 7, "text": "one"}, {"id": 8, "text": "two"}]
        url = f"{fake.url}{at.MESSAGING}?username=u&lastReceivedId=7"
        response = await client.get(url, headers={"apiKey": "fake-key"})
    assert response.json() == {"SMSMessageData": {"Messages": [{"id": 8, "text": "two"}]}}


class Listener(Service):
    """What smsgate is to a fake: takes callbacks."""

    status = 200

    def answer(self, request: Request) -> Answer:  # noqa: ARG002 - any call is taken
        return Answer.json({"saved": 1}, self.status)

    def sends(self, request: Request) -> list[tuple[str, str]]:  # noqa: ARG002 - likewise
        return []

    @property
    def forms(self) -> list[dict[str, str]]:
        return [request.form for request in self.requests]


@asynccontextmanager
async def listening(**options: Any) -> AsyncIterator[tuple[Listener, str]]:
    listener = Listener(**options)
    async with serving(listener) as url:
        yield listener, f"{url}/reports?key=k"


async def test_delivery_reports_come_by_themselves(client: httpx2.AsyncClient) -> None:
    async with (
        listening() as (listener, url),
        africastalking(reports_url=url, posting={"parallel": 1}) as fake,
    ):
        await text(client, fake.url)
        await fake.callbacks.settled()
        (reference,) = fake.service.texted
        shared = {"id": reference, "phoneNumber": NUMBER, "networkCode": "99999"}
        assert listener.forms == [
            {**shared, "status": "Submitted"},
            {**shared, "status": "Success"},
        ]
        assert fake.callbacks.answers == {200: 2}
        assert listener.requests[0].parameter("key") == "k"
        # And by hand: any word, any reference.
        report = fake.service.report("ATXid_x", "Rejected", url=url, reason="UserIsInactive")
        assert (await fake.service.say(report)).body == '{"saved": 1}'
    assert listener.forms[-1]["failureReason"] == "UserIsInactive"
    assert "key" not in repr(report)


async def test_reports_twice_shuffled_and_failed(client: httpx2.AsyncClient) -> None:
    posting = {"parallel": 1, "duplicates": 1.0, "shuffle": 5, "rng": random.Random(3)}
    async with (
        listening() as (listener, url),
        africastalking(reports_url=url, fail_rate=1.0, posting=posting) as fake,
    ):
        for _ in range(3):
            await text(client, fake.url)
        await fake.callbacks.settled()
    said = [form["status"] for form in listener.forms]
    assert sorted(said) == ["Failed"] * 6 + ["Submitted"] * 6
    assert said != ["Submitted", "Submitted", "Failed", "Failed"] * 3
    assert {form.get("failureReason") for form in listener.forms} == {None, "DeliveryFailure"}


async def test_a_callback_that_nobody_takes() -> None:
    async with Callbacks() as callbacks:
        heard = await callbacks.now(at.opt_out(NUMBER, url="http://127.0.0.1:1/x"))
    assert heard.status == 0


def test_what_is_posted() -> None:
    form = parse_qs(at.incoming("+1", "a&b +", url="u", reference="r", link="7").body.decode())
    assert (form["from"], form["text"], form["id"], form["linkId"]) == (
        ["+1"],
        ["a&b +"],
        ["r"],
        ["7"],
    )
    assert parse_qs(at.opt_out("+1", url="u").body.decode()) == {
        "senderId": ["PROGRAMME"],
        "phoneNumber": ["+1"],
    }
    post = rp.incoming("+1", "hé", url="u", key="k", reference="r")
    assert json.loads(post.body) == {"id": "r", "from": "+1", "content": "hé"}
    assert post.headers["Authorization"] == "Token k"


async def broadcast(client: httpx2.AsyncClient, url: str, **body: Any) -> httpx2.Response:
    asked = {"urns": [f"tel:{NUMBER}"], "text": "hello"} | body
    return await client.post(url + rp.BROADCASTS, json=asked, headers=TOKEN)


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("v9", {"status": "queued"}),
        ("v26", {"status": "pending", "progress": {"total": -1, "started": 0}}),
    ],
)
async def test_a_broadcast_in_both_shapes(
    client: httpx2.AsyncClient, version: str, keys: dict[str, Any]
) -> None:
    async with rapidpro(version=version) as fake:
        response = await broadcast(client, fake.url, text={"fra": "bonjour"})
    assert response.status_code == 201
    made = response.json()
    assert made["text"] == {"fra": "bonjour"}
    assert {**made, **keys} == made
    assert ("uuid" in made) is (version == "v26")
    assert response.headers["X-Temba-Workspace"] == "fake"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "detail"),
    [
        ("POST", rp.BROADCASTS, {}, {}, 403, {"detail": "Invalid token"}),
        (
            "POST",
            rp.BROADCASTS,
            {"text": "x"},
            TOKEN,
            400,
            {"non_field_errors": ["Must provide either urns, contacts or groups."]},
        ),
        ("POST", rp.BROADCASTS, {"urns": ["tel:+1"] * 101, "text": "x"}, TOKEN, 400, None),
        ("POST", rp.BROADCASTS, None, TOKEN, 400, None),
        ("POST", rp.MESSAGES, {"text": "x"}, TOKEN, 400, None),
        ("PUT", rp.BROADCASTS, {}, TOKEN, 405, None),
        ("GET", "/api/v2/elsewhere.json", None, TOKEN, 404, None),
        (
            "GET",
            f"{rp.MESSAGES}?contact=1&broadcast=2",
            None,
            TOKEN,
            400,
            {
                "detail": "You may only specify one of the contact, folder, label, broadcast"
                " parameters"
            },
        ),
    ],
)
async def test_what_rapidpro_refuses(
    client: httpx2.AsyncClient,
    method: str,
    path: str,
    body: Any,
    headers: dict[str, str],
    status: int,
    detail: Any,
) -> None:
    async with rapidpro() as fake:
        response = await client.request(method, fake.url + path, json=body, headers=headers)
    assert response.status_code == status
    if detail is not None:
        assert response.json() == detail


async def test_a_message_walks_and_pages_have_cursors(client: httpx2.AsyncClient) -> None:
    async with rapidpro(page=2) as fake:
        number = (await broadcast(client, fake.url)).json()["id"]
        look = f"{fake.url}{rp.MESSAGES}?broadcast={number}"
        said, one = [], {}
        for _ in range(5):
            (one,) = (await client.get(look, headers=TOKEN)).json()["results"]
            said.append(one["status"])
        assert said == ["queued", "wired", "sent", "delivered", "delivered"]
        for walk in (["errored", "failed"], ["wired"]):
            fake.service.add(number, f"tel:{NUMBER}", walk)
        first = (await client.get(look, headers=TOKEN)).json()
        second = (await client.get(first["next"], headers=TOKEN)).json()
        back = (await client.get(second["previous"], headers=TOKEN)).json()
        uuid = (
            await client.get(f"{fake.url}{rp.MESSAGES}?uuid={one['uuid']}", headers=TOKEN)
        ).json()
        other = (await client.get(f"{fake.url}{rp.MESSAGES}?broadcast=1", headers=TOKEN)).json()
    assert [one["status"] for one in first["results"]] == ["wired", "errored"]
    assert [one["status"] for one in second["results"]] == ["delivered"]
    assert second["next"] is None
    assert [one["status"] for one in back["results"]] == ["wired", "failed"]
    assert [one["uuid"] for one in uuid["results"]] == [one["uuid"]]
    assert other["results"] == []


async def test_one_message_of_rapidpro(client: httpx2.AsyncClient) -> None:
    async with rapidpro(fail_rate=1.0) as fake:
        body = {"contact": f"tel:{NUMBER}", "text": "hello"}
        response = await client.post(fake.url + rp.MESSAGES, json=body, headers=TOKEN)
        (made,) = fake.service.broadcasts.values()
    assert response.status_code == 201
    assert response.json()["urn"] == f"tel:{NUMBER}"
    assert made.messages[0].walk[-1] == "failed"
    assert fake.service.taken == {(NUMBER, "hello"): 1}


@pytest.mark.parametrize(
    ("entry", "seen", "taken"),
    [
        (None, 201, 1),
        (server_error(), 500, 0),
        (throttled(7), 429, 0),
        (redirect("http://127.0.0.1:1/"), 302, 0),
        (Answer(201, b"{", taken=True), 201, 1),
        (Fault("drip", seconds=0.0), 201, 1),
        (Fault("reset"), httpx2.ReadError, 1),
        (Fault("reset", taken=False), httpx2.ReadError, 0),
        (Fault("reset", unread=True), httpx2.ReadError, 0),
        (Fault("cut"), httpx2.ReadError, 1),
        (Fault("hang"), httpx2.ReadTimeout, 1),
    ],
    ids=str,
)
async def test_a_script(
    client: httpx2.AsyncClient, entry: Any, seen: int | type[Exception], taken: int
) -> None:
    client.timeout = httpx2.Timeout(0.3)
    async with africastalking() as fake:
        fake.service.script.append(entry)
        if isinstance(seen, int):
            assert (await text(client, fake.url)).status_code == seen
        else:
            with pytest.raises(seen):
                await text(client, fake.url)
        assert sum(fake.service.taken.values()) == taken
        assert (await text(client, fake.url)).status_code == 201  # the script is spent
        await fake.service.until(lambda: not fake.service.in_flight)
    assert len(fake.service.doubled) == taken


async def test_large_answers(client: httpx2.AsyncClient) -> None:
    async with africastalking() as fake:
        fake.service.script += [huge(3000), bomb(1 << 22)]
        assert len((await text(client, fake.url)).content) == 3000
        response = await text(client, fake.url)
    packed = bomb(1 << 22).body
    assert len(packed) < 10_000
    assert response.content == gzip.decompress(packed) == b" " * (1 << 22)


async def test_a_rule_a_gate_and_the_count_of_calls(client: httpx2.AsyncClient) -> None:
    async with africastalking(keep=2) as fake:
        service = fake.service
        service.rule = lambda request: throttled(1) if "2" in request.form["to"][-1] else None
        assert (await text(client, fake.url, "+254711000002")).status_code == 429
        service.rule = None
        service.gate = asyncio.Event()
        sending = [
            asyncio.create_task(text(client, fake.url, f"+25471100001{i}")) for i in range(3)
        ]
        await service.until(lambda: len(service.taken) == 3 or service.in_flight == 3)
        service.gate.set()
        assert {response.status_code for response in await asyncio.gather(*sending)} == {201}
        assert service.most_in_flight == 3
        assert service.calls == {"429": 1, "201": 3}
        assert len(service.requests) == 2
        assert NUMBER[:7] not in repr(service.requests)
        with pytest.raises(TimeoutError):
            await service.until(lambda: False, seconds=0.01)
