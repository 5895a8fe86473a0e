"""What of the settings document an aggregator is told."""

from __future__ import annotations

from typing import Any

import pytest

from smsgate.aggregators.base import Options
from smsgate.programme import Programme, build
from smsgate.registry import FormSet


def programme(document: dict[str, Any]) -> Programme:
    return build(document, version=1, files=FormSet())


def test_each_part_of_the_document_has_its_place() -> None:
    made = programme(
        {
            "sms": {"reply_to": "20880"},
            "smsgate": {
                "public_url": "https://sms.example.org/",
                "routes": {"africastalking": {"parallel": 4}},
            },
        }
    )
    options = made.options("africastalking")
    assert options.sms == {"reply_to": "20880"}
    assert options.route == {"parallel": 4}
    assert options.callback_url == "https://sms.example.org"
    assert made.options().route == made.options("another").route == {}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"sms": None, "smsgate": []},
        {"smsgate": {"routes": [], "public_url": 5}},
        {"smsgate": {"routes": {"x": 1}, "public_url": "sms.example.org"}},
        {"smsgate": {"public_url": "https://name:word@sms.example.org"}},
    ],
)
def test_what_cannot_be_read_is_absent(document: dict[str, Any]) -> None:
    options = programme(document).options("x")
    assert Options(own=options.own) == options


def test_an_address_that_is_none_is_warned_of() -> None:
    warnings = programme({"smsgate": {"public_url": "sms.example.org"}}).warnings
    assert [w for w in warnings if w.startswith("smsgate.public_url")]
