import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from smsgate import segments

LOCALES = ("en", "fr", "sw", "ne", "es")
SHIPPED: dict[str, dict[str, str]] = {
    locale: json.loads(
        files("smsgate").joinpath("translations", f"{locale}.json").read_text(encoding="utf-8")
    )
    for locale in LOCALES
}
EVERY_TEXT = [
    pytest.param(locale, key, text, id=f"{locale}-{key}")
    for locale, texts in SHIPPED.items()
    for key, text in texts.items()
]

HOLE = re.compile(r"\{\{(\w+)\}\}")

HOLES = {
    "sys.form_not_found": {"form"},
    "sys.missing_fields": {"fields"},
    "sys.incorrect_type": {"key", "expectedType"},
    "sys.duplicate_field": {"fields"},
    "smsgate.reply.accepted": {"form_name"},
    "smsgate.reply.missing": {"form_name", "fields"},
    "smsgate.reply.unreadable": {"field", "expected"},
    "smsgate.reply.nothing_read": {"form_name"},
    "smsgate.reply.did_you_mean": {"code"},
    "smsgate.reply.example": {"example"},
    "smsgate.reply.and_more": {"fields", "count"},
    "smsgate.type.list": {"choices"},
}


def test_there_are_no_other_files() -> None:
    folder = files("smsgate").joinpath("translations")
    assert {file.name for file in folder.iterdir() if file.name.endswith(".json")} == {
        f"{locale}.json" for locale in LOCALES
    }


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_has_the_same_keys_in_the_same_order(locale: str) -> None:
    assert list(SHIPPED[locale]) == list(SHIPPED["en"])


def test_every_key_with_holes_exists() -> None:
    assert set(HOLES) <= set(SHIPPED["en"])


@pytest.mark.parametrize(("locale", "key", "text"), EVERY_TEXT)
def test_the_holes_are_those_the_key_is_rendered_with(locale: str, key: str, text: str) -> None:
    found = HOLE.findall(text)
    assert set(found) == HOLES.get(key, set())
    assert len(found) == len(set(found)), "a long value said twice doubles the cost"
    assert not re.search(r"[{}]", HOLE.sub("", text)), "a brace outside a hole"


@pytest.mark.parametrize(("locale", "key", "text"), EVERY_TEXT)
def test_a_text_is_plain(locale: str, key: str, text: str) -> None:
    assert text == text.strip()
    assert text
    assert "  " not in text
    assert text.isprintable(), "control characters, line breaks, no-break and zero-width spaces"
    assert not set(text) & set("“”‘’«»…–—<>#"), "typography costs a segment; # parts the values"


@pytest.mark.parametrize(("locale", "key", "text"), EVERY_TEXT)
def test_a_text_is_cheap_to_send(locale: str, key: str, text: str) -> None:
    words = HOLE.sub("", text)
    counted = segments.count(words)
    assert counted.segments == 1
    if locale == "ne":
        assert re.search(r"[\u0900-\u097f]", words), "Nepali is written in Devanagari"
    else:
        assert counted.encoding == "gsm-7"
        # Room for the name of a form, a field or two, and the example.
        assert counted.units <= (120 if not key.startswith("smsgate.") else 60)


@pytest.mark.parametrize("locale", [locale for locale in LOCALES if locale != "en"])
def test_no_text_was_left_in_english(locale: str) -> None:
    left = {key for key, text in SHIPPED[locale].items() if text == SHIPPED["en"][key]}
    assert not left


@pytest.mark.parametrize(("locale", "key", "text"), EVERY_TEXT)
def test_answers_are_sentences_and_what_goes_into_them_is_not(
    locale: str, key: str, text: str
) -> None:
    part = key.startswith("smsgate.type.") or key == "smsgate.reply.and_more"
    if not text.endswith("}}"):
        assert text.endswith((".", "?", "।")) is not part


def test_the_operator_s_page_lists_every_reply() -> None:
    page = (Path(__file__).parents[2] / "docs" / "replies.md").read_text(encoding="utf-8")
    keys = {key for key in SHIPPED["en"] if not key.startswith(("sys.", "smsgate.type."))}
    assert {key for key in keys if f"`{key}`" not in page} == {"extra_fields"}
