"""One phone number in all the spellings it may have been stored in. Pure.

A sender is kept as it came: `+254 712 345678`, `0712-345-678`, `00254712345678`. A person who asks
to be forgotten is meant by all of them.
"""

from __future__ import annotations

import contextlib
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

import phonenumbers

from smsgate.phone import e164

_BETWEEN: Final = r"[\s().\-/\u00a0\u2010-\u2015]{0,2}"
_DIGIT: Final = re.compile(r"[^\D0-9]")


@dataclass(frozen=True, slots=True)
class Spelling:
    """A number, and what finds it.

    Attributes:
        given: As the operator wrote it.
        number: In E.164, None where it is no such number here: then only `given` itself is meant.
        pattern: Finds it within a text.
        digits: What a text in which it stands without blanks has in it.
    """

    given: str
    number: str | None
    pattern: re.Pattern[str]
    digits: str
    country_code: str
    validation: str

    @property
    def name(self) -> str:
        """What the number is known by."""
        return self.number or self.given

    def means(self, stored: str | None) -> bool:
        """Whether a stored sender or recipient is this number."""
        if stored is None:
            return False
        plain = stored.strip()
        if plain in (self.given, self.number):
            return True
        if self.number is None:
            return False
        if e164(plain, self.country_code, self.validation) == self.number:
            return True
        return self.pattern.fullmatch(_plain(plain)) is not None

    def stands_in(self, text: str | None) -> bool:
        """Whether a text mentions the number, in any spelling."""
        return text is not None and self.pattern.search(_plain(text)) is not None

    def stands_in_raw(self, raw: bytes) -> bool:
        """The same of what arrived: JSON, a form, or a text."""
        text = raw.decode("utf-8", "replace")
        shapes = [text, unquote_plus(text)]
        if "\\u" in text:
            with contextlib.suppress(ValueError):
                shapes.append(json.dumps(json.loads(text), ensure_ascii=False))
        return any(self.stands_in(shape) for shape in shapes)


def spelling(given: str, country_code: str | None = None, validation: str = "full") -> Spelling:
    """Find out what `given` may be spelled like; arguments as for `smsgate.phone.e164`."""
    given = given.strip()
    number = e164(given, country_code, validation)
    if number is None or not number.startswith("+"):
        pattern = re.compile(rf"(?<![0-9A-Za-z]){re.escape(given)}(?![0-9A-Za-z])")
        return Spelling(given, None, pattern, given, country_code or "", validation)
    parsed = phonenumbers.parse(number)
    code = str(parsed.country_code)
    national = phonenumbers.national_significant_number(parsed)
    body = _BETWEEN.join(national)
    prefix = rf"(?:(?:\+|00|)\(?{_BETWEEN.join(code)}\)?{_BETWEEN}\(?0?\)?|\(?0)?"
    pattern = re.compile(rf"(?<![0-9]){prefix}{_BETWEEN}{body}(?![0-9])")
    return Spelling(given, number, pattern, national, country_code or "", validation)


def _plain(text: str) -> str:
    """The text with every digit as one of 0-9."""
    return _DIGIT.sub(lambda found: str(unicodedata.digit(found[0], "")), text)
