"""The forms in `forms/` are what a first installation shows: every example is read for real."""

import json
from pathlib import Path
from typing import Any

import pytest

from smsgate import segments
from smsgate.catalogue import Catalogue
from smsgate.form import Form
from smsgate.labels import label_text
from smsgate.reading import ReadingRules
from smsgate.record import Draft, draft_from_text
from smsgate.registry import check_examples, load_forms

LOCALES = ("en", "fr", "sw", "ne", "es")
FOLDER = Path(__file__).parents[2] / "forms"
LOADED = load_forms(FOLDER)
RULES = ReadingRules(forms=LOADED.forms, catalogue=Catalogue(), default_country_code="254")
CODES = sorted(LOADED.forms)


def draft_of(text: str, **given: Any) -> Draft:
    return draft_from_text(text, sender="+254712345678", rules=RULES, received_ms=0, **given)


def test_the_definitions_have_no_fault_not_even_a_warning() -> None:
    assert [str(fault) for fault in LOADED.faults] == []
    assert CODES == ["ALERT", "ANC", "JANMA", "STOCK", "YYYZ"]


@pytest.mark.parametrize("code", CODES)
def test_every_example_gives_what_it_promises(code: str) -> None:
    form = LOADED.forms[code]
    assert [str(fault) for fault in check_examples(form, RULES)] == []
    assert all("fields" in example for example in form.examples)


@pytest.mark.parametrize("code", CODES)
def test_the_first_example_is_one_to_show_to_a_sender(code: str) -> None:
    example = LOADED.forms[code].examples[0]
    draft = draft_of(example["message"])
    assert draft.errors == []
    assert draft.wrong == {}
    assert not example.get("locale")
    # In every language it leaves room for the words around it.
    assert len(example["message"]) <= 50


@pytest.mark.parametrize("code", CODES)
def test_every_grammar_has_an_example(code: str) -> None:
    read_by = {
        draft_of(example["message"], locale=example.get("locale")).grammar
        for example in LOADED.forms[code].examples
    }
    assert {"muvuku", "compact", "textforms"} <= read_by


def named(form: Form) -> dict[str, Any]:
    """Everything of a form that has words, by where it stands."""
    labels = {"label": form.label}
    for field in form.fields:
        labels[f"{field.key}.tiny"] = field.tiny
        labels[f"{field.key}.short"] = field.short
        for sent, label in field.choices or ():
            labels[f"{field.key}.{sent}"] = label
    return labels


@pytest.mark.parametrize("code", CODES)
def test_every_label_is_there_in_every_language(code: str) -> None:
    for place, label in named(LOADED.forms[code]).items():
        assert isinstance(label, dict), place
        assert tuple(label) == LOCALES, place
        for locale in LOCALES:
            words = label_text(label, locale, Catalogue())
            assert words, place
            assert words == words.strip(), place
            assert len(words) <= 30, place


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("locale", LOCALES)
def test_tiny_labels_can_be_typed_on_any_phone_and_tell_fields_apart(
    code: str, locale: str
) -> None:
    tiny = [label_text(field.tiny, locale, Catalogue()) for field in LOADED.forms[code].fields]
    assert len(set(tiny)) == len(tiny)
    assert all(label and label.isascii() and label.isalpha() and label.islower() for label in tiny)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("locale", [locale for locale in LOCALES if locale != "ne"])
def test_names_of_fields_cost_no_unicode(code: str, locale: str) -> None:
    form = LOADED.forms[code]
    for label in (form.label, *(field.short for field in form.fields)):
        words = label_text(label, locale, Catalogue())
        assert words is not None
        assert segments.count(words).encoding == "gsm-7", words


@pytest.mark.parametrize("code", CODES)
def test_the_file_is_written_for_people(code: str) -> None:
    file = FOLDER / f"{code}.json"
    definition = json.loads(file.read_text(encoding="utf-8"))
    assert file.stem == definition["meta"]["code"] == code
    assert isinstance(definition["public_form"], bool)
    positions = [field["position"] for field in definition["fields"].values()]
    assert positions == list(range(len(positions)))


def test_the_first_text_of_the_readme() -> None:
    draft = draft_of("1!ANC!Sam#23#2015")
    assert draft.document["form"] == "ANC"
    assert draft.document["errors"] == []
    assert draft.document["fields"] == {"name": "Sam", "week": 23, "year": 2015}


def test_the_stock_report_refers_to_its_facility() -> None:
    assert draft_of("stock hc7 2 40 0").document["refid"] == "HC7"


@pytest.mark.parametrize(
    ("code", "public"),
    [("ALERT", True), ("YYYZ", True), ("ANC", False), ("JANMA", False), ("STOCK", False)],
)
def test_who_may_send_a_form(code: str, public: bool) -> None:
    # Anyone may raise an alarm or try a form out; what is about a patient or a store is for staff.
    assert LOADED.forms[code].public is public
