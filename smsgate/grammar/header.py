"""The header of structured texts: `1!CODE!…`, `J1!CODE!…` (`spec/sms-protocol.md` §5.1, §5.2).

    header := ws* [letter] digit "!" code "!"
    code   := any character but "!"

`MESSAGE` is the header with a body that makes a text a Muvuku one: on the header's line follows at
least one character, or nothing follows at all. Zero-width characters in the header are not seen.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from smsgate.form import code_key
from smsgate.text import LINE_BREAKS, WHITE_SPACE, ZERO_WIDTH

_PREFIX = (
    rf"[{WHITE_SPACE}{ZERO_WIDTH}]*+(?P<kind>[A-Za-z]?+[{ZERO_WIDTH}]*+[0-9])[{ZERO_WIDTH}]*+!"
)

MESSAGE = (
    rf"(?s:{_PREFIX}"
    rf"(?:(?P<code>[^!{LINE_BREAKS}]++)!(?=[^{LINE_BREAKS}]|[{WHITE_SPACE}]*+\Z)"
    rf"|!(?=[^!{LINE_BREAKS}]*+![^{LINE_BREAKS}]))"
    r"(?P<body>.*+))"
)
"""The whole text: groups `kind`, `code` (None where empty) and `body`. Possessive, so linear."""

_MESSAGE = re.compile(MESSAGE)
_HEADER = re.compile(rf"{_PREFIX}(?P<code>[^!]*+)!")


class Header(NamedTuple):
    """What a text begins with.

    Attributes:
        kind: The prefix (`1`, `J1`, …) in upper case; "" where no body follows, as then nobody can
            read the text.
        code: Upper case, without zero width, not trimmed.
    """

    kind: str
    code: str


def header_of(text: str) -> Header | None:
    """Return the header of `text`, None without one."""
    return _header_of(text) if "!" in text else None


# The grammars ask about one text one after the other; this only keeps what the last one found.
@functools.lru_cache(maxsize=2)
def _header_of(text: str) -> Header | None:
    match = _HEADER.match(text)
    if match is None:
        return None
    kind, code = match.groups()
    following = text[match.end() : match.end() + 1]
    # The common way is decided by the next character; the expression decides the others.
    common = code.isprintable() and code and following and following not in LINE_BREAKS
    kind = code_key(kind) if common or _MESSAGE.match(text) else ""
    return Header(kind, code_key(code) or code)


def header_code(text: str) -> str | None:
    """Return the form code of a text with a header of whatever kind, None without one."""
    header = header_of(text)
    return None if header is None else header.code
