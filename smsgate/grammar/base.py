"""The contract of a grammar: one way of writing a form's values into a text.

A grammar is pure and total. It gives values or `NotParsed`, never an exception, in linear time (10
ms for 1,600 characters, decision 28). It decides nothing about values: `filling` does, by the form.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from smsgate.local_form import LocalForm


class Parsed(NamedTuple):
    """The texts a grammar found.

    Attributes:
        values: Field key to its text as sent; a field that was not given is not in it, one that was
            given empty has "".
        extra: Whether there were more values than the form has fields (`extra_fields`).
        repeated: The keys of fields given more than once (`sys.duplicate_field`).
        unreadable: The keys of fields whose text cannot mean what their type would make of it.
        groups: Whether the groups of dotted keys are there even when empty.
    """

    values: Mapping[str, str]
    extra: bool = False
    repeated: tuple[str, ...] = ()
    unreadable: frozenset[str] = frozenset()
    groups: bool = False


class NotParsed(NamedTuple):
    """Why a text of this grammar gave no value, and at which character (from 0) that shows."""

    reason: str
    column: int


@runtime_checkable
class Grammar(Protocol):
    """What a plugin in the entry point group `smsgate.grammars` provides.

    Attributes:
        name: The plugin's name, as shown in traces and given to `render`.
        priority: Of the grammars that claim a text the highest wins; ties go by name.
    """

    @property
    def name(self) -> str:
        """The plugin's name."""
        ...

    @property
    def priority(self) -> int:
        """Who comes first; smsgate's own are between 10 and 40."""
        ...

    def code(self, text: str) -> str | None:
        """Return the form code in `text`, upper case; None where it is not this grammar's text."""
        ...

    def claims(self, text: str, form: LocalForm | None) -> bool:
        """Say whether `text`, a filling of `form` (None: of no known form), is of this grammar."""
        ...

    def parse(self, text: str, form: LocalForm) -> Parsed | NotParsed:
        """Read the values out of a text this grammar claims."""
        ...

    def render(self, values: Mapping[str, str], form: LocalForm) -> str | None:
        """Write texts of fields as a message `parse` reads back, None where that cannot be done."""
        ...
