"""Records from texts and from JSON: what the vectors do not say."""

from __future__ import annotations

from typing import Any

import pytest

from smsgate.catalogue import Catalogue
from smsgate.grammar.base import Grammar, NotParsed, Parsed
from smsgate.grammar.registry import GrammarRegistry, installed
from smsgate.local_form import LocalForm
from smsgate.reading import ReadingRules
from smsgate.record import Draft, RecordRefused, draft_from_form, draft_from_json, draft_from_text
from smsgate.registry import read_forms
from smsgate.rendering import can_render, example, render

DEFINITION: dict[str, Any] = {
    "meta": {"code": "VIS"},
    "facility_reference": "place.id",
    "fields": {
        "patient_id": {"type": "string", "required": True, "labels": {"tiny": "pid"}},
        "visit": {"type": "integer", "labels": {"tiny": {"en": "v", "fr": "vis"}}},
        "seen_on": {"type": "date", "labels": {"tiny": "d"}},
        "danger": {"type": "boolean", "labels": {"tiny": "dg"}},
        "place.id": {"type": "string", "labels": {"tiny": "pl"}},
    },
}


def make_rules(**changed: Any) -> ReadingRules:
    settings: dict[str, Any] = {
        "forms": read_forms({"VIS": DEFINITION, "EMPTY": {"meta": {"code": "EMPTY"}}}).forms,
        "catalogue": Catalogue({}),
        "default_country_code": "254",
    }
    return ReadingRules(**{**settings, **changed})


RULES = make_rules()


def read(text: object, **given: Any) -> Draft:
    rest: dict[str, Any] = {"sender": "0712345678", "rules": RULES, "received_ms": 7, **given}
    return draft_from_text(text, **rest)


def test_a_draft_says_what_a_reply_needs() -> None:
    draft = read("VIS pid 5#v x#d 2020-02-30#dg 2#pl a", locale="fr")

    assert draft.form is RULES.forms["VIS"]
    assert draft.form_code == "VIS"
    assert draft.sender == "+254712345678"
    assert draft.locale == "fr"
    assert draft.grammar == "textforms"
    assert draft.missing == ()
    assert draft.wrong == {"visit": "integer", "seen_on": "date", "danger": "boolean"}
    assert draft.document["refid"] == "A"
    assert draft.document["tasks"] == []
    assert draft.document["reported_date"] == 7


def test_a_value_of_another_type_is_kept_and_named() -> None:
    draft = read("VIS 5 1.5")

    assert draft.fields == {"patient_id": "5", "visit": 1.5}
    assert draft.wrong == {"visit": "integer"}
    assert [error["code"] for error in draft.errors] == ["sys.incorrect_type"]


def test_a_gateways_message() -> None:
    draft = read("VIS 5", gateway_ref="g1", sent_timestamp="1600000000000", query_locale="sw")

    assert draft.document["sms_message"] == {
        "type": "sms_message",
        "message": "VIS 5",
        "form": "VIS",
        "reported_date": "1600000000000",
        "locale": "sw",
        "from": "0712345678",
        "gateway_ref": "g1",
    }
    assert draft.document["reported_date"] == 1_600_000_000_000


def test_a_code_that_matches_nothing_is_known_all_the_same() -> None:
    draft = read("HELLO there")

    assert draft.form is None
    assert draft.form_code == "HELLO"
    assert "form" not in draft.document
    assert draft.trace.form is None


@pytest.mark.parametrize("text", [None, 5, [], True])
def test_what_is_no_text_is_kept(text: object) -> None:
    draft = read(text)

    assert draft.document["sms_message"]["message"] is text
    assert draft.errors == []
    assert draft.trace.why == "the message is no text"


def test_a_byte_order_mark_is_zero_width_where_that_gives_a_form() -> None:
    assert read("V\ufeffIS 5").fields == {"patient_id": "5"}
    assert read("VIS\ufeff5").fields == {"patient_id": "5"}
    assert read("HEL\ufeffLO 5").form_code == "HEL"


def test_the_trace_of_a_reading() -> None:
    trace = read("1!VIS! 5 #x##3").trace

    assert (trace.code, trace.form, trace.locale, trace.grammar) == ("VIS", "VIS", "en", "muvuku")
    assert trace.why == "muvuku (priority 30) claims the text after javarosa did not"
    assert [(each.key, each.raw, each.value, each.outcome) for each in trace.fields] == [
        ("patient_id", "5", "5", "read"),
        ("visit", "x", None, "unreadable"),
        ("seen_on", "", None, "empty"),
        ("danger", "3", None, "unreadable"),
        ("place.id", None, None, "absent"),
    ]


@pytest.mark.parametrize(
    ("text", "grammar", "reason", "column"),
    [
        ('VIS "', "compact", "nothing but quotation marks", 4),
        ("VIS aa 1#bb 2", "textforms", "no label of the form", 4),
        ("J1!VIS!aa#1", "javarosa", "no label of the form", 7),
        ("1!VIS!\n5", "textforms", "a header without a body on its line", 0),
    ],
)
def test_what_was_not_parsed_says_why_and_where(
    text: str, grammar: str, reason: str, column: int
) -> None:
    trace = read(text).trace

    assert (trace.grammar, trace.reason, trace.column) == (grammar, reason, column)


