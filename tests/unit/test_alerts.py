"""Which figures are an alert, and how urgent."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from smsgate.alerts import Limits, Machine, Scene, judge
from smsgate.document import OWN_KEYS
from smsgate.figures import Ended, Phone, Snapshot, Waiting
from smsgate.message import State
from smsgate.segments import MOST_PARTS
from smsgate.store.engine import transactor
from smsgate.store.routes import RouteRow
from smsgate.store.writer import Writer
from smsgate.tally import COMMIT_BOUNDS, Distribution, Tally
from smsgate.web import exposition
from smsgate.web.traffic import CHT_SECONDS, Traffic
from tests.make import NOON

RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "smsgate.rules.yml"
DOCS = Path(__file__).parents[2] / "docs" / "monitoring.md"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def phone(account: str = "gateway", **changes: Any) -> Phone:
    values: dict[str, Any] = {
        "last_poll_at": NOON,
        "app_version": "1.8.0",
        "address": "10.0.0.7",
        "address_changes": (),
        "held": 0,
        "pinned": Waiting(),
        "ended": Ended(),
    }
    return Phone(account=account, **{**values, **changes})


def scene(
    *, machine: Machine | None = None, warnings: list[str] | None = None, **changes: Any
) -> Scene:
    limits = Limits(**changes.pop("limits", {}))
    values: dict[str, Any] = {
        "at": NOON,
        "by_state": dict.fromkeys(State, 0),
        "waiting": Waiting(),
        "shared": 0,
        "phones": [phone()],
        "ended": Ended(),
        "quarantined": 0,
        "quarantined_since": None,
        "orphans": 0,
        "conflicts": 0,
        "last_conflict_at": None,
        "arrived": 100,
        "arrived_last_week": 100,
    }
    return Scene(
        figures=Snapshot(**{**values, **changes}),
        accounts=frozenset({"gateway", "phone2"}),
        machine=machine or Machine(),
        warnings=warnings or [],
        limits=limits,
    )


def told(scene: Scene) -> list[tuple[str, str, str]]:
    return [(one.name, one.severity.value, one.subject) for one in judge(scene)]


def heard(minutes: float, **changes: Any) -> list[Phone]:
    return [phone(last_poll_at=NOON - minutes * MINUTE, **changes)]


def turns(*minutes: float) -> list[Phone]:
    return [phone(address_changes=tuple(NOON - one * MINUTE for one in minutes))]


def waiting(minutes: float) -> Waiting:
    return Waiting(3, NOON - minutes * MINUTE)


CASES: list[tuple[dict[str, Any], list[tuple[str, str, str]]]] = [
    ({}, []),
    ({"phones": heard(9.9)}, []),
    ({"phones": heard(10)}, [("PhoneNotPolling", "warn", "gateway")]),
    ({"phones": heard(30)}, [("PhoneNotPolling", "page", "gateway")]),
    ({"phones": heard(30, account="removed")}, []),
    ({"phones": heard(12), "limits": {"phone_warn_minutes": 15}}, []),
    ({"phones": [phone(last_poll_at=None)]}, []),
    ({"phones": turns(8, 5, 2)}, []),
    ({"phones": turns(8, 5, 2, 1)}, [("AccountShared", "warn", "gateway")]),
    ({"phones": turns(80, 50, 2, 1)}, []),
    ({"waiting": waiting(14)}, []),
    ({"waiting": waiting(15)}, [("OutboundQueueOld", "warn", "phones")]),
    ({"waiting": waiting(60)}, [("OutboundQueueOld", "page", "phones")]),
    ({"routes": [RouteRow("one")]}, []),
    ({"routes": [RouteRow("one", NOON, NOON + MINUTE)]}, [("RoutePaused", "warn", "one")]),
    ({"routes": [RouteRow("one", NOON - 9 * MINUTE)]}, [("RoutePaused", "warn", "one")]),
    (
        {"routes": [RouteRow("one", NOON - 5 * MINUTE, NOON + MINUTE)]},
        [("RoutePaused", "page", "one")],
    ),
    ({"ended": Ended(finished=19, failed=19)}, []),
    ({"ended": Ended(finished=100, failed=9)}, []),
    ({"ended": Ended(finished=100, failed=10)}, [("FailureRatio", "warn", "all")]),
    ({"ended": Ended(finished=20, failed=6)}, [("FailureRatio", "page", "all")]),
    (
        {"phones": [phone(ended=Ended(finished=20, failed=20))]},
        [("FailureRatio", "page", "gateway")],
    ),
    ({"ended": Ended(unknown=5)}, []),
    ({"ended": Ended(unknown=6)}, [("UnknownOutcomes", "warn", "all")]),
    ({"arrived": 9}, [("InboundSilence", "warn", "all")]),
    ({"arrived": 10}, []),
    ({"arrived": 0, "arrived_last_week": 19}, []),
    ({"quarantined": 1}, [("Quarantine", "warn", "all")]),
    ({"quarantined": 20}, [("Quarantine", "page", "all")]),
    ({"conflicts": 1, "last_conflict_at": NOON}, [("IdConflict", "warn", "all")]),
    ({"machine": Machine(disk_free_percent=9.9)}, [("DiskLow", "warn", "disk")]),
    ({"machine": Machine(disk_free_percent=4.9)}, [("DiskLow", "page", "disk")]),
    ({"machine": Machine(disk_free_percent=10, wal_bytes=64 * 2**20)}, []),
    ({"machine": Machine(wal_bytes=64 * 2**20 + 1)}, [("WalBig", "warn", "database")]),
    ({"machine": Machine(last_redirected_at=NOON)}, [("SuspectedRedirect", "page", "all")]),
    ({"machine": Machine(last_redirected_at=NOON - 61 * MINUTE)}, []),
    ({"backup_at": NOON - 26 * HOUR, "installed_at": NOON - 90 * HOUR}, []),
    ({"backup_at": NOON - 26 * HOUR - MINUTE}, [("BackupOld", "warn", "database")]),
    ({"backup_at": NOON - 90 * HOUR, "limits": {"backup_hours": 100}}, []),
    ({"installed_at": NOON - 26 * HOUR}, []),
    ({"installed_at": NOON - 27 * HOUR}, [("BackupOld", "warn", "database")]),
    ({"warnings": ["a", "b"]}, [("SettingsWarning", "warn", "settings")] * 2),
]


@pytest.mark.parametrize(("changes", "expected"), CASES)
def test_what_is_an_alert(changes: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    assert told(scene(**changes)) == expected


def test_a_silent_phone_is_no_silence_of_senders() -> None:
    assert told(scene(phones=heard(11), arrived=0)) == [("PhoneNotPolling", "warn", "gateway")]


def test_the_urgent_come_first() -> None:
    alerts = told(scene(quarantined=1, waiting=waiting(90), conflicts=1))
    assert [name for name, _, _ in alerts] == ["OutboundQueueOld", "IdConflict", "Quarantine"]


def test_each_says_what_to_do_and_when_it_began() -> None:
    since: dict[str, datetime | None] = {}
    for changes, _ in CASES:
        for alert in judge(scene(**changes)):
            assert alert.summary.endswith(".") or alert.name == "SettingsWarning"
            assert alert.what_to_do.endswith(".")
            since[alert.name] = alert.since
    assert since["PhoneNotPolling"] == NOON - 30 * MINUTE
    assert since["OutboundQueueOld"] == NOON - 60 * MINUTE


def test_limits_come_from_the_settings() -> None:
    document = {
        "smsgate": {
            "alerts": {
                "phone_warn_minutes": 3,
                "queue_warn_minutes": "x",
                "address_changes": True,
                "wal_mib": -1,
                "nonsense": 5,
            }
        }
    }
    assert Limits.from_settings(document) == Limits(phone_warn_minutes=3)
    assert Limits.from_settings({"smsgate": 3}) == Limits.from_settings({}) == Limits()
    assert set(OWN_KEYS["alerts"]) == {one.name for one in fields(Limits)}


# -- the same as Prometheus rules


def _idle_writer() -> Writer:
    return Writer(transactor("sqlite+aiosqlite:///never-opened.db"))


def _exported() -> set[str]:
    tally = Tally()
    tally.inbound["cht-gateway", "stored"] += 1
    tally.auth_failures["password"] += 1
    tally.pushed("africastalking", "ok", 0.1)
    traffic = Traffic()
    traffic.note("GET", "/", 200, seconds=0.1, asked=0, said=5)
    writer = _idle_writer()
    writer.changes.moved["pending", "sent"] += 1
    writer.changes.ignored["late"] += 1
    families = exposition.own(
        scene(routes=[RouteRow("africastalking")], purged={"inbound": 5}).figures,
        traffic,
        tally,
        writer,
        Machine(disk_free_bytes=1, disk_free_percent=50, wal_bytes=1),
    )
    return {sample.name for family in families for sample in family.samples}


def _page() -> str:
    return DOCS.read_text(encoding="utf-8")


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_metric_in_a_rule_is_exported() -> None:
    exported = _exported()
    for rule in _rules():
        named = set(re.findall(r"\bsmsgate_\w+", rule["expr"]))
        assert named <= exported, rule["alert"]
        assert named or rule["alert"] == "NotReady"
        assert rule["labels"]["severity"] in ("warn", "page")
        assert {"summary", "what_to_do"} == set(rule["annotations"])


def test_every_alert_of_ours_that_has_a_metric_has_a_rule() -> None:
    ours = {alert.name for changes, _ in CASES for alert in judge(scene(**changes))}
    rules = {rule["alert"] for rule in _rules()}
    assert ours - rules == {"AccountShared", "SettingsWarning"}
    assert rules - ours == {"NotReady", "CommitSlow", "AuthAttack"}
    described = set(re.findall(r"^\| `([A-Z]\w+)` \|", _page(), re.MULTILINE))
    assert described == ours


def test_every_metric_is_described_and_no_other() -> None:
    described = set(re.findall(r"`(smsgate_\w+)`", _page()))
    exported = {
        re.sub(r"_(bucket|count|sum|created)$", "", name)
        for name in _exported()
        if name.startswith("smsgate_")
    }
    assert described == exported


def test_an_account_named_like_a_number_is_not_told() -> None:
    figures = scene(phones=[phone("+254712345678")]).figures
    families = exposition.own(figures, Traffic(), Tally(), _idle_writer(), Machine())
    told = {
        sample.labels["phone"]
        for one in families
        for sample in one.samples
        if "phone" in sample.labels
    }
    assert len(told) == 1
    assert re.fullmatch(r"phone-[0-9a-f]{8}", told.pop())


# -- counting


def test_a_value_on_a_bound_is_under_it() -> None:
    seen = Distribution((0.1, 1.0, 10.0))
    for value in (0.1, 0.2, 1.0, 50.0):
        seen.observe(value)
    assert list(seen.cumulated()) == [("0.1", 1), ("1.0", 3), ("10.0", 3), ("+Inf", 4)]
    assert list(seen.cumulated((1.0,))) == [("1.0", 3), ("+Inf", 4)]
    assert seen.total == 4
    assert seen.sum == pytest.approx(51.3)


def test_bounds_are_in_order() -> None:
    assert list(CHT_SECONDS) == sorted(set(CHT_SECONDS))
    assert (len(CHT_SECONDS), CHT_SECONDS[0], CHT_SECONDS[-1]) == (23, 0.004, 3600)
    assert list(COMMIT_BOUNDS) == sorted(set(COMMIT_BOUNDS))
    assert MOST_PARTS == 10


def test_methods_that_do_not_exist_share_one_name() -> None:
    traffic = Traffic()
    for number in range(100):
        traffic.note(f"M{number}", "(none)", 405, seconds=0, asked=0, said=0)
    assert set(traffic.answers) == {("OTHER", "(none)", 405)}
