r"""Key/value textforms: `CODE label value # label value` (§5.7, decision 21).

    message   := ws* code [separators] component ("#" component)*
    component := ws* (label [ws "-" "!"]* value | junk) ws*
    label     := a tiny label of the form in the message's language, else in the settings' one,
                 else a field's key; whatever the case; the longest that fits
    value     := the rest of the component, line breaks read as spaces, trimmed

A label ends before a character that is no letter, mark, "_", "." or "*", nor a digit after a digit.
Where no label stands at the start, the first run of `A-Z a-z _ . *` anywhere in the component is
the label. The order is free; what has no known label is passed over; a label with nothing after it
leaves its field absent. A field given twice keeps its last value (`sys.duplicate_field`).

This grammar claims every text that no other one does, but those with a header of an unknown kind.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pyparsing as pp

from smsgate.grammar.base import NotParsed, Parsed
from smsgate.grammar.header import header_of
from smsgate.grammar.textform import code_pattern, textform_code
from smsgate.local_form import LocalForm
from smsgate.text import WHITE_SPACE, fold, one_line

_BEFORE_VALUE = f"{WHITE_SPACE}!-"
_RUN = re.compile(r"[A-Za-z_.*]++")
# A date in these figures is a Gregorian one in a key/value text, and no year of Bikram Sambat: so
# it has always been read. There a `bsDate` is written 2080.1.15 or in Nepali digits.
_GREGORIAN = re.compile(rf"[0-9]{{4}}[-/{WHITE_SPACE}]")


class _Compiled(NamedTuple):
    message: pp.ParserElement
    opening: re.Pattern[str] | None  # a label and what is before its value, the common way
    keys: dict[str, str]  # folded label -> field key
    initials: frozenset[str]
    lengths: tuple[int, ...]  # of the labels, longest first
    bikram_sambat: frozenset[str]


class Textforms:
    """The grammar; what it compiles for a form is kept with the form."""

    name = "textforms"
    priority = 10

    # The word at the start. The function itself, so that the registry asks it
    # once for all grammars that share it.
    code = staticmethod(textform_code)

    def claims(self, text: str, form: LocalForm | None) -> bool:
        """Claim every text but those with a header and a body of a kind that nobody reads."""
        header = header_of(text)
        return header is None or not header.kind

    def parse(self, text: str, form: LocalForm) -> Parsed | NotParsed:
        """Give each component's value to the field its label names."""
        compiled = form.built("textforms", _compile)
        match = compiled.message.parse_string(text)[0]  # matches every text
        start: int = match.end("code")
        if "!" in text and header_of(text) is not None:
            return NotParsed("a header without a body on its line", 0)
        rest = text[start:]
        values, seen = _values(rest, compiled)
        if not seen and form.keys and rest.strip(f"{WHITE_SPACE}#"):
            return NotParsed(
                "no label of the form", len(text) - len(rest.lstrip(f"{WHITE_SPACE}#"))
            )
        repeated = () if len(set(seen)) == len(seen) else _repeated(seen)
        unreadable = _NONE if not compiled.bikram_sambat else _gregorian(values, compiled)
        return Parsed(values, False, repeated, unreadable)

    def render(self, values: Mapping[str, str], form: LocalForm) -> str | None:
        """Write components; None where a label or value would be read otherwise."""
        compiled = form.built("textforms", _compile)
        labels = dict(zip(form.keys, form.tiny, strict=True))
        code = form.form.strip_code
        if not all(values.values()) or not values or code is None:
            return None
        if textform_code(f"{code} ") != form.form.code:
            return None
        components = []
        for key, value in values.items():
            label = labels.get(key) or key
            component = f"{label} {value}"
            if "#" in component or _component(component, compiled) != (key, value):
                return None
            if key in compiled.bikram_sambat and _GREGORIAN.match(value):
                return None
            components.append(component)
        # The empty component at the end has no meaning but to show that this is no compact text.
        return f"{code} {'#'.join(components)}#"


