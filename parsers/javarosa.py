r"""JavaRosa: labels and values in turn, `J1!CODE!label#value#label#value` (§5.5, decision 20).

    message := ws* "J1" "!" code "!" body              ("j1" too)
    body    := nothing | pair ("#" pair)*
    pair    := label "#" value
    label   := chunk                                   (trimmed)
    value   := chunk                                   (not trimmed; "\#" is "#")
    chunk   := characters up to a vertical tab, or up to a "#" that is neither the chunk's first
               character nor after a "\"

A label names the fields whose tiny label, in the language of the settings, it equals whatever the
case; labels are literal text. Unknown labels, and a last one without a value, are passed over; of a
label given twice the last value counts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyparsing as pp

from smsgate.grammar.base import NotParsed, Parsed
from smsgate.grammar.header import MESSAGE, header_code, header_of
from smsgate.local_form import LocalForm
from smsgate.text import LINE_BREAKS, WHITE_SPACE, fold

JAVAROSA = pp.Regex(MESSAGE, as_match=True).set_name("javarosa message").leave_whitespace()
JAVAROSA.parse_with_tabs()

_UNSAFE_START = frozenset(("", *LINE_BREAKS))
_CUT = re.compile(r"(?s)([^\\])#")


class JavaRosa:
    """The grammar; stateless."""

    name = "javarosa"
    priority = 40

    # What is between the first two `!` of any header. The function itself, so that the registry
    # asks it once for all grammars that share it.
    code = staticmethod(header_code)

    def claims(self, text: str, form: LocalForm | None) -> bool:
        """Claim texts that begin with `J1!…!`."""
        if "!" not in text:
            return False  # said first: most texts end here
        header = header_of(text)
        return header is not None and header.kind == "J1"

    def parse(self, text: str, form: LocalForm) -> Parsed | NotParsed:
        """Give each pair's value to the fields its label names."""
        try:
            match = JAVAROSA.parse_string(text)[0]
        except pp.ParseException as error:
            return NotParsed("no header of the form J1!CODE!", error.loc)
        body: str = match["body"]
        if not body.strip(WHITE_SPACE):
            return Parsed({})
        fields = form.built("javarosa", _fields_by_label)
        values: dict[str, str] = {}
        chunks = _chunks(body)
        for label, value in zip(chunks[::2], chunks[1::2], strict=False):
            keys = fields.get(label) or fields.get(fold(label.strip(WHITE_SPACE)), ())
            for key in keys:
                values[key] = value.replace("\\#", "#")
        if not values and form.keys:
            return NotParsed("no label of the form", match.start("body"))
        return Parsed(values, groups=True)

    def render(self, values: Mapping[str, str], form: LocalForm) -> str | None:
        """Write pairs; None where a field has no label of its own, or a chunk would be cut."""
        fields = form.built("javarosa", _fields_by_label)
        labels = dict(zip(form.keys, form.tiny_default, strict=True))
        chunks: list[str] = []
        for key, value in values.items():
            label = labels.get(key)
            if label is None or fields.get(fold(label.strip(WHITE_SPACE))) != (key,):
                return None
            if "#" in label or label.endswith("\\") or not label.strip(WHITE_SPACE):
                return None
            if not value or value.endswith("\\") or "\\#" in value or "\v" in value + label:
                return None
            chunks += [label, value.replace("#", "\\#")]
        body = "#".join(chunks)
        code = form.form.code
        if any(char == "!" or char in LINE_BREAKS for char in code) or body[:1] in _UNSAFE_START:
            return None
        return f"J1!{code}!{body}"


def _chunks(body: str) -> list[str]:
    r"""Cut `body` at each `#` with a character before it that is not `\`, and at vertical tabs."""
    if "##" in body or "\\" in body or "\v" in body or body[0] == "#":
        return _CUT.sub(r"\1\v", body).split("\v")
    return body.split("#")  # the same, where nothing of that is in it


def _fields_by_label(form: LocalForm) -> dict[str, tuple[str, ...]]:
    fields: dict[str, tuple[str, ...]] = {}
    for key, label in zip(form.keys, form.tiny_default, strict=True):
        if label is not None and (folded := fold(label.strip(WHITE_SPACE))):
            fields[folded] = (*fields.get(folded, ()), key)
    return fields


grammar = JavaRosa()
