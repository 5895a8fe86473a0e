"""Cleaning of texts."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from smsgate.text import WHITE_SPACE, ascii_digits, clean, fold, is_blank, one_line

DIGITS = [
    "٠١٢٣٤٥٦٧٨٩",
    "۰۱۲۳۴۵۶۷۸۹",
    "०१२३४५६७८९",
    "০১২৩৪৫৬৭৮৯",
    "０１２３４５６７８９",
    "𝟘𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠𝟡",
]


@pytest.mark.parametrize("digits", DIGITS)
def test_decimal_digits_of_every_script_are_digits(digits: str) -> None:
    assert ascii_digits(digits) == "0123456789"


def test_no_decimal_digit_is_left_out() -> None:
    digits = "".join(char for char in map(chr, range(sys.maxunicode + 1)) if char.isdecimal())
    assert ascii_digits(digits) == "".join(str(unicodedata.decimal(char)) for char in digits)


@pytest.mark.parametrize("text", ["²", "½", "Ⅷ", "①", "五"])
def test_what_is_no_decimal_digit_stays(text: str) -> None:
    assert clean(text) == text


def test_zero_width_goes_and_other_invisible_marks_stay() -> None:
    assert clean("1\u200b2\u200c3\u200d4\ufeff5") == "12345"
    assert clean("1\u200e2\u20603\xad4") == "1\u200e2\u20603\xad4"


def test_white_space_is_that_of_the_protocol_not_pythons() -> None:
    assert is_blank(WHITE_SPACE)
    assert is_blank("")
    for char in "\x1c\x1d\x1e\x1f\x85\u200b":
        assert not is_blank(char)


def test_folding_keeps_positions() -> None:
    assert fold("ABC Ωß") == "abc ωß"
    assert fold("x\u0130y") == "x\u0130y"


def test_each_line_break_is_one_space() -> None:
    assert one_line("a\r\nb\nc\rd\u2028e\u2029f") == "a b c d e f"
