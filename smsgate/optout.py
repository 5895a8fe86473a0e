"""Who wants no more messages, and the words by which people say so.

A word counts only where it is the whole message, whatever its capitals, its width or the full stop
behind it: "STOP" does, "stop by tomorrow" does not.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Wish(StrEnum):
    """What somebody asked for. The word is the state in the consent list."""

    STOP = "stopped"
    START = "allowed"


# In the languages smsgate's own texts are shipped in.
WORDS: Final[Mapping[Wish, Mapping[str, tuple[str, ...]]]] = {
    Wish.STOP: {
        "en": ("stop", "stop all", "stopall", "unsubscribe"),
        "fr": ("arret", "arrêt", "arreter", "arrêter", "desabonner", "désabonner"),
        "sw": ("acha", "simamisha", "sitisha"),
        "ne": ("रोक", "रोक्नुहोस्", "बन्द", "बन्द गर्नुहोस्"),
        "es": ("parar", "baja", "detener"),
    },
    Wish.START: {
        "en": ("start", "unstop", "subscribe"),
        "fr": ("reprendre", "abonner", "demarrer", "démarrer"),
        "sw": ("anza", "endelea"),
        "ne": ("सुरु", "शुरु", "सुरु गर्नुहोस्"),
        "es": ("alta", "iniciar", "reanudar"),
    },
}
CONFIRMATION: Final = "consent"  # the kind of a reply that confirms either wish
OPTED_OUT: Final = "opted_out"  # why a message to somebody on the list is not sent
_LONGEST = 40


def folded(text: str) -> str:
    """A text as the words are compared: one width, no case, single spaces, no marks around it."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(plain.strip(" \t\r\n.!?।\"'*-_").split())


_MEANING: Final[Mapping[str, tuple[Wish, str]]] = {
    folded(word): (wish, locale)
    for wish, languages in WORDS.items()
    for locale, words in languages.items()
    for word in words
}


def wish_of(text: str) -> tuple[Wish, str] | None:
    """What a whole message asks for, and in which language; None where it is no such word."""
    return _MEANING.get(folded(text)) if len(text) <= _LONGEST else None


def number_hash(number: str) -> bytes:
    """The hash under which a number is in the consent list."""
    return hashlib.sha256(number.strip().encode("utf-8", "surrogatepass")).digest()


@dataclass(frozen=True, slots=True)
class OptedOut:
    """The numbers to leave alone, as hashes, as of version `version` of the list."""

    hashes: frozenset[bytes] = field(default_factory=frozenset)
    version: int = 0

    def holds(self, number: str) -> bool:
        """Whether `number` is on the list."""
        return bool(self.hashes) and number_hash(number) in self.hashes

    def forbids(self, row: Mapping[str, Any]) -> bool:
        """Whether a message may not go out: all but the one that confirms the wish."""
        return row["kind"] != CONFIRMATION and self.holds(row["recipient"] or "")
