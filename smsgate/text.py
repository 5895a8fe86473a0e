r"""Cleaning of texts from strangers' phones: white space, digits of every script, invisible marks.

The classes here are those of `spec/sms-protocol.md` §5, not Python's: `str.isspace` and `\s` count
U+001C-1F and U+0085, and leave out U+FEFF. Every function is pure, total and linear.
"""

from __future__ import annotations

import sys
import unicodedata

WHITE_SPACE = (
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What separates words (`ws` of §5). Contains no character special inside `[...]`."""

ZERO_WIDTH = "\u200b\u200c\u200d\ufeff"
"""What keyboards and chat programs slip in unseen (decision 26)."""

LINE_BREAKS = "\n\r\u2028\u2029"
"""What ends a line."""

_NO_ZERO_WIDTH = dict.fromkeys(map(ord, ZERO_WIDTH))
# The digits of a script stand in a row, 0 to 9 (Unicode promises it): every tenth character is one
# of each row, and a process need not look at a million of them to start.
_DIGITS = {
    found - unicodedata.decimal(chr(found)) + digit: str(digit)
    for found in range(0x80, sys.maxunicode + 1, 10)
    if chr(found).isdecimal()
    for digit in range(10)
}
_CLEAN = {**_DIGITS, **_NO_ZERO_WIDTH}


def without_zero_width(text: str) -> str:
    """Return `text` without U+200B, U+200C, U+200D and U+FEFF."""
    return text if text.isascii() else text.translate(_NO_ZERO_WIDTH)


def ascii_digits(text: str) -> str:
    """Return `text` with the decimal digits of every script as 0-9 (decision 27)."""
    return text if text.isascii() else text.translate(_DIGITS)


def clean(text: str) -> str:
    """Return `text` as number, date, id and phone fields see it: 0-9 and no zero width (§5.8).

    Idempotent: `clean(clean(text)) == clean(text)`.
    """
    return text if text.isascii() else text.translate(_CLEAN)


def fold(text: str) -> str:
    """Return `text` in lower case, character for character, so that positions stay what they are.

    Python lower-cases U+0130 to two characters; here it stays one, and is compared as it is.
    """
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(small if len(small := char.lower()) == 1 else char for char in text)


def one_line(text: str) -> str:
    """Return `text` with each line break (CR LF is one) read as a space (decision 21)."""
    for line_break in ("\r\n", *LINE_BREAKS):
        if line_break in text:
            text = text.replace(line_break, " ")
    return text


def is_blank(text: str) -> bool:
    """Say whether nothing but white space is there (`sys.empty`, §4.6)."""
    return not text.strip(WHITE_SPACE)
