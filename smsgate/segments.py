"""How many SMS a text becomes (3GPP TS 23.038 for the alphabet, TS 23.040 for the parts).

A text of GSM-7 characters alone fits 160 septets, or 153 a part once it is cut; characters of the
extension table cost two. Any other text goes as UCS-2: 70 code units, or 67 a part. No part ends
inside an escape pair, a surrogate pair or what a reader sees as one character (a grapheme cluster,
Unicode UAX 29): what would straddle two parts moves whole, as Android's own division does it. Only
a cluster that is longer than a part is cut, between two of its characters.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import regex

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
MOST_PARTS = 10  # what a message may become at most, where the settings do not say

_SINGLE = {"gsm-7": 160, "ucs-2": 70}
_PART = {"gsm-7": 153, "ucs-2": 67}
_ELLIPSIS = "..."
_REPLACED = 3  # characters that give way to the ellipsis (protocol section 7.5)
_REMEMBERED = 1600  # longer texts are strangers' and do not repeat

_GSM = re.compile("[" + re.escape("".join(sorted(GSM_BASIC | GSM_EXTENSION))) + "]*+")
_EXTENDED = re.compile("[" + re.escape("".join(sorted(GSM_EXTENSION))) + "]")
_CLUSTER = regex.compile(r"\X")


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """`segments` parts in `encoding` (`gsm-7` or `ucs-2`), `units` septets or code units used."""

    segments: int
    encoding: str
    units: int


def count(text: str) -> SegmentCount:
    """How many parts `text` is sent as; an empty text is one."""
    return _remembered(text) if len(text) <= _REMEMBERED else _count(text)


def split(text: str) -> list[str]:
    """The parts that `text` is sent as, in order; joined they are `text` again."""
    encoding = _encoding(text)
    if _units(text, encoding) <= _SINGLE[encoding]:
        return [text]
    return list(_parts(text, encoding))


def truncate(text: str, most: int = MOST_PARTS) -> str:
    """`text` if it fits `most` parts, else its first `most` parts, the last three characters `...`.

    What a reader sees as one character is taken out whole, or stays.
    """
    encoding = _encoding(text)
    if _units(text, encoding) <= _SINGLE[encoding]:
        return text
    parts = list(itertools.islice(_parts(text, encoding), most + 1))
    if len(parts) <= most:
        return text
    parts.pop()
    # From the end, part by part: to look at all of a long text would cost more.
    tail: list[str] = []
    while parts and len(tail) <= _REPLACED:
        tail = _CLUSTER.findall(parts.pop() + "".join(tail))
    if len(tail) <= _REPLACED:  # a few clusters of hundreds of characters each
        return "".join(tail)[:-_REPLACED] + _ELLIPSIS
    return "".join(parts) + "".join(tail[:-_REPLACED]) + _ELLIPSIS


def _count(text: str) -> SegmentCount:
    encoding = _encoding(text)
    units = _units(text, encoding)
    if units <= _SINGLE[encoding]:
        return SegmentCount(1, encoding, units)
    return SegmentCount(sum(1 for _ in _parts(text, encoding)), encoding, units)


_remembered = functools.lru_cache(maxsize=4096)(_count)  # replies repeat


def _encoding(text: str) -> str:
    return "gsm-7" if _GSM.fullmatch(text) else "ucs-2"


def _units(text: str, encoding: str) -> int:
    if encoding == "gsm-7":
        return len(text) + len(_EXTENDED.findall(text))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _parts(text: str, encoding: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = start + _fitting(text[start : start + _PART[encoding] + 1], encoding)
        yield text[start:end]
        start = end


def _fitting(window: str, encoding: str) -> int:
    """How many characters of `window` go into one part.

    The window is one character longer than a part at its fullest, so that what is cut off at its
    end is never what fits.
    """
    room = _PART[encoding]
    plain = _units(window, encoding) == len(window)
    if plain and encoding == "gsm-7" and "\r\n" not in window:
        return min(len(window), room)
    cost = len if plain else functools.partial(_units, encoding=encoding)
    return _filled(_CLUSTER.findall(window), room, cost) or _filled(window, room, cost)


def _filled(pieces: Iterable[str], room: int, cost: Callable[[str], int]) -> int:
    characters = 0
    for piece in pieces:
        room -= cost(piece)
        if room < 0:
            break
        characters += len(piece)
    return characters
