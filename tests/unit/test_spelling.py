"""One number, in all the ways it may have been written down."""

from __future__ import annotations

import time

import pytest

from smsgate.spelling import spelling

NUMBER = "+254712345678"
SPELLINGS = [
    NUMBER,
    " +254712345678 ",
    "254712345678",
    "00254712345678",
    "+254 712 345 678",
    "+254-712-345-678",
    "+254 (0) 712 345678",
    "(0712) 345 678",
    "0712.345.678",
    "0712345678",
    "712345678",
    "\u0660\u0667\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
    "+\uff12\uff15\uff14712345678",
]
OTHERS = [
    "+254712345679",
    "07123456789",
    "1254712345678",
    "+255712345678",
    "+254 712 345",
    "MPESA",
    "",
]


@pytest.mark.parametrize("stored", SPELLINGS)
@pytest.mark.parametrize("given", [NUMBER, "0712 345678"])
def test_it_is_known_in_every_spelling(given: str, stored: str) -> None:
    number = spelling(given, "254")
    assert number.number == NUMBER
    assert number.means(stored)
    assert number.stands_in(f"call {stored}, please")


@pytest.mark.parametrize("stored", OTHERS)
def test_it_is_no_other_number(stored: str) -> None:
    number = spelling(NUMBER)
    assert not number.means(stored)
    assert not number.stands_in(f"call {stored}, please")
    assert not number.means(None)
    assert not number.stands_in(None)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"from":"+254712345678"}',
        b"from=%2B254712345678&text=a+b",
        b"from=0712+345+678",
        b'{"from":"\\u0660\\u0667\\u0661\\u0662\\u0663\\u0664\\u0665\\u0666\\u0667\\u0668"}',
        "\u0660\u0667\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668 \\u".encode(),
        b'{"from":"+254712345678", \xff\xfe',
    ],
)
def test_it_is_found_in_what_arrived(raw: bytes) -> None:
    assert spelling(NUMBER).stands_in_raw(raw)
    assert not spelling("+254799999999").stands_in_raw(raw)


@pytest.mark.parametrize("given", ["MPESA", "0712345678", "12345"])
def test_what_is_no_number_here_is_meant_as_it_stands(given: str) -> None:
    number = spelling(given)
    assert (number.number, number.name) == (None, given)
    assert number.means(given)
    assert number.stands_in(f"from {given}.")
    assert not number.means(given + "0")
    assert not number.stands_in(f"from {given}0.")
    assert not number.means(NUMBER)


def test_looking_takes_no_longer_than_the_text() -> None:
    number = spelling(NUMBER)
    began = time.process_time()
    for text in ("7 1 2 3 4 5 " * 3000, "0" * 20_000, "+254 " * 4000, "( 0 " * 5000):
        assert not number.stands_in(text)
    assert time.process_time() - began < 0.5
