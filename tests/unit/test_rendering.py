"""Records as messages, and messages no grammar can carry."""

from __future__ import annotations

from typing import Any

import pytest

from smsgate.catalogue import Catalogue
from smsgate.form import TYPES
from smsgate.grammar.base import Grammar, NotParsed
from smsgate.grammar.registry import installed
from smsgate.local_form import LocalForm
from smsgate.reading import ReadingRules
from smsgate.record import draft_from_text
from smsgate.registry import read_forms
from smsgate.rendering import example, render


def grammar(name: str) -> Grammar:
    found = installed().named(name)
    assert found is not None
    return found


def local(fields: dict[str, Any], code: str = "F") -> LocalForm:
    forms = read_forms({code: {"meta": {"code": code}, "fields": fields}}).forms
    rules = ReadingRules(forms=forms, catalogue=Catalogue({}, {}), default_country_code="254")
    return rules.local(forms[code])


def field(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "labels": {"tiny": more.pop("tiny", "t")}, **more}


@pytest.mark.parametrize("name", ["muvuku", "javarosa", "compact", "textforms"])
@pytest.mark.parametrize("kind", sorted(TYPES - {"bsAggreDate"}))
def test_the_sample_of_each_type_is_read(kind: str, name: str) -> None:
    form = local({"x": field(kind, required=True)})
    message = example(form, grammar(name))

    assert message is not None
    rules = ReadingRules(
        forms={"F": form.form}, catalogue=Catalogue({}, {}), default_country_code="254"
    )
    draft = draft_from_text(message, sender="", rules=rules, received_ms=1)
    assert draft.fields["x"] is not None
    assert draft.grammar == name


def test_an_example_shows_what_is_required() -> None:
    fields = {
        "patient_id": field("string", required=True, tiny="p"),
        "pick": field("integer", required=True, list=[[3, "three"]], tiny="k"),
        "more": field("string", tiny="m"),
    }
    assert example(local(fields), grammar("muvuku")) == "1!F!12345#3"


VALUE_CASES: list[tuple[dict[str, Any], Any, str | None]] = [
    (field("string", list=[["1", "red"]]), "red", "1!F!1"),
    (field("string", list=[["1", "red"]]), "other", "1!F!other"),
    (field("string", list=[["1", "red"]]), "1", None),
    (field("string", list=[["1", {"en": "a"}]]), {"en": "a"}, "1!F!1"),
    (field("integer", list=[[1, "one"]]), "one", "1!F!1"),
    (field("integer", list=[[1, "one"]]), "two", None),
    (field("integer"), 1.5, "1!F!1.5"),
    (field("boolean"), False, "1!F!0"),
    (field("date"), 1_577_934_245_678, "1!F!2020-01-02T03:04:05.678Z"),
    (field("date"), 10**17, None),
    (field("date"), -(10**14), None),
    (field("bsDate"), 1_365_897_600_000, "1!F!2070.1.1"),
    (field("bsDate"), 10**14, None),
    (field("complex"), {"a": 1}, None),
    (field("string"), "", None),
    (field("string"), "a#b", None),
    (field("string"), " a", None),
    (field("string"), "\u2028", None),
    (field("phone_number"), "+254712345678", "1!F!+254712345678"),
]


@pytest.mark.parametrize(("definition", "value", "message"), VALUE_CASES)
def test_a_value_as_muvuku(definition: dict[str, Any], value: object, message: str | None) -> None:
    assert render(local({"x": definition}), {"x": value}, grammar("muvuku")) == message


@pytest.mark.parametrize(
    ("name", "code", "fields", "values"),
    [
        ("muvuku", "A!B", {"x": field("string")}, {"x": "a"}),
        ("muvuku", "F", {"x": field("string"), "y": field("string")}, {"y": "a"}),
        ("muvuku", "F", {"x": field("string")}, {"x": None}),
        ("javarosa", "F", {"x": field("string"), "y": field("string")}, {"x": "a"}),
        ("javarosa", "F", {"x": field("string", tiny=None)}, {"x": "a"}),
        ("javarosa", "F", {"x": field("string", tiny="a#b")}, {"x": "a"}),
        ("javarosa", "F", {"x": field("string")}, {"x": "a\\"}),
        ("javarosa", "A!B", {"x": field("string")}, {"x": "a"}),
        ("compact", "F", {"x": field("string")}, {"x": 'say "hi"'}),
        ("compact", "F-1", {"x": field("string")}, {"x": "a"}),
        ("compact", "F", {"x": field("string"), "y": field("string")}, {"y": "a"}),
        ("compact", "F", {"x": field("string")}, {"x": "t 5"}),
        ("textforms", "F", {"x": field("string")}, {"x": "a#b"}),
        ("textforms", "F", {"x": field("string")}, {"x": "-5"}),
        ("textforms", "F-1", {"x": field("string")}, {"x": "a"}),
        ("textforms", "F", {"x": field("string")}, {"x": None}),
    ],
)
def test_what_a_grammar_cannot_carry(
    name: str, code: str, fields: dict[str, Any], values: dict[str, Any]
) -> None:
    message = render(local(fields, code), values, grammar(name))
    if name == "compact" and values == {"x": "t 5"}:
        assert message == 'F "t 5"'  # the quotation mark keeps it from being a label
    else:
        assert message is None


def test_computed_fields_are_not_written() -> None:
    fields = {"y": field("bsYear", tiny="y"), "born": field("bsAggreDate", tiny="b")}
    assert render(local(fields), {"y": "2070", "born": 5}, grammar("muvuku")) == "1!F!2070"


@pytest.mark.parametrize(
    ("name", "text"), [("muvuku", "hello"), ("javarosa", "hello"), ("compact", "F a#b")]
)
def test_a_text_the_grammar_does_not_claim_is_not_parsed(name: str, text: str) -> None:
    form = local({"x": field("string")})

    assert not grammar(name).claims(text, form)
    assert isinstance(grammar(name).parse(text, form), NotParsed)
