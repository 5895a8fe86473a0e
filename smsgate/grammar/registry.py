"""The grammars in use, found through entry points, and the choice among them."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib.metadata import entry_points

from smsgate.grammar.base import Grammar
from smsgate.local_form import LocalForm

GROUP = "smsgate.grammars"


class GrammarRegistry:
    """Some grammars in the order they are asked: highest priority first, ties by name."""

    __slots__ = ("_claims", "_codes", "grammars")

    def __init__(self, grammars: Iterable[Grammar]) -> None:
        """Take an explicit list; `installed` gives the plugins."""
        self.grammars = tuple(sorted(grammars, key=lambda each: (-each.priority, each.name)))
        self._codes = tuple(dict.fromkeys(grammar.code for grammar in self.grammars))
        self._claims = tuple((grammar.claims, grammar) for grammar in self.grammars)

    def code(self, text: str) -> str | None:
        """Return the form code in `text` by the first grammar that sees one (§5.2, decision 25)."""
        for code_in in self._codes:
            code = code_in(text)
            if code is not None:
                return code
        return None

    def choose(self, text: str, form: LocalForm | None) -> Grammar | None:
        """Return the grammar that claims `text`, None where none does."""
        for claims, grammar in self._claims:
            if claims(text, form):
                return grammar
        return None

    def named(self, name: str) -> Grammar | None:
        """Return the grammar of this name, None where it is not installed."""
        return next((each for each in self.grammars if each.name == name), None)


@functools.cache
def installed() -> GrammarRegistry:
    """Return the grammars of all installed packages, loaded once.

    Raises:
        TypeError: An entry point leads to something that is no grammar; start-up stops on it.
    """
    grammars = []
    for entry in entry_points(group=GROUP):
        grammar = entry.load()
        if not isinstance(grammar, Grammar):
            raise TypeError(f"entry point {entry.name!r} ({entry.value}) is not a grammar")
        grammars.append(grammar)
    return GrammarRegistry(grammars)
