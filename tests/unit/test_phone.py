"""Phone numbers in E.164."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgate.phone import e164, is_e164

_CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
_EXAMPLES = [
    phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    if (number := phonenumbers.example_number_for_type(region, kind)) is not None
]


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


_NATIONAL = st.from_regex("[0-9]{1,12}", fullmatch=True)


@settings(max_examples=500)
@given(
    st.sampled_from(_EXAMPLES) | st.builds("+{}{}".format, st.sampled_from(_CODES), _NATIONAL),
    st.sampled_from(["254", "977", "1", ""]),
    st.sampled_from(["full", "partial", "none"]),
)
def test_what_is_in_international_form_is_read_as_libphonenumber_reads_it(
    raw: str, country_code: str, validation: str
) -> None:
    # A space sends it through libphonenumber's own reading.
    assert e164(raw, country_code, validation) == e164(f"+ {raw[1:]}", country_code, validation)
