"""How a text was read, told to a person at a terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from smsgate import segments
from smsgate.clock import from_ms, to_iso
from smsgate.labels import label_text
from smsgate.nearmiss import nearest
from smsgate.programme import Programme
from smsgate.record import Draft
from smsgate.replies import Reply, Withheld, replies_to
from smsgate.trace import FieldTrace, Trace

_MARGIN = 10
_DATES = frozenset({"date", "bsDate", "bsAggreDate"})


def story_of(message: str, draft: Draft, programme: Programme, *, sender: str) -> list[str]:
    """The lines to print.

    Args:
        message: the text.
        draft: the record it becomes.
        programme: the settings it was read with.
        sender: who is answered.
    """
    trace = draft.trace
    sections: list[tuple[str, Sequence[str]]] = [
        ("Message", [_visible(message), f"{len(message)} characters, {_size(message)}"]),
        ("Form", _form(draft, programme)),
        ("Grammar", _grammar(trace)),
    ]
    if trace.form is not None:
        sections += [
            ("Language", [_visible(trace.locale or "")]),
            ("Tokens", _tokens(trace)),
            ("Fields", _fields(trace.fields)),
        ]
    sections += [
        ("Errors", _errors(trace)),
        ("Reply", _reply(draft, programme, sender)),
    ]
    lines: list[str] = []
    for name, told in sections:
        for number, line in enumerate(told):
            lines.append(f"{'' if number else name:<{_MARGIN}}{line}".rstrip())
    return lines


def _form(draft: Draft, programme: Programme) -> list[str]:
    form, code = draft.form, draft.form_code
    if form is not None:
        label = label_text(form.label, draft.locale, programme.reading.catalogue)
        name = f"{form.code}, {_visible(label)}" if label else form.code
        return [f"{name} ({form.source})" if form.source else name]
    if not code:
        return ["none: the text begins with no code"]
    told = [f"none: {_quoted(code)} is the code of no form"]
    near = nearest(code, programme.reading.forms)
    if near is None:
        told.append("no known code is one slip away")
    else:
        switch = "" if programme.replies.near_misses else " (smsgate.replies.near_misses is off)"
        told.append(f"near miss: {_visible(near)} is one slip away{switch}")
    return told


def _grammar(trace: Trace) -> list[str]:
    told = [trace.grammar or "none", trace.why]
    if trace.reason is not None:
        place = "" if trace.column is None else f", character {trace.column + 1}"
        told.append(f"it read nothing: {trace.reason}{place}")
    return told


def _tokens(trace: Trace) -> list[str]:
    rows = [(_quoted(trace.code or ""), "form code")]
    rows += [(_quoted(text), _visible(key)) for key, text in trace.tokens]
    return _table([(str(number), *row) for number, row in enumerate(rows, 1)])


def _fields(fields: Iterable[FieldTrace]) -> list[str]:
    rows = [
        (
            _visible(field.key) + ("*" if field.required else ""),
            _visible(field.type),
            "" if field.raw is None else _quoted(field.raw),
            "" if field.value is None else _value(field),
            field.outcome,
        )
        for field in fields
    ]
    if not rows:
        return ["the form has none"]
    told = _table([("field", "type", "sent", "value", "outcome"), *rows])
    return [*told, "* required"] if any(row[0].endswith("*") for row in rows) else told


def _value(field: FieldTrace) -> str:
    shown = _quoted(field.value)
    moment = from_ms(field.value) if field.type in _DATES else None
    return shown if moment is None else f"{shown} = {to_iso(moment).removesuffix('T00:00:00.000Z')}"


def _errors(trace: Trace) -> list[str]:
    rows = [(error["code"], _visible(error["message"])) for error in trace.errors]
    return _table(rows) if rows else ["none"]


def _reply(draft: Draft, programme: Programme, sender: str) -> list[str]:
    told: list[str] = []
    for said in replies_to(draft, programme.replies):
        reply = said if isinstance(said, Reply) else said.reply
        if isinstance(said, Withheld):
            told.append(f"withheld: {said.reason}")
        if reply is not None:
            text = segments.truncate(reply.text, programme.most_parts)
            told.append(
                f"{reply.kind} ({reply.translation_key}) in {_visible(reply.locale)} to "
                f"{_visible(reply.recipient)}, {_size(text)}"
            )
            told.append(_visible(text))
    return told or [
        f"none goes out to {_visible(sender)}" if sender else "none: there is no sender"
    ]


def _size(text: str) -> str:
    size = segments.count(text)
    return f"{size.segments} SMS ({size.encoding}, {size.units} units)"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        )
        for row in rows
    ]


def _width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return sum(
        0
        if unicodedata.category(character) in ("Mn", "Me")
        else 2
        if unicodedata.east_asian_width(character) in ("W", "F")
        else 1
        for character in text
    )


def _quoted(value: Any) -> str:
    return _visible(json.dumps(value, ensure_ascii=False))


def _visible(text: str) -> str:
    """`text` with what cannot be seen, or would steer the terminal, as its code."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
