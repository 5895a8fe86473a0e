"""The form registry: folder, file, settings document, examples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from smsgate.catalogue import Catalogue
from smsgate.reading import ReadingRules
from smsgate.registry import check_examples, load_forms, merge_forms, read_forms


def definition(code: str, **more: Any) -> dict[str, Any]:
    fields = {"n": {"type": "integer", "required": True, "labels": {"tiny": "num"}}}
    return {"meta": {"code": code}, "fields": fields, **more}


def write(folder: Path, name: str, value: object) -> Path:
    file = folder / name
    file.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return file


def test_a_folder_has_one_definition_a_file(tmp_path: Path) -> None:
    write(tmp_path, "VIS.json", definition("VIS"))
    write(tmp_path, "anc.json", definition("ANC"))
    write(tmp_path, "notes.txt", "not a form")

    found = load_forms(tmp_path)

    assert sorted(found.forms) == ["ANC", "VIS"]
    assert found.sound
    assert not found.faults


def test_every_fault_of_a_folder_is_told(tmp_path: Path) -> None:
    write(tmp_path, "A.json", definition("B"))
    write(tmp_path, "C.json", "{no json")
    write(tmp_path, "D.json", [])
    write(tmp_path, "E.json", "[" * 100_000)
    write(tmp_path, "F.json", definition("F"))
    write(tmp_path, "f.json", definition("f"))

    found = load_forms(tmp_path)

    assert list(found.forms) == ["F"]
    assert not found.sound
    named = {(Path(fault.file).name, fault.fatal) for fault in found.faults}
    assert {("A.json", True), ("C.json", True), ("D.json", True), ("E.json", True)} <= named
    assert any("the code is there twice" in fault.fault for fault in found.faults)


def test_a_file_holds_a_map(tmp_path: Path) -> None:
    forms = {"VIS": definition("VIS"), "off": None, "ANC": definition("ANC")}

    assert sorted(load_forms(write(tmp_path, "forms.json", forms)).forms) == ["ANC", "VIS"]
    assert not load_forms(write(tmp_path, "list.json", [1])).sound
    assert not load_forms(tmp_path / "absent.json").sound


def test_a_file_may_be_one_of_a_folder(tmp_path: Path) -> None:
    found = load_forms(write(tmp_path, "any name.json", definition("VIS")))

    assert list(found.forms) == ["VIS"]
    assert found.sound


def test_a_folder_has_xforms_too(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "forms" / "anc_visit.xml"
    (tmp_path / "anc_visit.xml").write_bytes(shipped.read_bytes())
    write(tmp_path, "VIS.json", definition("VIS"))

    found = load_forms(tmp_path)

    assert found.sound
    assert {form_id: form.title for form_id, form in found.xforms.items()} == {
        "anc_visit": "Antenatal visit"
    }
    assert merge_forms(found, {"NEW": definition("NEW")}).xforms == found.xforms


def test_a_fault_in_an_xform_is_fatal(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "forms" / "anc_visit.xml"
    (tmp_path / "other.xml").write_bytes(shipped.read_bytes())
    write(tmp_path, "broken.xml", "<h:html>")
    (tmp_path / "folder.xml").mkdir()

    found = load_forms(tmp_path)

    assert not found.xforms
    assert [str(fault).rpartition("/")[2] for fault in found.faults] == [
        "broken.xml: error: broken: not XML: unbound prefix: line 1, column 0",
        "folder.xml: error: folder: Is a directory",
        "other.xml: error: other: the id is 'anc_visit' and not the file's name 'other'",
    ]


def test_the_document_comes_over_the_folder(tmp_path: Path) -> None:
    for code in ("VIS", "ANC", "OFF"):
        write(tmp_path, f"{code}.json", definition(code))
    shipped = load_forms(tmp_path)

    merged = merge_forms(
        shipped, {"anc": definition("ANC", public_form=True), "off": None, "NEW": definition("NEW")}
    )

    assert sorted(merged.forms) == ["ANC", "NEW", "VIS"]
    assert merged.forms["ANC"].public
    warnings = [str(fault) for fault in merged.faults]
    assert len(warnings) == 1
    assert "ANC: takes the place of the form in" in warnings[0]
    assert merged.sound


def test_a_code_is_compared_without_zero_width() -> None:
    merged = merge_forms(read_forms({"VIS": definition("VIS")}), {"v\u200bis": None})
    assert merged.forms == {}


def test_a_document_without_forms_changes_nothing() -> None:
    shipped = read_forms({"VIS": definition("VIS")})

    assert merge_forms(shipped, None) is shipped
    assert not merge_forms(shipped, "text").sound
    assert sorted(merge_forms(shipped, "text").forms) == ["VIS"]


def rules() -> ReadingRules:
    return ReadingRules(forms={}, catalogue=Catalogue({}))


def examples(*given: dict[str, Any]) -> list[str]:
    form = read_forms({"VIS": definition("VIS", examples=list(given))}).forms["VIS"]
    return [fault.fault for fault in check_examples(form, rules())]


def test_examples_that_hold() -> None:
    assert not examples(
        {"message": "VIS 5", "fields": {"n": 5}},
        {"message": "VIS num 5", "locale": "fr"},
        {"message": "VIS", "fields": {}, "errors": ["sys.missing_fields"]},
    )


def test_examples_that_do_not_hold_say_what_came_out() -> None:
    assert examples({"message": "VIS 5", "fields": {"n": 6}, "errors": ["sys.empty"]}) == [
        'example 1 gives errors [] and not ["sys.empty"]',
        'example 1 gives fields {"n": 5} and not {"n": 6}',
    ]
    assert examples({"message": "hello 5"})[0] == 'example 1 gives the form null and not "VIS"'
