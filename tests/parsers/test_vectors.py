"""Every public conformance case, driven from the files."""

from __future__ import annotations

import pytest

from tests.parsers.cases import Case, load, parse_answer, record_answer

# Cases smsgate answers otherwise on purpose: id -> reason. Kept empty.
DISPUTED: dict[str, str] = {}


def _undisputed(name: str) -> list[object]:
    return [pytest.param(case, id=case["id"]) for case in load(name) if case["id"] not in DISPUTED]


@pytest.mark.parametrize("case", _undisputed("parse.public"))
def test_a_public_parse_case(case: Case) -> None:
    answer, expected = parse_answer(case), case["expect"]

    assert answer.get("form_code") == expected.get("form_code")
    if "parser" in expected:
        assert answer["parser"] == expected["parser"]
    if case["form"] is not None:
        assert answer["fields"] == expected["fields"]


@pytest.mark.parametrize("case", _undisputed("records.public"))
def test_a_public_records_case(case: Case) -> None:
    expected = {key: value for key, value in case["expect"].items() if key != "error_class"}

    assert record_answer(case) == expected


def test_nothing_is_disputed() -> None:
    assert DISPUTED == {}


def test_the_files_are_whole() -> None:
    assert len(load("parse.public")) == 1109
    assert len(load("records.public")) == 278
