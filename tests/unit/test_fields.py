"""From texts to values, type by type."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from smsgate.catalogue import Catalogue
from smsgate.fields import Typing, fits, reader_of
from smsgate.form import Field

TYPING = Typing(
    locale="fr",
    catalogue=Catalogue({"fr": {"lbl.two": "deux"}}, {}),
    country_code="977",
    zone=ZoneInfo("Asia/Kathmandu"),
)


def value(kind: str, text: str, **more: Any) -> Any:
    return reader_of(Field(**{"key": "x", "type": kind} | more), TYPING)(text)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("integer", "१२", 12), ("integer", "1.5", 1.5), ("integer", "12 kg", None),
        ("integer", "5-6", None), ("integer", "\u200b", None), ("integer", "1\u200b2", 12),
        ("string", " as\u200bsent ", " as\u200bsent "), ("geopoint", "१", "१"),
        ("custom", "x", "x"), ("complex", "x", "x"),
        ("boolean", "1", True), ("boolean", "०", False), ("boolean", "yes", None),
        ("boolean", "2", None), ("month", "१२", 12), ("month", "Jan", None),
        ("date", "२०२०-०१-०२", 1_577_902_500_000), ("date", "2020-02-30", None),
        ("phone_number", "०९८४१२०२०२०", "+9779841202020"), ("phone_number", "५", "5"),
        ("phone_number", "\u200b", None),
        ("bsDate", "२०७०-०१-०१", 1_365_876_900_000), ("bsDate", "2070", None),
        ("bsYear", "२०७०", "2070"), ("bsMonth", "\u200b", None), ("bsDay", "x", "x"),
        ("bsAggreDate", "x", "x"),
    ],
)  # fmt: skip
def test_a_text_as_a_value(kind: str, text: str, expected: object) -> None:
    assert value(kind, text) == expected


def test_ids_have_ascii_digits() -> None:
    assert value("string", "१२\u200b3", key="patient_id") == "123"
    assert value("string", "१२", key="place_id") == "12"
    assert value("string", "\u200b", key="place_id") is None


LIST = ((1, {"en": "one", "fr": "un"}), ("2", "lbl.two"), (-1, "minus"), ("b", {"fr": "B"}), (4, 5))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", "un"), ("१", "un"), ("\u200b2", "deux"), ("-1", "minus"), ("01", None), ("4", "5"),
     ("B", None), ("un", None)],
)  # fmt: skip
def test_an_integer_list_gives_the_label_in_the_settings_language(
    text: str, expected: str | None
) -> None:
    assert value("integer", text, choices=LIST) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2", "lbl.two"), ("२", "lbl.two"), ("b", {"fr": "B"}), ("1", "1"), ("x\u200b", "x\u200b")],
)
def test_a_string_list_gives_the_label_as_it_is_or_the_text(text: str, expected: object) -> None:
    assert value("string", text, choices=LIST) == expected


def test_of_entries_sent_alike_the_first_counts() -> None:
    assert value("integer", "1", choices=(("1", "a"), (1, "b"))) == "a"


def test_what_fits_a_type() -> None:
    assert fits("integer", 5)
    assert not fits("integer", True)
    assert fits("complex", [])
    assert not fits("complex", "x")
    assert not fits("boolean", 1)
    assert not fits("string", 1)
    assert fits("date", "anything")
