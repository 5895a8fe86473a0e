"""`docs/writing-a-grammar.md`: its package is built, installed and read with, offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from smsgate.grammar.registry import installed
from tests.docs.reading import ROOT, blocks, page

PAGE = page("writing-a-grammar.md")

# A process that finds the package as smsgate does, and reads texts with it.
READ = """
import json, sys
from pathlib import Path
from smsgate.catalogue import Catalogue
from smsgate.grammar.registry import installed
from smsgate.reading import ReadingRules
from smsgate.record import draft_from_text
from smsgate.registry import load_forms

rules = ReadingRules(forms=load_forms(Path(sys.argv[1])).forms, catalogue=Catalogue())
stars = installed().named("stars")
form = rules.local(rules.forms["ANC"])
drafts = [
    draft_from_text(text, sender="+254711000001", rules=rules, received_ms=0)
    for text in json.load(sys.stdin)
]
print(json.dumps({
    "order": [grammar.name for grammar in installed().grammars],
    "read": [[draft.grammar, draft.fields, [e["code"] for e in draft.errors]] for draft in drafts],
    "written": stars.render({"name": "Sam", "week": "23"}, form),
    "not written": stars.render({"name": "S*m"}, form),
}))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's package is installed, and nothing else."""
    project = tmp_path_factory.mktemp("smsgate-stars")
    for language, name in (("toml", "pyproject.toml"), ("python", "smsgate_stars.py")):
        (block,) = (b for b in blocks(PAGE) if b.language == language)
        (project / name).write_text(block.text, encoding="utf-8")
    target = tmp_path_factory.mktemp("installed")
    options = ["--offline", "--no-config", "--no-cache", "--no-build-isolation", "--no-deps"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "install", "--quiet", *options),
            *("--python", sys.executable, "--target", str(target), str(project)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


def test_the_package_reads_texts(folder: Path) -> None:
    texts = [
        "*ANC*Sam*23*2015#",
        "*anc*Sita Rai*10*2026*1*2026-04-06",
        "*ANC*Sam##",
        "1!ANC!Sam#23#2015",
        "*" * 1600,
    ]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ, str(ROOT / "forms")],
        input=json.dumps(texts),
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["order"] == ["stars", "javarosa", "muvuku", "compact", "textforms"]
    sam = {"name": "Sam", "week": 23, "year": 2015}
    sita = {**sam, "name": "Sita Rai", "week": 10, "year": 2026}
    sita |= {"danger_sign": True, "next_visit": 1775433600000}
    assert said["read"][0] == ["stars", sam, []]
    assert said["read"][1] == ["stars", sita, []]
    assert said["read"][2][0] != "stars"
    assert said["read"][3] == ["muvuku", sam, []]
    assert said["written"] == "*ANC*Sam*23#"
    assert said["not written"] is None


def test_the_priorities_on_the_page() -> None:
    for grammar in installed().grammars:
        assert f"`{grammar.name}` ({grammar.priority})" in PAGE
