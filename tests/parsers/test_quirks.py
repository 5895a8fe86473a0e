"""smsgate's own answers where it decides otherwise than the CHT (`spec/decisions.md` 19-28).

`quirks.smsgate.jsonl` says for each id of the quirk files what is to come out, and which decision
says so. The tests by family below it say the same in words, without looking at that file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from smsgate.record import Draft
from tests.parsers.cases import Case, load, parse_answer, record_answer, record_draft

ANSWERS = {answer["id"]: answer["expect"] for answer in load("quirks.smsgate")}
PARSE = load("parse.quirks")
RECORDS = load("records.quirks")


def _of(cases: tuple[Case, ...], *families: str) -> list[object]:
    found = [case for case in cases if case["decision"].startswith(families)]
    assert found
    return [pytest.param(case, id=case["id"]) for case in found]


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _values(inner)
    else:
        yield value


@pytest.mark.parametrize("case", _of(PARSE, ""))
def test_our_answer_to_a_parse_quirk(case: Case) -> None:
    assert parse_answer(case) == ANSWERS[case["id"]]


@pytest.mark.parametrize("case", _of(RECORDS, ""))
def test_our_answer_to_a_records_quirk(case: Case) -> None:
    assert record_answer(case) == ANSWERS[case["id"]]


def test_every_quirk_has_one_answer() -> None:
    assert sorted(ANSWERS) == sorted(case["id"] for case in (*PARSE, *RECORDS))


@pytest.mark.parametrize("case", _of(PARSE, ""))
def test_no_value_is_nan_or_infinite(case: Case) -> None:
    for value in _values(parse_answer(case)["fields"]):
        assert not (isinstance(value, float) and not math.isfinite(value))


@pytest.mark.parametrize("case", _of(PARSE, "D20", "D33"))
def test_a_string_field_of_a_key_value_text_is_a_text(case: Case) -> None:
    for key in ("note", "notes", "place_id", "patient_id", "name", "x", "y", "q", "facility"):
        value = parse_answer(case)["fields"].get(key, "")
        assert value is None or isinstance(value, str)


@pytest.mark.parametrize("case", _of(PARSE, "D21", "D33 date", "JS"))
def test_a_date_is_the_whole_text_or_null(case: Case) -> None:
    message = case["message"]
    if case["form"] != "ONED" or message == "":
        return
    text = re.sub(r"^(1!ONED!|ONED )(dt )?", "", message).strip()
    value = parse_answer(case)["fields"]["on"]
    if re.fullmatch(r"\d{1,3}|\d{5,6}|\d{9,}", text, re.ASCII):
        assert value is None  # bare digits of another length than a date's
    if re.search(r"[a-su-z,]$|-02-3|-00|-13-|-32|noon|\dT$", text):
        assert value is None


@pytest.mark.parametrize("case", _of(PARSE, "D22"))
def test_a_header_is_never_a_value(case: Case) -> None:
    for value in _values(parse_answer(case)["fields"]):
        assert not (isinstance(value, str) and re.match(r"\s*[A-Za-z]?\d!.*!", value))


@pytest.mark.parametrize("case", _of(PARSE, "D22 two-bang"))
def test_two_bangs_mean_nothing_without_a_prefix(case: Case) -> None:
    message = case["message"].replace("\u200b", "")
    if re.match(r"\s*[A-Za-z]?[0-9]!", message):
        return
    found = re.match(r"\s*([^\s!\-,:#]+)", message)
    assert parse_answer(case).get("form_code") == (None if found is None else found[1].upper())


@pytest.mark.parametrize("case", _of(PARSE, "D23"))
def test_a_code_has_no_zero_width(case: Case) -> None:
    assert not set("\u200b\u200c\u200d\ufeff") & set(parse_answer(case)["form_code"])


@pytest.mark.parametrize("case", _of(PARSE, "empty is null"))
def test_an_empty_value_is_null_whatever_the_type(case: Case) -> None:
    assert "" not in list(_values(parse_answer(case)["fields"]))


def _codes(case: Case) -> list[str]:
    draft = record_draft(case)
    assert isinstance(draft, Draft)
    return [error["code"] for error in draft.errors]


@pytest.mark.parametrize("case", _of(RECORDS, "D21 dotted"))
def test_required_looks_into_groups(case: Case) -> None:
    draft = record_draft(case)
    assert isinstance(draft, Draft)
    for group, name in (("head", "name"), ("group", "leader")):
        if (draft.fields.get(group) or {}).get(name) is not None:
            assert f"{group}.{name}" not in draft.missing


def _record(message: str, form: str) -> Case:
    return {
        "settings": {"forms": [form]},
        "input": {"kind": "form", "body": {"from": "1", "message": message}},
    }


@pytest.mark.parametrize(
    ("message", "form", "codes"),
    [
        ("TWOSTR xx a#xx b", "TWOSTR", ["sys.duplicate_field"]),
        ("TWOSTR xx a#x b", "TWOSTR", ["sys.duplicate_field"]),  # label and key are one field
        ("TWOSTR xx a#XX b#Xx c", "TWOSTR", ["sys.duplicate_field"]),
        ("TWOSTR xx a#yy b", "TWOSTR", []),
        ("J1!TWOSTR!xx#a#xx#b", "TWOSTR", []),  # JavaRosa: the last one counts, as ever
        ("2!TWOSTR!a#b", "TWOSTR", ["sys.unknown_grammar"]),
        ("A1!TWOSTR!a#b", "TWOSTR", ["sys.unknown_grammar"]),
        ("2!ONEI!5", "ONEI", ["sys.missing_fields", "sys.unknown_grammar"]),
        ("2!NOSUCH!a", "TWOSTR", []),
        ("COUNTS", "COUNTS", ["sys.parse_error"]),
        ('COUNTS "', "COUNTS", ["sys.parse_error"]),
        ("1!COUNTS!", "COUNTS", ["sys.parse_error"]),
        ("1!COUNTS!x", "COUNTS", ["sys.parse_error"]),
        ("COUNTS zz 1#yy 2", "COUNTS", ["sys.parse_error"]),
        ("1!COUNTS!x#2", "COUNTS", []),  # something was read
        ("ONEI", "ONEI", ["sys.missing_fields"]),  # another error says so
        ("1!COUNTS!####", "COUNTS", ["extra_fields"]),
        ("1!NOFLD!", "NOFLD", []),  # a form without fields
        ("NOFLD", "NOFLD", []),
    ],
)
def test_the_errors_of_smsgates_own(message: str, form: str, codes: list[str]) -> None:
    assert _codes(_record(message, form)) == codes
