"""What the settings document says of the queue; quiet hours in the recipient's own zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smsgate.rules import Handset, QueueRules, RetryRule

KENYA, NEPAL, NOWHERE = "+254712345678", "+9779841202020", "77777"


def _rules(document: dict[str, Any]) -> tuple[QueueRules, list[str]]:
    warnings: list[str] = []
    return QueueRules.from_settings(document, warnings=warnings), warnings


def _at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}:00+00:00")


@pytest.mark.parametrize(
    ("recipient", "now", "until"),
    [
        (KENYA, "09T12:00", None),
        (KENYA, "09T17:59", None),
        (KENYA, "09T18:00", "10T04:00"),  # 21:00 in Nairobi
        (KENYA, "10T03:59", "10T04:00"),
        (KENYA, "10T04:00", None),
        (NEPAL, "09T15:15", "10T01:15"),  # 21:00 in Kathmandu
        (NEPAL, "09T18:14", "10T01:15"),
        (NEPAL, "10T01:15", None),
        (NOWHERE, "09T21:00", "10T07:00"),
        (NOWHERE, "09T20:59", None),
    ],
)
def test_quiet_hours_are_the_recipients(recipient: str, now: str, until: str | None) -> None:
    rules, warnings = _rules({"smsgate": {"quiet_hours": {"from": "21:00", "to": "07:00"}}})
    assert not warnings
    row = {"recipient": recipient, "inbound_id": None, "rank": 0}
    assert rules.quiet_until(row, _at(now)) == (None if until is None else _at(until))


def test_replies_and_urgent_messages_do_not_wait() -> None:
    quiet = {"from": "00:00", "to": "23:59", "timezone": "UTC"}
    rules, _ = _rules({"smsgate": {"quiet_hours": quiet}})
    row = {"recipient": KENYA, "inbound_id": None, "rank": 0}
    now = _at("09T12:00")
    assert rules.quiet_until(row, now) == _at("09T23:59")
    assert rules.quiet_until({**row, "rank": -4}, now)
    assert rules.quiet_until({**row, "rank": -5}, now) is None
    assert rules.quiet_until({**row, "inbound_id": "x"}, now) is None


@pytest.mark.parametrize(
    "quiet",
    [
        {},
        "night",
        {"from": "21:00"},
        {"from": "9 pm", "to": "07:00"},
        {"from": 21, "to": 7},
        {"from": "07:00", "to": "07:00"},
        {"from": "21:00+03:00", "to": "07:00"},
        {"from": "21:00", "to": "07:00", "timezone": "Mars/Phobos"},
        {"from": "21:00", "to": "07:00", "timezone": 3},
    ],
)
def test_quiet_hours_that_make_no_sense_are_warned_of(quiet: Any) -> None:
    rules, warnings = _rules({"smsgate": {"quiet_hours": quiet}})
    assert len(warnings) == 1
    assert (rules.quiet is None) is not (isinstance(quiet, dict) and "timezone" in quiet)


@pytest.mark.parametrize(
    ("document", "open_at", "shut_at"),
    [
        ({}, [0, 12, 23], []),
        ({"schedule_morning_hours": 8}, [8, 22, 23], [0, 7]),
        ({"schedule_morning_hours": "8", "schedule_evening_hours": "18"}, [8, 18], [7, 19]),
        ({"schedule_evening_hours": 0}, [0, 23], []),
        ({"schedule_morning_hours": 22, "schedule_evening_hours": 4}, [22, 23, 0, 4], [5, 21]),
        ({"schedule_morning_hours": "late", "schedule_evening_hours": 99}, [0, 23], []),
    ],
)
def test_the_daily_window(document: dict[str, Any], open_at: list[int], shut_at: list[int]) -> None:
    rules, _ = _rules(document)
    day = datetime(2026, 3, 9, tzinfo=UTC)

    def holds(hour: int) -> bool:
        return rules.window is None or rules.window.holds(day + timedelta(hours=hour))

    assert all(holds(hour) for hour in open_at)
    assert not any(holds(hour) for hour in shut_at)


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ({"times": 2}, RetryRule(2, timedelta(minutes=15))),
        (
            {"times": 2, "after_minutes": 1, "reasons": ["no", 3]},
            RetryRule(2, timedelta(minutes=1), ("no",)),
        ),
        ({}, None),
        (None, None),
        ([], None),
        ({"times": 0}, None),
        ({"times": True}, None),
        ({"times": 21}, None),
        ({"times": float("nan")}, None),
        ({"times": 1, "after_minutes": -1}, None),
    ],
)
def test_the_retry_rule(value: object, rule: RetryRule | None) -> None:
    assert RetryRule.from_settings(value) == rule


def test_the_retry_rule_looks_at_the_reason() -> None:
    rule = RetryRule(1, timedelta(), ("no-service", "radio"))
    assert rule.wants('{"reason": "radio-off"}')
    assert not rule.wants('{"reason": "generic"}')
    assert not rule.wants(None)
    assert RetryRule(1, timedelta()).wants(None)


def test_handsets() -> None:
    rules, _ = _rules(
        {
            "smsgate": {
                "gateways": {
                    "a": {"prefixes": ["+2547", ""], "capacity": 30},
                    "b": {"paused": True, "prefixes": ["+977"], "capacity": "many"},
                    "c": "odd",
                }
            }
        }
    )
    assert rules.handset("a") == Handset(("+2547",), 30)
    assert rules.handset("b") == Handset(("+977",), None, paused=True)
    assert rules.handset("c") == rules.handset("d") == Handset()
    assert rules.preferred_elsewhere(KENYA, "d")
    assert not rules.preferred_elsewhere(KENYA, "a")
    assert not rules.preferred_elsewhere(NEPAL, "a")  # paused


@pytest.mark.parametrize(
    ("value", "limit"),
    [(None, 5), (3, 3), ("4", 4), (0, 5), (-1, 5), ("x", 5), (True, 5), (21, 20), (1e3, 5)],
)
def test_the_duplicate_limit(value: object, limit: int) -> None:
    rules, _ = _rules({"sms": {"duplicate_limit": value}})
    assert rules.duplicate_limit == limit
