"""Numbers as ECMAScript's `Number(text)` reads them."""

from __future__ import annotations

import pytest

from smsgate.numbers import is_whole, number_text, read_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0), ("007", 7), ("-0", 0), ("+5", 5), ("5.", 5), (".5", 0.5), ("1e3", 1000),
        ("1E-7", 1e-07), ("0x1F", 31), ("0b11", 3), ("0o17", 15), (" 7 ", 7), (" ", 0), ("", 0),
        ("9007199254740993", 9007199254740992), ("1e21", 1e21),
    ],
)  # fmt: skip
def test_a_number(text: str, number: float) -> None:
    read = read_number(text)
    assert read == number
    assert isinstance(read, int) == (number < 1e21 and float(number).is_integer())


@pytest.mark.parametrize(
    "text",
    ["x", "1,000", "1_000", "5 5", "5kg", "--5", "- 5", "nan", "NaN", "Infinity", "1e400",
     "9" * 400, "+0x10", "0x", "1.2.3", "5n", "²", "0x" + "f" * 1000],
)  # fmt: skip
def test_no_number(text: str) -> None:
    assert read_number(text) is None


def test_whole_numbers_are_those_of_json() -> None:
    assert is_whole(5)
    assert is_whole(5.0)
    assert not any(map(is_whole, [True, False, 5.5, "5", None, float("inf")]))


def test_a_number_in_a_definition_is_its_decimal_text() -> None:
    assert [number_text(each) for each in (5, 5.0, -1, 0.5)] == ["5", "5", "-1", "0.5"]
