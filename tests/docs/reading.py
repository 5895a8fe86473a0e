"""The documentation as the tests read it: pages, headings, code blocks, tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FRONT = tuple(ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md"))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language and what is in it."""

    language: str
    text: str


def pages() -> list[Path]:
    """Every page there is."""
    return [*FRONT, *sorted(DOCS.rglob("*.md"))]


def page(name: str) -> str:
    """The text of a page of `docs/`."""
    return (DOCS / name).read_text(encoding="utf-8")


def readme() -> str:
    """The text of the front page."""
    return (ROOT / "README.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands under a heading of the second level, up to the next one."""
    _, found, rest = text.partition(f"\n## {heading}\n")
    assert found, f"no heading {heading!r}"
    return rest.partition("\n## ")[0]


def blocks(text: str) -> list[Block]:
    """The fenced blocks, in order."""
    return [Block(match[1], match[2]) for match in _FENCE.finditer(text)]


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", text)


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every table row, headings and rules left out."""
    lines = prose(text).splitlines()
    for place, line in enumerate(lines):
        if not line.startswith("|") or set(line) <= set("|-: "):
            continue
        if place + 1 < len(lines) and set(lines[place + 1]) <= set("|-: ") and lines[place + 1]:
            continue
        yield [cell.strip() for cell in line.strip().strip("|").split(" | ")]


def codes(text: str) -> list[str]:
    """What is set in code marks, in order."""
    return _CODE.findall(prose(text))


def anchors(text: str) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    titles = _HEADING.findall(prose(text))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
