"""What a webhook call showed to be let in is not kept with what it said."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from smsgate.aggregators.base import Call, Heard, Options, Secret
from smsgate.aggregators.http import family
from smsgate.webhooks import heard_without_secrets, without_secrets
from tests.make import NOON

SECRET = Secret('canary/secret "91c4"\n')
FIELDS = {"id": "id", "from": "from", "text": "text"}
# Where a described service is told to look for the secret, and a call without an id.
NO_ID = {"from": "+254711000001", "text": "hello"}
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
CALLS: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"query": "key"}, {"query": [("key", str(SECRET))], "type": FORM, "body": urlencode(NO_ID)}),
    (
        {"field": "token"},
        {"query": [], "type": JSON, "body": json.dumps({**NO_ID, "token": SECRET})},
    ),
    (
        {"field": "token"},
        {"query": [], "type": FORM, "body": urlencode({**NO_ID, "token": SECRET})},
    ),
]
WRITTEN = (str(SECRET), json.dumps(SECRET)[1:-1], urlencode({"": SECRET})[1:], "91c4")


@pytest.mark.parametrize(("place", "shown"), CALLS)
def test_what_is_set_aside_or_spooled_does_not_tell_it(
    place: dict[str, str], shown: dict[str, Any]
) -> None:
    (service,) = family.members(
        {"http": {"svc": {"incoming": {"fields": FIELDS, "secret": place}}}}
    )
    call = Call(
        endpoint="incoming-messages",
        method="POST",
        url="https://sms.example.org/api/v1/sms/svc/incoming-messages?" + urlencode(shown["query"]),
        headers={"content-type": shown["type"]},
        query=shown["query"],
        body=shown["body"].encode(),
        at=NOON,
    )
    assert service.verify(call, [SECRET], Options()) is None
    heard = service.read(call, Options())
    assert isinstance(heard, Heard)
    (kept,) = heard_without_secrets(heard, [SECRET]).unreadable
    assert kept.reason == "missing_id"
    assert b"hello" in kept.raw
    spooled = without_secrets(call, [SECRET])
    assert b"hello" in spooled.body
    for written in WRITTEN:
        for place_kept in (kept.raw, spooled.body, repr(spooled.query).encode()):
            assert written.encode() not in place_kept, written
        assert written not in spooled.url


def test_a_secret_too_short_to_be_one_does_not_spoil_the_words() -> None:
    call = Call("e", "POST", "", {}, [], b'{"text":"1!ANC!Sam"}', NOON)
    assert without_secrets(call, [Secret("1"), Secret("ANC")]).body == call.body
