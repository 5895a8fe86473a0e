"""Phone numbers in E.164."""

from __future__ import annotations

import pytest

from smsgate.phone import e164, is_e164


@pytest.mark.parametrize(
    ("raw", "country_code", "validation", "expected"),
    [
        ("09841202020", "977", "full", "+9779841202020"),
        ("(0712) 345-678", "254", "full", "+254712345678"),
        ("00254712345678", "254", "full", None),
        ("०७१२३४५६७८", "254", "full", None),
        ("٠٧١٢٣٤٥٦٧٨", "254", "full", "+254712345678"),
        ("12345", "254", "full", None),
        ("12345", "254", "none", "+25412345"),
        ("12345", "254", "partial", None),
        ("0712345", "254", "PARTIAL", "+2540712345"),
        ("0712345", "254", "unknown word", None),
        ("0712345678", None, "full", None),
        ("0712345678", "", "full", None),
        ("0712345678", "+254", "full", None),
        ("0712345678", "KE", "full", None),
        ("0712345678", "999", "full", None),
        ("+254712345678", None, "full", "+254712345678"),
        ("+254000000000", "254", "none", None),
        ("911", "1", "full", "911"),
        ("0712345678 ext 5", "254", "full", None),
        ("MPESA", "254", "none", None),
        ("", "254", "full", None),
        ("9" * 1600, "254", "none", None),
        ("0712345678#", "254", "full", None),
        ("0712345678/0722345678", "254", "full", None),
    ],
)
def test_e164(raw: str, country_code: str | None, validation: str, expected: str | None) -> None:
    assert e164(raw, country_code, validation) == expected


def test_the_form_alone() -> None:
    assert is_e164("+254712345678")
    assert not any(map(is_e164, ["254712345678", "+0712345678", "+254 712", "+2547123456789012"]))
