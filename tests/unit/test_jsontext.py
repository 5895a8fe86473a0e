"""Strangers' JSON: what is read, what is refused, what can be stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgate.jsontext import MAX_DEPTH, BadJson, read, storable, storable_tree, write

NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(NESTED)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert read(write(value).encode()) == value
    assert json.loads(write(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_reason(raw: bytes) -> None:
    value = read(raw)
    if isinstance(value, BadJson):
        assert value.reason in ("malformed", "not UTF-8", "nested too deeply")


ESCAPED = st.text(st.characters(codec=None), max_size=30)


@given(st.dictionaries(ESCAPED, ESCAPED, max_size=5))
def test_any_escaped_text_comes_through_and_can_be_stored(value: dict[str, str]) -> None:
    found = read(json.dumps(value).encode())
    assert found == value
    for text in [*storable_tree(found), *storable_tree(found).values()]:
        assert "\0" not in text
        assert text.encode().decode() == text


@given(ESCAPED)
def test_only_what_a_database_refuses_is_exchanged(text: str) -> None:
    for before, after in zip(text, storable(text), strict=True):
        kept = before != "\0" and not "\ud800" <= before <= "\udfff"
        assert after == (before if kept else "\ufffd")


NUMBERS: list[tuple[str, Any]] = [
    ("0", 0),
    ("-0", 0),
    ("9223372036854775807", 2**63 - 1),
    ("1.5", 1.5),
    ("1e2", 100.0),
    ("1e308", 1e308),
    ("1e-999", 0.0),
    ("1e999", BadJson("malformed")),
    ("-1e999", BadJson("malformed")),
    ("NaN", BadJson("malformed")),
    ("Infinity", BadJson("malformed")),
    ("-Infinity", BadJson("malformed")),
    ("01", BadJson("malformed")),
    ("+1", BadJson("malformed")),
    (".5", BadJson("malformed")),
    ("0x10", BadJson("malformed")),
]


@pytest.mark.parametrize("odd", ["", r'"\ud800",'])
@pytest.mark.parametrize(("text", "expected"), NUMBERS)
def test_numbers_mean_the_same_by_either_reader(odd: str, text: str, expected: Any) -> None:
    found = read(f"[{odd}{text}]".encode())
    assert (found if isinstance(found, BadJson) else found[-1]) == expected


def test_whole_numbers_without_end_are_text() -> None:
    for digits in ("9" * 40, "-" + "9" * 5000):
        assert str(read(digits.encode())) == digits


def test_depth_is_bounded() -> None:
    within = MAX_DEPTH - 1
    assert not isinstance(read(b"[" * within + b"]" * within), BadJson)
    for depth in (MAX_DEPTH + 1, 1000, 100_000):
        for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
            inner = b"" if opening == b"[" else b"1"
            body = opening * depth + inner + closing * depth
            assert read(body) == BadJson("nested too deeply"), depth
    wide = b"[" + b"[]," * 5000 + b"[]]"
    assert read(wide) == [[]] * 5001


def test_numbers_no_column_holds_are_stored_as_text() -> None:
    tree = {"a": [2**70, True, 1.5, None], "b\0": {"c": -(2**70)}}
    assert storable_tree(tree) == {
        "a": [str(2**70), True, 1.5, None],
        "b\ufffd": {"c": str(-(2**70))},
    }
