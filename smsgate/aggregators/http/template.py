"""Templates: a text with `{placeholders}`, and nothing else. They are no programming language.

`{{` and `}}` stand for the braces themselves. A template that needs a value which there is not
(`{minutes}` of a message that never expires) gives None, and what it was for is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_PIECE: Final = re.compile(r"\{\{|\}\}|\{(?P<name>[a-z][a-z0-9_]*)\}|(?P<stray>[{}])")
_DEEPEST: Final = 10


@dataclass(frozen=True, slots=True)
class Template:
    """Literal text and placeholders, in turn: `pieces` are `(text, name of what follows)`."""

    pieces: tuple[tuple[str, str | None], ...]

    @property
    def names(self) -> frozenset[str]:
        """The placeholders in it."""
        return frozenset(name for _, name in self.pieces if name is not None)

    def fill(
        self, values: Mapping[str, str | None], escape: Callable[[str], str] = str
    ) -> str | None:
        """The text with `values` in place, each escaped; None where one of them has no value."""
        filled = []
        for text, name in self.pieces:
            filled.append(text)
            if name is not None:
                value = values.get(name)
                if value is None:
                    return None
                filled.append(escape(value))
        return "".join(filled)


# A JSON value whose texts are templates.
Tree = Template | bool | int | float | None | list[Any] | dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadTemplate:
    """Why a text is no template."""

    reason: str


def parse(text: str, allowed: Iterable[str]) -> Template | BadTemplate:
    """Read a template in which the placeholders `allowed` may occur."""
    known = frozenset(allowed)
    pieces: list[tuple[str, str | None]] = []
    literal, place = "", 0
    for match in _PIECE.finditer(text):
        literal += text[place : match.start()]
        place = match.end()
        name = match["name"]
        if match["stray"]:
            return BadTemplate(f"has a lone {match[0]}: write {match[0] * 2} for the character")
        if name is None:
            literal += match[0][0]
        elif name not in known:
            return BadTemplate(f"{{{name}}} is not known here: {_listed(known)}")
        else:
            pieces.append((literal, name))
            literal = ""
    pieces.append((literal + text[place:], None))
    return Template(tuple(pieces))


def _listed(names: frozenset[str]) -> str:
    listed = ", ".join(f"{{{name}}}" for name in sorted(names))
    return f"known are {listed}" if listed else "no placeholder is"


def parse_tree(
    value: Any, allowed: Iterable[str], report: Callable[[str, str], None], path: str = ""
) -> Tree:
    """`value` with its texts as templates; what is wrong goes to `report(path, why)`."""
    known = frozenset(allowed)
    if path.count(".") + path.count("[") > _DEEPEST:
        report(path, "is nested too deeply")
        return None
    if isinstance(value, str):
        found = parse(value, known)
        if isinstance(found, BadTemplate):
            report(path, found.reason)
            return None
        return found
    if isinstance(value, list):
        return [
            parse_tree(item, known, report, f"{path}[{place}]") for place, item in enumerate(value)
        ]
    if isinstance(value, dict):
        return {
            key: parse_tree(item, known, report, f"{path}.{key}") for key, item in value.items()
        }
    return value if isinstance(value, bool | int | float) else None


def names_in(tree: Tree) -> frozenset[str]:
    """The placeholders in all templates of `tree`."""
    if isinstance(tree, Template):
        return tree.names
    inner: Iterable[Any] = ()
    if isinstance(tree, list):
        inner = tree
    elif isinstance(tree, dict):
        inner = tree.values()
    return frozenset[str]().union(*(names_in(item) for item in inner))


def fill_tree(tree: Tree, values: Mapping[str, str | None]) -> Any:
    """`tree` as the JSON value to send; entries without a value are left out."""
    if isinstance(tree, Template):
        return tree.fill(values)
    if isinstance(tree, list):
        return [filled for item in tree if (filled := _filled(item, values)) is not _ABSENT]
    if isinstance(tree, dict):
        return {
            key: filled
            for key, item in tree.items()
            if (filled := _filled(item, values)) is not _ABSENT
        }
    return tree


_ABSENT: Final = object()


def _filled(item: Tree, values: Mapping[str, str | None]) -> Any:
    filled = fill_tree(item, values)
    return _ABSENT if filled is None and isinstance(item, Template) else filled
