"""How a text was read, step by step, for those who look into it; off the hot path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from smsgate.filling import Filled
from smsgate.grammar.base import Grammar, NotParsed, Parsed
from smsgate.grammar.registry import GrammarRegistry
from smsgate.local_form import LocalForm


class Reading(NamedTuple):
    """What a draft keeps of its making; `trace_of` turns it into a `Trace`."""

    text: object
    code: str | None
    form: LocalForm | None
    grammars: GrammarRegistry
    grammar: Grammar | None
    parsed: Parsed | NotParsed | None
    filled: Filled


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTrace:
    """One field: what was sent for it (None: nothing), what that was read as, and how it went.

    `outcome` is `read`, `absent`, `empty`, `unreadable`, `wrong type` or `computed`.
    """

    key: str
    type: str
    required: bool
    raw: str | None
    value: Any
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The whole way of a text.

    Attributes:
        code: The form code found, None where there is none.
        form: The code of the form it matched.
        locale: The language the text was read in.
        grammar: The grammar chosen.
        why: Why that one, and which were asked before it.
        reason: Why nothing could be read, None where something was.
        column: The character (from 0) at which that shows.
        tokens: The texts found, in their order: the field each is for, and the text as sent.
        fields: One entry per field of the form.
        errors: The record's errors.
    """

    code: str | None
    form: str | None
    locale: str | None
    grammar: str | None
    why: str
    reason: str | None
    column: int | None
    tokens: tuple[tuple[str, str], ...]
    fields: tuple[FieldTrace, ...]
    errors: tuple[Mapping[str, str], ...]


def trace_of(reading: Reading | None, errors: Sequence[Mapping[str, str]]) -> Trace:
    """Return the trace of a reading; None is a record that came as values, not as a text."""
    if reading is None:
        return _empty("the values came as JSON: no text was read", errors)
    if not isinstance(reading.text, str):
        return _empty("the message is no text", errors)
    parsed = reading.parsed
    failed = parsed if isinstance(parsed, NotParsed) else None
    return Trace(
        code=reading.code,
        form=None if reading.form is None else reading.form.form.code,
        locale=None if reading.form is None else reading.form.locale,
        grammar=None if reading.grammar is None else reading.grammar.name,
        why=_why(reading),
        reason=None if failed is None else failed.reason,
        column=None if failed is None else failed.column,
        tokens=tuple(parsed.values.items()) if isinstance(parsed, Parsed) else (),
        fields=() if reading.form is None else _fields(reading.form, parsed, reading.filled),
        errors=tuple(errors),
    )


def _empty(why: str, errors: Sequence[Mapping[str, str]]) -> Trace:
    return Trace(
        code=None,
        form=None,
        locale=None,
        grammar=None,
        why=why,
        reason=None,
        column=None,
        tokens=(),
        fields=(),
        errors=tuple(errors),
    )


def _why(reading: Reading) -> str:
    asked: list[str] = []
    for grammar in reading.grammars.grammars:
        if grammar is reading.grammar:
            before = f" after {', '.join(asked)} did not" if asked else ""
            return f"{grammar.name} (priority {grammar.priority}) claims the text{before}"
        asked.append(grammar.name)
    return f"none of {', '.join(asked) or 'no grammars'} claims the text"


def _fields(
    form: LocalForm, parsed: Parsed | NotParsed | None, filled: Filled
) -> tuple[FieldTrace, ...]:
    raw = parsed.values if isinstance(parsed, Parsed) else {}
    computed = {key for key, *_ in form.aggregates}
    traces = []
    for field in form.form.fields:
        text, value = raw.get(field.key), filled.values.get(field.key)
        if field.key in filled.mistyped:
            outcome = "wrong type"
        elif value is not None:
            outcome = "computed" if field.key in computed and value != text else "read"
        elif field.key in filled.unread:
            outcome = "unreadable"
        else:
            outcome = "absent" if text is None else "empty"
        traces.append(
            FieldTrace(
                key=field.key,
                type=field.type,
                required=field.required,
                raw=text,
                value=value,
                outcome=outcome,
            )
        )
    return tuple(traces)