def test_an_unknown_kind_of_header() -> None:
    draft = read("3!VIS!5")

    assert draft.grammar is None
    assert draft.trace.why == "none of javarosa, muvuku, compact, textforms claims the text"
    assert [error["code"] for error in draft.errors] == [
        "sys.missing_fields",
        "sys.unknown_grammar",
    ]


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ({}, "Missing required value: from"),
        ({"message": "x"}, "Missing required value: from"),
        ({"from": "1"}, "Missing required field: message"),
        (None, None),
        ([], None),
    ],
)
def test_a_form_body_that_is_refused(body: object, details: str | None) -> None:
    assert draft_from_form(body, rules=RULES, received_ms=7) == RecordRefused(details=details)


@pytest.mark.parametrize(
    ("body", "details"),
    [
        (None, "Missing _meta property."),
        ({}, "Missing _meta property."),
        ({"_meta": {}}, "Missing required field: form"),
        ({"_meta": 5}, "Missing required field: form"),
        ({"_meta": {"form": ["VIS"]}}, None),
        ({"_meta": {"form": "nope"}}, "Form not found: NOPE"),
        ({"_meta": {"form": "VIS\u200b"}}, "Form not found: VIS\u200b"),
    ],
)
def test_a_json_body_that_is_refused(body: object, details: str | None) -> None:
    assert draft_from_json(body, rules=RULES, received_ms=7) == RecordRefused(details=details)


def test_a_json_body() -> None:
    draft = draft_from_json(
        {
            "_meta": {"form": "vis", "from": "0712345678", "extra": [1]},
            "PATIENT_ID": "",
            "seen_on": "2020-01-02",
            "danger": 1,
            "place": {"ID": "x", "other": {"deep": 1}},
            "unknown": 1,
        },
        rules=RULES,
        received_ms=7,
    )

    assert isinstance(draft, Draft)
    assert draft.fields == {
        "patient_id": "",
        "seen_on": 1_577_923_200_000,
        "danger": True,
        "place": {"id": "x"},
    }
    assert draft.errors == []
    assert draft.sender == "+254712345678"
    assert draft.document["sms_message"] == {"form": "VIS", "from": "0712345678", "extra": [1]}
    assert draft.trace.why == "the values came as JSON: no text was read"


def test_groups_of_a_json_body_are_followed_no_deeper_than_the_form() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"place": deep}

    draft = draft_from_json({"_meta": {"form": "VIS"}, **deep}, rules=RULES, received_ms=7)

    assert isinstance(draft, Draft)
    assert draft.fields == {}
    assert draft.missing == ("patient_id",)


def test_a_form_without_fields_has_nothing_to_read() -> None:
    assert read("EMPTY").errors == []
    assert read("EMPTY x y").fields == {}


class Shouting:
    """A third party's grammar: texts in asterisks, all to the first field."""

    name = "shouting"
    priority = 50

    def code(self, text: str) -> str | None:
        return "VIS" if text.startswith("*") else None

    def claims(self, text: str, form: LocalForm | None) -> bool:  # noqa: ARG002 - the protocol's
        return text.startswith("*")

    def parse(self, text: str, form: LocalForm) -> Parsed | NotParsed:
        words = text.strip("*")
        return Parsed({form.keys[0]: words}) if words else NotParsed("nothing but asterisks", 0)

    def render(self, values: object, form: LocalForm) -> str | None:  # noqa: ARG002 - likewise
        return None


def test_a_plugin_comes_first_by_its_priority() -> None:
    grammars = GrammarRegistry([*installed().grammars, Shouting()])

    assert isinstance(Shouting(), Grammar)
    assert read("*5*", grammars=grammars).fields == {"patient_id": "5"}
    assert read("***", grammars=grammars).trace.reason == "nothing but asterisks"
    assert read("VIS 5", grammars=grammars).grammar == "compact"
    assert read("*5*", grammars=GrammarRegistry([])).form_code is None


def test_ties_go_by_name() -> None:
    first, second = Shouting(), Shouting()
    second.name = "bellowing"

    assert [each.name for each in GrammarRegistry([first, second]).grammars] == [
        "bellowing",
        "shouting",
    ]


def test_the_installed_grammars() -> None:
    names = ["javarosa", "muvuku", "compact", "textforms"]

    assert [each.name for each in installed().grammars] == names
    assert installed() is installed()
    assert installed().named("none") is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("muvuku", "1!VIS!5#2"),
        ("javarosa", "J1!VIS!pid#5#v#2"),
        ("compact", "VIS 5 2"),
        ("textforms", "VIS pid 5#v 2#"),
    ],
)
def test_a_record_is_written_as_a_message(name: str, message: str) -> None:
    grammar = installed().named(name)
    assert grammar is not None
    local = RULES.local(RULES.forms["VIS"])

    assert render(local, {"patient_id": "5", "visit": 2}, grammar) == message
    assert can_render(local, {"patient_id": "5"}, grammar)
    assert not can_render(local, {"patient_id": 5}, grammar)
    assert not can_render(local, {}, grammar)


def test_a_form_shows_an_example() -> None:
    compact = installed().named("compact")
    assert compact is not None
    assert example(RULES.local(RULES.forms["VIS"]), compact) == "VIS 12345"
    forms = read_forms({"VIS": {**DEFINITION, "examples": [{"message": "vis 9"}]}}).forms
    assert example(RULES.local(forms["VIS"]), compact) == "vis 9"


def test_languages_from_outside_do_not_fill_the_memory() -> None:
    rules = make_rules()
    form = rules.forms["VIS"]
    for number in range(5000):
        rules.local(form, f"x{number}")
    assert len(rules._local) <= 4096
    assert rules.local(form) is rules.local(form, "en")
