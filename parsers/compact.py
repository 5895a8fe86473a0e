r"""Compact textforms: values by position, parted by spaces, `CODE v1 "v 2" rest` (§5.6).

    message := ws* code [separators] values       (no header; no "#" in values, no label first)
    values  := (ws* token)*
    token   := '"' any but '"' '"' | any but ws and '"'

The i-th token is the i-th field's. Where that gives more tokens than fields, everything from the
first to the last quotation mark is one token. If the last field is a `string` it takes all that is
left, joined by single spaces; otherwise tokens beyond the last field are dropped. Quotation marks
around a value are not part of it.

A text that begins with a tiny label of the form, or with a short label that is also its field's
key, and white space, a digit or nothing after it, is a key/value text (decision 22).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import pyparsing as pp

from smsgate.grammar.base import NotParsed, Parsed
from smsgate.grammar.header import header_of
from smsgate.grammar.textform import code_pattern, textform_code
from smsgate.labels import label_text
from smsgate.local_form import LocalForm
from smsgate.text import WHITE_SPACE, fold

_TOKEN = re.compile(rf'"[^"]++"|[^{WHITE_SPACE}"]++')
_WORD = re.compile(rf'[^{WHITE_SPACE}"]++')


class _Compiled(NamedTuple):
    pattern: re.Pattern[str]
    message: pp.ParserElement


class Compact:
    """The grammar; what it compiles for a form is kept with the form."""

    name = "compact"
    priority = 20

    # The word at the start. The function itself, so that the registry asks it
    # once for all grammars that share it.
    code = staticmethod(textform_code)

    def claims(self, text: str, form: LocalForm | None) -> bool:
        """Claim texts whose values have no `#` and begin with no label of the form."""
        if form is None or ("!" in text and header_of(text) is not None):
            return False
        return form.built("compact", _compile).pattern.match(text) is not None

    def parse(self, text: str, form: LocalForm) -> Parsed | NotParsed:
        """Deal the tokens out to the fields in order."""
        try:
            match = form.built("compact", _compile).message.parse_string(text)[0]
        except pp.ParseException as error:
            return NotParsed("no values", error.loc)
        values: str = match["values"]
        keys = form.keys
        quoted = '"' in values
        # A space is the only white space that counts as printable.
        simple = not quoted and values.isprintable()
        tokens = values.split() if simple else _TOKEN.findall(values)
        if quoted and len(tokens) > len(keys):
            tokens = _from_first_to_last_quote(values)
        if not tokens and values.strip(WHITE_SPACE):
            return NotParsed("nothing but quotation marks", match.start("values"))
        if len(tokens) > len(keys) and keys and form.form.fields[-1].type == "string":
            last = len(keys) - 1
            tokens[last:] = [" ".join(tokens[last:])]
        if quoted:
            tokens = [_unquoted(token) for token in tokens]
        return Parsed(dict(zip(keys, tokens, strict=False)))

    def render(self, values: Mapping[str, str], form: LocalForm) -> str | None:
        """Write the values in order, quoted where they need it; None where quotes do not help."""
        given = [key for key in form.keys if key in values]
        if not given or len(given) != len(values) or given != list(form.keys[: len(given)]):
            return None
        code = form.form.strip_code
        texts = [values[key] for key in given]
        if code is None or textform_code(f"{code} ") != form.form.code:
            return None
        if any(not text or '"' in text or "#" in text for text in texts):
            return None
        tokens = [text if _WORD.fullmatch(text) else f'"{text}"' for text in texts]
        if tokens[0][0] in "!-,:":
            tokens[0] = f'"{tokens[0]}"'
        message = f"{code} {' '.join(tokens)}"
        return message if self.claims(message, form) else None


def _from_first_to_last_quote(values: str) -> list[str]:
    first, last = values.find('"'), values.rfind('"')
    if last - first < 2:
        return _WORD.findall(values)
    return [
        *_WORD.findall(values[:first]),
        values[first : last + 1],
        *_WORD.findall(values[last + 1 :]),
    ]


def _unquoted(token: str) -> str:
    return token[1:-1] if len(token) > 1 and token[0] == token[-1] == '"' else token


def _compile(form: LocalForm) -> _Compiled:
    labels = sorted({re.escape(label) for label in _opening_labels(form)}, key=len, reverse=True)
    not_a_label = ""
    if labels:
        # A digit belongs to a label that ends in one (`t1` is not the start of `t10`).
        options = "|".join(label + (r"(?!\d)" if label[-1].isdecimal() else "") for label in labels)
        not_a_label = rf"(?!(?:{options})(?:[{WHITE_SPACE}\d]|\Z))"
    pattern = re.compile(rf"(?is:{code_pattern(form.form)}{not_a_label}(?P<values>[^#]++)\Z)")
    message = pp.Regex(pattern, as_match=True).set_name("compact message").leave_whitespace()
    message.parse_with_tabs()
    return _Compiled(pattern, message)


def _opening_labels(form: LocalForm) -> set[str]:
    """Return the labels that, at the start, make a text a key/value one (decision 22)."""
    labels = {fold(label) for label in (*form.tiny, *form.tiny_default) if label}
    typing = form.typing
    for field in form.form.fields:
        for locale in (form.locale, typing.locale):
            short = label_text(field.short, locale, typing.catalogue)
            if short is not None and fold(short) == fold(field.key):
                labels.add(fold(short))
    return labels


grammar = Compact()
