"""Filling a form: from raw texts to `fields`, and what is missing or wrong (§5.8, §5.9, §4.6)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, NamedTuple

from smsgate.dates import read_json_date
from smsgate.fields import fits, read_bikram_sambat_parts
from smsgate.grammar.base import Parsed
from smsgate.local_form import LocalForm

_ABSENT = object()


class Filled(NamedTuple):
    """What became of the values of one message.

    Attributes:
        fields: The record's `fields`, dotted keys nested.
        values: The typed values by key, flat; a field that was not given is not in it.
        missing: Keys of required fields without a value (`sys.missing_fields`).
        mistyped: Keys whose value is kept though of another type (`sys.incorrect_type`).
        unread: Keys of fields that were given and could not be read.
    """

    fields: dict[str, Any]
    values: dict[str, Any]
    missing: list[str]
    mistyped: list[str]
    unread: list[str]


def fill(form: LocalForm, parsed: Parsed) -> Filled:
    """Read the texts a grammar found as values of `form`.

    Args:
        form: The form, in the message's language.
        parsed: The texts; an empty one is null whatever the field's type (decision 24).
    """
    raw = parsed.values
    values: dict[str, Any] = {}
    missing: list[str] = []
    mistyped: list[str] = []
    unread: list[str] = []
    for key, read, required, checked in form.plan:
        text = raw.get(key)
        if text is None:
            if required:
                missing.append(key)
            continue
        values[key] = value = read(text) if text and key not in parsed.unreadable else None
        if value is None:
            if required:
                missing.append(key)
            if text:
                unread.append(key)
        elif checked is not None and not fits(checked, value):
            mistyped.append(key)
    if form.aggregates:
        _join_dates(form, values, missing, unread)
    if not form.nests:
        return Filled(values, values, missing, mistyped, unread)
    fields = _nested(form, values, groups=parsed.groups)
    return Filled(fields, values, missing, _mistyped_in(form, fields), unread)


def fill_from_body(form: LocalForm, body: Mapping[str, Any]) -> tuple[Filled, bool]:
    """Take the values of a JSON body, which come typed (§4.3, decisions 24 and 26).

    Args:
        form: The form; its keys are found whatever the case, `a.b` also as a group `a`.
        body: The body; what is no field of the form is dropped.

    Returns:
        What became of the values (they are stored as they are, but for dates and 1/0 booleans);
        and whether the body itself says that it has more than the form (`_extra_fields`).
    """
    keys = {key.lower(): key for key in form.keys}
    given: dict[str, Any] = {}
    extra = False
    for name, value in body.items():
        lower = str(name).lower()
        if lower in keys:
            given[keys[lower]] = value
        elif isinstance(value, Mapping):
            _flatten(lower, value, keys, given)
        if lower == "_extra_fields" and value:
            extra = True
    values = {
        field.key: _from_json(field.type, given[field.key], form.typing.zone)
        for field in form.form.fields
        if field.key in given
    }
    fields = _nested(form, values, groups=False) if form.nests else values
    missing = [
        key
        for key, _, required, _ in form.plan
        if required and _look_up(fields, key) in (None, _ABSENT)
    ]
    return Filled(fields, values, missing, _mistyped_in(form, fields), []), extra


def _flatten(
    prefix: str, group: Mapping[str, Any], keys: Mapping[str, str], given: dict[str, Any]
) -> None:
    """Find the fields `a.b` in a JSON group `a`; it goes no deeper than the form's keys do."""
    if not any(key.startswith(f"{prefix}.") for key in keys):
        return
    for name, value in group.items():
        path = f"{prefix}.{str(name).lower()}"
        if path in keys:
            given[keys[path]] = value
        elif isinstance(value, Mapping):
            _flatten(path, value, keys, given)


def _from_json(kind: str, value: Any, zone: tzinfo) -> Any:
    if value is None:
        return None
    if kind == "date":
        return read_json_date(value, zone)
    if kind == "boolean" and type(value) in (int, float) and value in (0, 1):
        return bool(value)
    return value


def _join_dates(
    form: LocalForm, values: dict[str, Any], missing: list[str], unread: list[str]
) -> None:
    """Compute `bsAggreDate` fields from the parts sent beside them (decision 23)."""
    for key, year_key, month_key, day_key in form.aggregates:
        year = values.get(year_key) if year_key is not None else None
        if not year:
            continue  # without a year there is nothing to compute: what was sent stays
        month = "1" if month_key is None else values.get(month_key)
        day = "1" if day_key is None else values.get(day_key)
        value = read_bikram_sambat_parts(year, month, day, form.typing.zone)
        values[key] = value
        if value is None:
            if key not in unread:
                unread.append(key)
        elif key in missing:
            missing.remove(key)


def _nested(form: LocalForm, values: Mapping[str, Any], *, groups: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key in form.keys:
        value = values.get(key, _ABSENT)
        if "." not in key:
            if value is not _ABSENT:
                fields[key] = value
        elif groups or value is not _ABSENT:
            _put(fields, key.split("."), value)
    return fields


def _put(fields: dict[str, Any], path: list[str], value: object) -> None:
    for name in path[:-1]:
        inner = fields.get(name)
        if inner is None:
            inner = fields[name] = {}
        elif not isinstance(inner, dict):
            return  # a value stands where the group would be: the definition warns of it
        fields = inner
    if value is not _ABSENT:
        fields[path[-1]] = value


def _mistyped_in(form: LocalForm, fields: Mapping[str, Any]) -> list[str]:
    return [
        key
        for key, _, _, checked in form.plan
        if checked is not None
        and (value := _look_up(fields, key)) is not None
        and value is not _ABSENT
        and not fits(checked, value)
    ]


def _look_up(fields: Mapping[str, Any], key: str) -> Any:
    value: Any = fields
    for name in key.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return _ABSENT
        value = value[name]
    return value
