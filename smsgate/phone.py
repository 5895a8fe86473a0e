"""Phone numbers in E.164 (`spec/sms-protocol.md` §7.7), by libphonenumber's rules."""

from __future__ import annotations

import functools
import re

import phonenumbers
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE as _COUNTRIES,
)
from phonenumbers import (
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
    shortnumberinfo,
)

_REMEMBERED = 65_536  # senders repeat; a miss costs 10 to 20 us, an entry some 200 bytes
_LONGEST = 40  # beyond it is no number of E.164's 15 digits, and libphonenumber grows slow
_SHORTEST = 2  # digits of a national number
_LETTER = re.compile("[A-Za-z]")
_ALREADY = re.compile(r"\+[1-9][0-9]{6,14}")
# libphonenumber's ports differ in the digits they know; these are the ones all of them know, so a
# sender written otherwise stays as it came. Form fields have their digits folded to 0-9 before.
_OTHER_DIGIT = re.compile(r"[^\D0-9\uff10-\uff19\u0660-\u0669\u06f0-\u06f9]")


def e164(raw: str, country_code: str | None, validation: str = "full") -> str | None:
    """Return `raw` as E.164, or None where it is no valid number; the caller then keeps `raw`.

    Args:
        raw: The number as sent; white space and the usual punctuation may be in it.
        country_code: Setting `default_country_code`, digits only; what is no country code counts
            as none, and then only international numbers are valid.
        validation: Setting `phone_validation`, in any case: `full` (a valid number), `partial` (a
            plausible length) or `none` (anything that parses). Another word counts as `full`.

    Returns:
        The number in E.164; a valid short code stays as it is dialled (`911`).
    """
    return _e164(raw, country_code or "", validation.lower())


def is_e164(text: str) -> bool:
    """Say whether `text` already has the form of E.164; nothing is looked up."""
    return _ALREADY.fullmatch(text) is not None


@functools.lru_cache(maxsize=_REMEMBERED)
def network(number: str) -> str | None:
    """The network that a number in E.164 was given out by, by its English name (`Safaricom`).

    None where the number does not tell. Who took their number along to another network is told
    wrongly: only the networks themselves know.
    """
    from phonenumbers import carrier  # noqa: PLC0415 - its table costs megabytes; few need it

    try:
        return carrier.name_for_number(phonenumbers.parse(number), "en") or None
    except NumberParseException:
        return None


@functools.lru_cache(maxsize=_REMEMBERED)
def _e164(raw: str, country_code: str, validation: str) -> str | None:
    region = _region(country_code)
    number = _as_it_stands(raw)
    if number is not None and _accepted(number, validation):
        return raw
    number = _parsed(raw, region)
    if number is None:
        return None
    if _accepted(number, validation):
        return phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if region is not None and shortnumberinfo.is_valid_short_number_for_region(number, region):
        return phonenumbers.national_significant_number(number)
    return None


def _as_it_stands(raw: str) -> PhoneNumber | None:
    """The number that `raw` certainly is, where it is in E.164 already, as most senders are.

    Nothing is certain of what may begin with a trunk prefix: it is left to libphonenumber, whose
    way through a number in free form costs twice as much as all the rest.
    """
    if not _ALREADY.fullmatch(raw):
        return None
    code = next((raw[1:end] for end in (2, 3, 4) if int(raw[1:end]) in _COUNTRIES), None)
    if code is None:
        return None
    national = raw[1 + len(code) :]
    trunk = _trunk_prefix(int(code))
    if len(national) < _SHORTEST or national[0] == "0" or (trunk and trunk.match(national)):
        return None
    return PhoneNumber(country_code=int(code), national_number=int(national))


@functools.lru_cache(maxsize=512)
def _trunk_prefix(code: int) -> re.Pattern[str] | None:
    region = phonenumbers.region_code_for_country_code(code)
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    prefix = metadata.national_prefix_for_parsing if metadata is not None else None
    return re.compile(prefix) if prefix else None


def _parsed(raw: str, region: str | None) -> PhoneNumber | None:
    if len(raw) > _LONGEST or _LETTER.search(raw) or _OTHER_DIGIT.search(raw):
        return None
    try:
        number = phonenumbers.parse(raw, region)
    except NumberParseException:
        return None
    if number.extension is not None or not number.national_number:
        return None  # an extension is not dialled by SMS; nothing but zeros is nobody
    return number


def _accepted(number: PhoneNumber, validation: str) -> bool:
    if validation == "none":
        return True
    if validation == "partial":
        return phonenumbers.is_possible_number(number)
    return phonenumbers.is_valid_number(number)


@functools.lru_cache(maxsize=256)
def _region(country_code: str) -> str | None:
    if not (country_code.isascii() and country_code.isdigit() and len(country_code) <= 3):
        return None
    region: str = phonenumbers.region_code_for_country_code(int(country_code))
    return None if region == phonenumbers.UNKNOWN_REGION else region
