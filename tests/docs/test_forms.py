"""`docs/forms.md`: its example does what it says, and faults read as they are shown."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from smsgate.catalogue import Catalogue, shipped_texts
from smsgate.cli import main
from smsgate.definition import read_definition
from smsgate.form import TYPES
from smsgate.reading import ReadingRules
from smsgate.registry import check_examples, load_forms
from tests.docs.reading import ROOT, blocks, codes, page, rows, section

PAGE = page("forms.md")
RULES = ReadingRules(forms={}, catalogue=Catalogue())

# What the page's block of faults is about.
FAULTY = {
    "VIS": {
        "meta": {"code": "VISIT"},
        "fields": {"weight": {"required": True, "labels": {"tiny": "wt"}}},
    },
    "STK": {
        "meta": {"code": "STK"},
        "facility_reference": "site",
        "fields": {"qty": {"type": "number", "labels": {"tiny": "q"}}},
    },
}


def test_the_definition_is_sound_and_its_examples_are_true() -> None:
    (block,) = (b for b in blocks(section(PAGE, "A definition")) if b.language == "json")
    form, faults = read_definition("VIS", json.loads(block.text))
    assert form is not None
    assert faults == []
    assert check_examples(form, RULES) == []


def test_faults_read_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("forms")
    folder.mkdir()
    for code, definition in FAULTY.items():
        (folder / f"{code}.json").write_text(json.dumps(definition), encoding="utf-8")
    shown, command = blocks(section(PAGE, "Faults"))
    lines = shown.text.splitlines()
    assert lines == [str(fault) for fault in load_forms(folder).faults]

    assert main(shlex.split(command.text)[1:]) == 1
    said = capsys.readouterr().err
    assert [line for line in lines if line in said] == [line for line in lines if "error:" in line]


def test_every_type_is_explained() -> None:
    explained = set(codes(section(PAGE, "Types")))
    assert TYPES - {"custom", "complex"} <= explained


def test_every_error_of_a_record_is_explained() -> None:
    known = {key for key in shipped_texts()["en"] if key.startswith("sys.")} | {"extra_fields"}
    known -= {"sys.facility_not_found"}  # there are no contacts yet
    explained = set(codes(section(PAGE, "Errors of a record")))
    assert {code for code in explained if code.startswith("sys.")} | {"extra_fields"} == known


def test_the_texts_of_the_page_are_read_as_it_says() -> None:
    forms = load_forms(ROOT / "forms").forms
    rules = ReadingRules(forms=forms, catalogue=Catalogue())
    table = rows(section(PAGE, "How a text is written"))
    shown = [cells[0].strip("`") for cells in table]
    assert len(shown) == 4
    example = {"message": "", "fields": {"name": "Sam", "week": 23, "year": 2015}}
    definition = forms["ANC"].definition
    form, _ = read_definition(
        "ANC", {**definition, "examples": [{**example, "message": text} for text in shown]}
    )
    assert form is not None
    assert check_examples(form, rules) == []


def test_the_trace_is_shown_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command, shown = blocks(section(PAGE, "How a text is written"))
    monkeypatch.chdir(ROOT)
    words = shlex.split(command.text)
    assert words[0] == ".venv/bin/smsgate"
    assert main(words[1:]) == 0
    assert capsys.readouterr().out == shown.text