_NONE: frozenset[str] = frozenset()


def _values(rest: str, compiled: _Compiled) -> tuple[dict[str, str], list[str]]:
    """Return the values by field, and the key of each component with a label, in order."""
    values: dict[str, str] = {}
    seen: list[str] = []
    opening, keys = compiled.opening, compiled.keys
    # A space is the only white space that counts as printable; line breaks do not.
    blank = " " if rest.isprintable() else WHITE_SPACE
    for part in rest.split("#"):
        if not part:
            continue
        match = None if opening is None else opening.match(part)
        key = None if match is None else keys.get(match[1].lower())
        if match is None or key is None:
            found = _component(part, compiled)
            if found is None:
                continue
            key, value = found
        else:
            value = part[match.end() :].rstrip(blank)
            if blank is WHITE_SPACE:
                value = one_line(value)
        seen.append(key)
        if value:
            values[key] = value
    return values, seen


def _repeated(seen: list[str]) -> tuple[str, ...]:
    return tuple(key for key in dict.fromkeys(seen) if seen.count(key) > 1)


def _gregorian(values: Mapping[str, str], compiled: _Compiled) -> frozenset[str]:
    keys = compiled.bikram_sambat & values.keys()
    return frozenset(key for key in keys if _GREGORIAN.match(values[key]))


def _component(part: str, compiled: _Compiled) -> tuple[str, str] | None:
    """Return a component's field key and value, None where no label of the form is in it."""
    folded = fold(part)
    start = len(part) - len(part.lstrip(WHITE_SPACE))
    if folded[start : start + 1] in compiled.initials:
        for length in compiled.lengths:
            key = compiled.keys.get(folded[start : start + length])
            if key is not None and _ends_label(part, start + length):
                return key, _value(part[start + length :])
    run = _RUN.search(part)
    if run is None:
        return None
    key = compiled.keys.get(folded[run.start() : run.end()])
    return None if key is None else (key, _value(part[run.end() :]))


def _ends_label(part: str, end: int) -> bool:
    if end >= len(part):
        return end == len(part)
    char = part[end]
    if char in WHITE_SPACE:
        return True
    if char in "_.*" or (char.isdecimal() and part[end - 1].isdecimal()):
        return False
    return unicodedata.category(char)[0] not in "LM"


def _value(text: str) -> str:
    return one_line(text.strip(WHITE_SPACE).lstrip(_BEFORE_VALUE))


def _compile(form: LocalForm) -> _Compiled:
    keys: dict[str, str] = {}
    for labels in (form.tiny, form.tiny_default, form.keys):
        for key, label in zip(form.keys, labels, strict=True):
            if label and (folded := fold(label.strip(WHITE_SPACE))):
                keys.setdefault(folded, key)
    pattern = rf"(?is:(?P<code>{code_pattern(form.form)}).*+)"
    message = pp.Regex(pattern, as_match=True).set_name("textform message").leave_whitespace()
    message.parse_with_tabs()
    return _Compiled(
        message,
        _opening(keys),
        keys,
        frozenset(label[0] for label in keys),
        tuple(sorted({len(label) for label in keys}, reverse=True)),
        frozenset(field.key for field in form.form.fields if field.type == "bsDate"),
    )


def _opening(labels: Iterable[str]) -> re.Pattern[str] | None:
    """Return the expression of a label at the start with white space or nothing after it.

    It finds what `_component` would, and goes on to the value. Not where a label has white space
    inside: there the longest label that fits is not the first one found.
    """
    options = sorted(labels, key=len, reverse=True)
    if not options or any(char in label for label in options for char in WHITE_SPACE):
        return None
    labelled = "|".join(map(re.escape, options))
    return re.compile(
        rf"(?i)[{WHITE_SPACE}]*+({labelled})(?=[{WHITE_SPACE}]|\Z)[{_BEFORE_VALUE}]*+"
    )


grammar = Textforms()
