"""A record written back as a message: the way round of `filling`, for examples and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from smsgate import bikram_sambat
from smsgate.fields import choice_text
from smsgate.form import Field
from smsgate.grammar.base import Grammar
from smsgate.labels import label_text
from smsgate.local_form import LocalForm
from smsgate.numbers import number_text

_DAY_MS = 86_400_000
_ABSENT = object()
# What an example shows where the definition has none of its own.
_SAMPLES: Mapping[str, str] = {
    "integer": "12",
    "string": "text",
    "date": "2026-03-09",
    "boolean": "1",
    "month": "3",
    "phone_number": "+254712345678",
    "bsDate": "2082.11.25",
    "bsYear": "2082",
    "bsMonth": "11",
    "bsDay": "25",
}
_ID_SAMPLE = "12345"


def render(form: LocalForm, fields: Mapping[str, Any], grammar: Grammar) -> str | None:
    """Write `fields` as a message of `grammar` that reads back as the same record.

    Args:
        form: The form, in the language of the message.
        fields: A record's `fields`, dotted keys nested; computed fields may be in it.
        grammar: The grammar to write in.

    Returns:
        The message, None where this grammar cannot carry these values.
    """
    texts: dict[str, str] = {}
    computed = {key for key, *_ in form.aggregates}
    for field in form.form.fields:
        value = _value_at(fields, field.path)
        if value is _ABSENT or field.key in computed:
            continue
        text = value_text(field, value, form)
        if text is None:
            return None
        texts[field.key] = text
    return grammar.render(texts, form)


def can_render(form: LocalForm, fields: Mapping[str, Any], grammar: Grammar) -> bool:
    """Say whether `render` gives a message."""
    return render(form, fields, grammar) is not None


def value_text(field: Field, value: Any, form: LocalForm) -> str | None:
    """Return the text by which a sender gives `value`, None where there is none."""
    text: str | None = None
    if field.choices is not None and field.type in ("integer", "string"):
        text = _choice_of(field, value, form)
    elif isinstance(value, bool):
        text = "1" if value else "0"
    elif field.type == "date" and isinstance(value, int):
        text = _iso(value)
    elif field.type == "bsDate" and isinstance(value, int):
        text = _bikram_sambat(value)
    elif isinstance(value, int | float):
        text = number_text(value)
    elif isinstance(value, str):
        text = value
    if value is None:
        return ""
    return text if text and form.readers[field.key](text) == value else None


def example(form: LocalForm, grammar: Grammar) -> str | None:
    """Return a message that shows how the form is filled in.

    The first of the definition's `examples`, else the required fields (all, where none is) with a
    sample of their type.
    """
    if form.form.examples:
        message: str = form.form.examples[0]["message"]
        return message
    fields = [each for each in form.form.fields if each.type != "bsAggreDate"]
    last = max((index for index, each in enumerate(fields) if each.required), default=len(fields))
    return grammar.render({each.key: _sample(each) for each in fields[: last + 1]}, form)


def _sample(field: Field) -> str:
    if field.choices:
        return choice_text(field.choices[0][0])
    if field.type == "string" and field.key in ("patient_id", "place_id"):
        return _ID_SAMPLE
    return _SAMPLES.get(field.type, _SAMPLES["string"])


def _choice_of(field: Field, value: Any, form: LocalForm) -> str | None:
    for sent, label in field.choices or ():
        if field.type == "string":
            if label == value and isinstance(sent, str):
                return sent
        elif label_text(label, form.typing.locale, form.typing.catalogue) == value:
            return choice_text(sent)
    return value if isinstance(value, str) and field.type == "string" else None


def _iso(ms: int) -> str | None:
    try:
        moment = datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    if ms % _DAY_MS == 0:
        return f"{moment:%Y-%m-%d}" if moment.year >= 1000 else None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _bikram_sambat(ms: int) -> str | None:
    found = bikram_sambat.from_day_number(ms // _DAY_MS)
    return None if found is None else ".".join(map(str, found))


def _value_at(fields: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = fields
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return _ABSENT
        value = value[name]
    return value
