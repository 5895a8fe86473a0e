r"""Muvuku: values by position, `1!CODE!v1#v2#v3` (`spec/sms-protocol.md` §5.4, decision 25).

    message := ws* "1" "!" code "!" body
    code    := any character but "!"                 (not trimmed)
    body    := nothing | value ("#" value)*
    value   := any character but "#"                 (trimmed; no escapes, no quotes)

The i-th value is the i-th field's in the order of the definition. Less values leave the last fields
without one; more are `extra_fields`. A body of nothing gives no field a value. Every other prefix
(`2!`, `A1!`) is a header too, but no grammar's: the form's code is read, its values are not.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyparsing as pp

from smsgate.grammar.base import NotParsed, Parsed
from smsgate.grammar.header import MESSAGE, header_code, header_of
from smsgate.local_form import LocalForm
from smsgate.text import LINE_BREAKS, WHITE_SPACE

# One possessive expression for the whole text; the body is cut apart outside, where a failure can
# no longer happen. Tabs and leading white space are the sender's.
MUVUKU = pp.Regex(MESSAGE, as_match=True).set_name("muvuku message").leave_whitespace()
MUVUKU.parse_with_tabs()


class Muvuku:
    """The grammar; stateless."""

    name = "muvuku"
    priority = 30

    # What is between the first two `!` of any header. The function itself, so that the registry
    # asks it once for all grammars that share it.
    code = staticmethod(header_code)

    def claims(self, text: str, form: LocalForm | None) -> bool:
        """Claim texts that begin with `1!…!`."""
        if "!" not in text:
            return False  # said first: most texts end here
        header = header_of(text)
        return header is not None and header.kind == "1"

    def parse(self, text: str, form: LocalForm) -> Parsed | NotParsed:
        """Deal the values out to the fields in order."""
        try:
            match = MUVUKU.parse_string(text)[0]
        except pp.ParseException as error:
            return NotParsed("no header of the form 1!CODE!", error.loc)
        body: str = match["body"]
        # A space is the only white space that counts as printable; the short strip is quicker.
        blank = " " if body.isprintable() else WHITE_SPACE
        values = [value.strip(blank) for value in body.split("#")]
        if values == [""]:
            return Parsed({})
        keys = form.keys
        extra = len(values) > len(keys)
        return Parsed(dict(zip(keys, values, strict=False)), extra, groups=True)

    def render(self, values: Mapping[str, str], form: LocalForm) -> str | None:
        """Write the values in order; None where one has a `#` or does not bear trimming."""
        if not _plain(form.form.code) or not all(
            "#" not in value and value == value.strip(WHITE_SPACE) for value in values.values()
        ):
            return None
        given = [index for index, key in enumerate(form.keys) if key in values]
        if not given or len(given) != len(values) or given != list(range(len(given))):
            return None
        body = "#".join(values[key] for key in form.keys[: len(given)])
        if not body or body[0] in LINE_BREAKS:
            return None
        return f"1!{form.form.code}!{body}"


def _plain(code: str) -> bool:
    """Say whether a code survives a header as it is."""
    return not any(char == "!" or char in LINE_BREAKS for char in code)


grammar = Muvuku()
