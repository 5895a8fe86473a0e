"""All pages together: links lead somewhere, and nothing in the repository is a place of its own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.reading import DOCS, ROOT, anchors, page, pages, prose

_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
# What belongs to one machine: home and work folders, and addresses of package registries.
_MACHINE = re.compile(
    r"(?<![\w.])/(?:home|root|work|Users|opt)/[\w.-]+"
    r"|file:///[a-z]"
    r"|--(?:extra-)?(?:index|find)-(?:url|links)\s+\S+"
    r"|https?://[\w.-]*(?:pypi|pythonhosted|artifactory|nexus)[\w.-]*",
)
_PROSE_OF_ITS_OWN = {"tests/docs/test_pages.py"}


@pytest.mark.parametrize("file", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    for target in _LINK.findall(prose(file.read_text(encoding="utf-8"))):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        there = (file.parent / path).resolve() if path else file
        assert there.exists(), f"{target}: there is no such file"
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), target


def test_every_page_can_be_reached_from_the_index() -> None:
    linked = {
        (DOCS / target.partition("#")[0]).resolve() for target in _LINK.findall(page("index.md"))
    }
    assert {file for file in pages() if file.is_relative_to(DOCS)} - linked == {DOCS / "index.md"}


def _tracked() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("this is no clone: what is tracked is not known")
    return [name for name in done.stdout.split("\0") if name]


def test_no_machine_and_no_registry_is_named() -> None:
    found = []
    for name in _tracked():
        path = ROOT / name
        if name in _PROSE_OF_ITS_OWN or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{name}: {match[0]}" for match in _MACHINE.finditer(text)]
    assert found == []
