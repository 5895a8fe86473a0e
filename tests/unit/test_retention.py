"""How long what is kept, what is left of it, and what a backup says of itself: the pure parts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from smsgate import blanking, manifest, retention
from smsgate.document import first_document, own_key_warnings
from smsgate.manifest import Manifest
from smsgate.retention import Retention
from tests.make import NOON


def stated(**days: Any) -> dict[str, Any]:
    return {"smsgate": {"retention": days}}


@pytest.mark.parametrize("document", [{}, {"smsgate": 5}, {"smsgate": {"retention": []}}, stated()])
def test_the_defaults_hold_where_nothing_is_said(document: dict[str, Any]) -> None:
    assert Retention.of(document) == Retention(365, 30, 730, 90)
    assert retention.faults(document) == []


def test_a_new_installation_says_the_defaults() -> None:
    first = first_document(NOON.date())
    assert Retention.of(first) == Retention()
    assert set(first["smsgate"]["retention"]) == {
        "content_days", "raw_days", "audit_days", "quarantine_days",
    }  # fmt: skip


@pytest.mark.parametrize("days", [-1, 0.5, float("nan"), float("inf"), 10**9])
def test_what_is_no_number_of_days_deletes_nothing_and_is_told(days: float) -> None:
    rules = Retention.of(stated(content_days=days))
    assert rules == Retention(content_days=0)
    assert rules.before(rules.content_days, NOON) is None
    (line,) = retention.faults(stated(content_days=days))
    assert "content_days" in line


@pytest.mark.parametrize("days", ["30", None, True, []])
def test_another_type_deletes_nothing(days: Any) -> None:
    assert Retention.of(stated(raw_days=days)).raw_days == 0
    assert retention.faults(stated(raw_days=days)) == []
    assert len(own_key_warnings(stated(raw_days=days))) == 1


def test_days_are_counted_back() -> None:
    rules = Retention.of(stated(content_days=1.5, raw_days=0))
    assert rules.before(rules.content_days, NOON) == NOON - timedelta(hours=36)
    assert rules.before(rules.raw_days, NOON) is None
    assert rules.before(36_525, datetime(50, 1, 1, tzinfo=UTC)) is None


def test_a_record_keeps_what_it_was() -> None:
    document = {
        "type": "data_record",
        "from": "+254712345678",
        "form": "ANC",
        "errors": [{"code": "sys.missing_fields", "message": "Sam is missing"}, "odd"],
        "fields": {"name": "Sam"},
        "sms_message": {"from": "+254712345678", "message": "1!ANC!Sam"},
        "reported_date": 1773057600000,
        "content_type": "sms",
    }
    assert json.loads(blanking.record(json.dumps(document))) == {
        "type": "data_record",
        "content_type": "sms",
        "form": "ANC",
        "reported_date": 1773057600000,
        "errors": [{"code": "sys.missing_fields"}],
        "fields": {},
        "blanked": True,
    }
    left = {"errors": [], "fields": {}, "blanked": True}
    for odd in ("{}", "[]", "no json", '{"errors": "Sam", "form": ["Sam"]}'):
        assert json.loads(blanking.record(odd)) == left


def test_an_answer_keeps_its_shape() -> None:
    one = {"id": "1", "to": "+254712345678", "content": "hello Sam", "original_content": None}
    other = {"id": "2", "to": "+254700000000", "content": "hello Eve", "state": "pending"}
    blank = {"id": "1", "to": None, "content": None, "original_content": None}
    assert json.loads(blanking.answer(json.dumps(one))) == blank
    both = json.dumps([one, other])
    assert json.loads(blanking.answer(both, lambda to: to == one["to"])) == [blank, other]
    assert json.loads(blanking.answer(json.dumps({"data": [one]}))) == {"data": [blank]}
    assert blanking.answer("an id") == "an id"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("'+254712345678' is not valid", "'[erased]' is not valid"),
        ("254712345678: no", "[erased]: no"),
        ("InvalidPhoneNumber", "InvalidPhoneNumber"),
        (None, None),
    ],
)
def test_a_remark_loses_the_number(text: str | None, left: str | None) -> None:
    assert blanking.remark(text, "+254712345678") == left
    assert blanking.remark(text, "MPESA") == text


def test_a_manifest_can_be_read_again(tmp_path: Path) -> None:
    file = tmp_path / "b.db"
    file.write_bytes(b"x" * 3_000_000)
    size, sha256 = manifest.digest(file)
    made = Manifest(
        smsgate="1",
        engine="sqlite",
        schema="0001",
        at=NOON,
        size=size,
        sha256=sha256,
        rows={"a": 1},
    )
    assert manifest.beside(file).name == "b.db.json"
    assert manifest.read(manifest.write(made)) == made
    for text in (b"", b"{}", b"[]", manifest.write(made).replace(b'"format": 1', b'"format": 2')):
        assert manifest.read(text) is None
