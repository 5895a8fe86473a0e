"""The programme's words."""

from __future__ import annotations

import pytest

from smsgate.catalogue import Catalogue, shipped_texts
from smsgate.labels import label_text

SHIPPED = {"en": {"a": "A", "only": "shipped"}, "fr": {"a": "A fr"}}


def test_the_documents_english_comes_before_what_is_shipped() -> None:
    catalogue = Catalogue({"en": {"a": "own"}, "sw": {"a": "yangu"}}, SHIPPED)

    assert catalogue.find("a", "sw") == "yangu"
    assert catalogue.find("a", "fr") == "own"
    assert catalogue.find("only", "fr") == "shipped"
    assert catalogue.find("none", "fr") is None
    assert catalogue.find_own("only", "en") is None


def test_the_array_form_of_the_cht_is_read() -> None:
    catalogue = Catalogue(
        [
            {"key": "a", "default": "any", "translations": [{"locale": "ne", "content": "क"}]},
            {"key": "b", "default": "B", "translations": [{"locale": "en", "content": "B en"}]},
            {"key": 5}, "no entry", {"key": "c", "translations": ["x", {"locale": "en"}]},
        ],
        {},
    )  # fmt: skip
    assert catalogue.find("a", "ne") == "क"
    assert catalogue.find("a", "xx") == "any"
    assert catalogue.find("b", "en") == "B en"
    assert catalogue.find("c", "en") is None


@pytest.mark.parametrize("document", [None, 5, "text", {"en": "no map"}, {"en": {"a": 5}}, [1]])
def test_a_document_that_makes_no_sense_has_no_words(document: object) -> None:
    assert Catalogue(document, {}).find("a", "en") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("No form {{form}}.", "No form {{form}} & <b>."),
        ("{{ form }}{{form}}", "{{form}} & <b>{{form}} & <b>"),
        ("{{unknown}}!", "!"),
        ("{{form", "{{form"),
        ("{{{form}}}", "{{{form}} & <b>}"),
        ("{form} {{a b}}", "{form} {{a b}}"),
    ],
)
def test_a_text_is_inert(text: str, said: str) -> None:
    assert Catalogue({"en": {"k": text}}, {}).say("k", "en", form="{{form}} & <b>") == said


def test_what_has_no_text_says_its_key() -> None:
    assert Catalogue({}, {}).say("sys.nothing", "en") == "sys.nothing"


def test_values_may_be_called_key_and_locale() -> None:
    assert (
        Catalogue({"en": {"k": "{{key}} {{locale}}"}}, {}).say("k", "en", key=1, locale=2) == "1 2"
    )


def test_a_text_of_braces_is_said_at_once() -> None:
    text = "{{" * 50_000 + "x" * 50_000
    assert Catalogue({"en": {"k": text}}, {}).say("k", "en") == text


def test_smsgates_own_error_texts_are_shipped() -> None:
    for code in ("empty", "form_not_found", "missing_fields", "incorrect_type", "duplicate_field",
                 "unknown_grammar", "parse_error"):  # fmt: skip
        assert shipped_texts()["en"][f"sys.{code}"]


@pytest.mark.parametrize(
    ("label", "locale", "text"),
    [
        ("v", "en", "v"), ("kilo", "fr", "poids"), ("kilo", "sw", "kg"), ("", "en", None),
        (5, "en", "5"),
        (5.0, "en", "5"), (True, "en", None), (None, "en", None), ([], "en", None),
        ({}, "en", None),
        ({"en": "e", "fr": "f"}, "fr", "f"), ({"en": "e", "fr": "f"}, "sw", "e"),
        ({"default": "d", "en": "e"}, "sw", "d"), ({"ne": "n", "fr": "f"}, "sw", "n"),
        ({"en": "", "fr": 7}, "en", "7"), ({"translation_key": "kilo"}, "en", "kilo"),
        ({"translations": [{"locale": "fr", "content": "f"}, 5]}, "fr", "f"),
        ("empty", "en", "empty"),
    ],
)  # fmt: skip
def test_a_label_in_a_language(label: object, locale: str, text: str | None) -> None:
    catalogue = Catalogue({"en": {"kilo": "kg"}, "fr": {"kilo": "poids"}})
    assert label_text(label, locale, catalogue) == text
