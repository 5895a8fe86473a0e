"""The address by which aggregators know this server, for those that sign it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from tests.running import Running

TOKEN = "a-token-of-twilio"
PATH = "/api/v1/sms/twilio/delivery-reports"
FIELDS = {"MessageSid": "SM" + "0a" * 16, "MessageStatus": "sent"}


def signature(url: str) -> str:
    tail = "".join(name + FIELDS[name] for name in sorted(FIELDS))
    digest = hmac.new(TOKEN.encode(), (url + tail).encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


async def reported(server: Running, signed: str, path: str = PATH, **headers: str) -> Any:
    headers["X-Twilio-Signature"] = signature(signed)
    response = await server.call("POST", path, user=None, data=FIELDS, headers=headers)
    return response.status_code


@pytest.fixture
async def twilio(embedded: Running) -> Running:
    response = await embedded.call(
        "PUT",
        "/api/v1/credentials/twilio:incoming",
        content=TOKEN,
        headers={"Content-Type": "text/plain"},
    )
    assert response.status_code == 200
    return embedded


async def test_by_default_it_is_the_one_that_was_called(twilio: Running) -> None:
    for path in (PATH, PATH + "/", PATH + "?a=%C3%A9&b=+"):
        assert await reported(twilio, twilio.url + path, path) == 200
    assert await reported(twilio, "https://sms.example.org" + PATH) == 403


async def test_the_setting_wins(twilio: Running) -> None:
    await twilio.call(
        "PUT", "/api/v1/settings", json={"smsgate": {"public_url": "https://sms.example.org/gw/"}}
    )
    assert await reported(twilio, "https://sms.example.org/gw" + PATH) == 200
    assert await reported(twilio, "https://sms.example.org/gw" + PATH, Host="elsewhere") == 200
    assert await reported(twilio, "https://elsewhere" + PATH) == 403
