"""From the text of one value to its field's value (`spec/sms-protocol.md` §5.8, decisions 21-27).

A reader is made once per field, language and settings; it takes the text as the grammar gave it and
reads all of it or gives None. An empty text never reaches a reader: it is None whatever the type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

from smsgate import bikram_sambat
from smsgate.catalogue import Catalogue
from smsgate.dates import day_to_ms, read_date
from smsgate.form import Field
from smsgate.labels import label_text
from smsgate.numbers import is_whole, number_text, read_number
from smsgate.phone import e164
from smsgate.text import clean, without_zero_width

Reader = Callable[[str], Any]

_ID_KEYS = frozenset({"patient_id", "place_id"})
_SEPARATOR = re.compile(r"[^0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Typing:
    """What the settings say about values: the language of lists, phone numbers, where dates are."""

    locale: str
    catalogue: Catalogue
    country_code: str | None = None
    phone_validation: str = "full"
    zone: tzinfo = UTC


def reader_of(field: Field, typing: Typing) -> Reader:
    """Return the function that reads a text as a value of `field`."""
    if field.choices is not None and field.type in ("integer", "string"):
        return _list_reader(field, typing)
    if field.type == "date":
        return lambda text: read_date(clean(text), typing.zone)
    if field.type == "bsDate":
        return lambda text: read_bikram_sambat(clean(text), typing.zone)
    if field.type == "phone_number":
        return _phone_reader(typing)
    if field.type == "string" and field.key in _ID_KEYS:
        return _cleaned
    return _READERS.get(field.type, _as_sent)


def _as_sent(text: str) -> str:
    return text


def _cleaned(text: str) -> str | None:
    return clean(text) or None


def _number(text: str) -> int | float | None:
    text = clean(text)
    return read_number(text) if text else None


def _boolean(text: str) -> bool | None:
    number = _number(text)
    return bool(number) if number in (0, 1) else None


_READERS: Mapping[str, Reader] = {
    "integer": _number,
    "month": _number,
    "boolean": _boolean,
    "bsYear": _cleaned,
    "bsMonth": _cleaned,
    "bsDay": _cleaned,
}


def _list_reader(field: Field, typing: Typing) -> Reader:
    """An integer list gives the entry's label in the settings' language, or nothing.

    A string list gives the label as the definition holds it, or else the text as sent.
    """
    entries = tuple(reversed(field.choices or ()))  # of entries sent alike the first counts
    if field.type == "string":
        as_held = {sent: label for sent, label in entries if isinstance(sent, str)}
        return lambda text: _chosen(as_held, text, text)
    translated = {
        key: label_text(label, typing.locale, typing.catalogue) or key
        for key, label in ((choice_text(sent), label) for sent, label in entries)
    }
    return lambda text: _chosen(translated, text, None)


def choice_text(sent: object) -> str:
    """Return the text by which a list entry is chosen: its first element, a number as decimals."""
    return number_text(sent) if isinstance(sent, int | float) else str(sent)


def _chosen(choices: Mapping[str, Any], text: str, otherwise: str | None) -> Any:
    # An entry may be written in any script, so the text counts as it is before its digits do.
    for sent in (text, without_zero_width(text), clean(text)):
        if sent in choices:
            return choices[sent]
    return otherwise


def _phone_reader(typing: Typing) -> Reader:
    def read(text: str) -> str | None:
        cleaned = clean(text)
        return e164(cleaned, typing.country_code, typing.phone_validation) or cleaned or None

    return read


def read_bikram_sambat(text: str, zone: tzinfo = UTC) -> int | None:
    """Read a whole Bikram Sambat date as the epoch ms of its first moment in `zone`.

    Args:
        text: Cleaned; year, month and day parted by whatever stands between the first two.
        zone: Whose midnight is meant.

    Returns:
        None for a day the table does not have, or for fewer than three parts.
    """
    separator = _SEPARATOR.search(text)
    if separator is None or separator.start() == 0:
        return None
    parts = text.split(separator[0])
    if len(parts) < 3:
        return None
    year, month, day = (read_number(part) if part else None for part in parts[:3])
    if year is None or month is None or day is None:
        return None
    if not is_whole(year) or not is_whole(month):
        return None
    # The CHT takes a broken day (`2070-1-1.5`) for the next whole one; records depend on it.
    number = bikram_sambat.day_number(int(year), int(month), -int(-day // 1))
    return None if number is None else day_to_ms(number, zone)


def read_bikram_sambat_parts(year: object, month: object, day: object, zone: tzinfo) -> int | None:
    """Join the texts of `bsYear`, `bsMonth` and `bsDay` fields (`bsAggreDate`, decision 23).

    Returns:
        Epoch ms, or None where a part is no whole number or there is no such day.
    """
    numbers = []
    for part in (year, month, day):
        number = read_number(part) if isinstance(part, str) and part else None
        if number is None or not is_whole(number):
            return None
        numbers.append(int(number))
    found = bikram_sambat.day_number(*numbers)
    return None if found is None else day_to_ms(found, zone)


def fits(kind: str, value: object) -> bool:
    """Say whether a value is of its field's type (§5.9); most types take anything."""
    if kind == "integer":
        return is_whole(value)
    if kind == "string":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "complex":
        return isinstance(value, Mapping | list)
    return True


CHECKED = frozenset({"integer", "string", "boolean", "complex"})
"""The types `fits` looks at."""
