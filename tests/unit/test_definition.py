"""Reading definitions: every fault is named, none raises."""

from __future__ import annotations

from typing import Any

import pytest

from smsgate.definition import in_javascript_order, read_definition
from smsgate.form import Form

SOUND: dict[str, Any] = {
    "meta": {"code": "VIS", "label": {"en": "Visit"}},
    "public_form": True,
    "facility_reference": "site",
    "fields": {
        "site": {"type": "string", "required": True, "labels": {"tiny": "si", "short": "Site"}},
        "age": {"type": "integer", "labels": {"tiny": {"en": "ag"}}, "position": 1},
        "pick": {"type": "integer", "list": [[1, "one"], ["2", {"en": "two"}]]},
    },
    "examples": [{"message": "VIS hc7 4", "fields": {"site": "hc7", "age": 4}}],
}


def faults_of(definition: object, code: str = "VIS") -> list[str]:
    form, faults = read_definition(code, definition, source="f.json")
    assert (form is None) == any(fault.fatal for fault in faults)
    return [str(fault) for fault in faults]


def with_field(**definition: Any) -> dict[str, Any]:
    return {"meta": {"code": "VIS"}, "fields": {"x": {"type": "string", **definition}}}


def test_a_sound_definition() -> None:
    form, faults = read_definition("vis", SOUND, source="f.json")

    assert not faults
    assert form is not None
    assert (form.code, form.strip_code, form.public) == ("VIS", "VIS", True)
    assert form.facility_reference == "site"
    assert [field.key for field in form.fields] == ["site", "age", "pick"]
    pick = form.field("pick")
    assert pick is not None
    assert pick.choices == ((1, "one"), ("2", {"en": "two"}))
    assert form.field("none") is None
    assert form.definition == SOUND
    assert form.examples[0]["message"] == "VIS hc7 4"


def test_public_form_absent_means_private() -> None:
    form, _ = read_definition("VIS", {"meta": {"code": "VIS"}, "fields": {}})
    assert isinstance(form, Form)
    assert form.public is False


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        ([], "f.json: error: VIS: a definition is a JSON object"),
        ({"meta": [], "fields": {}}, "f.json: error: VIS: meta is a JSON object"),
        ({"meta": {"code": "VIS"}, "fields": []},
         "f.json: error: VIS: fields is a JSON object of key and field"),
        ({"meta": {"code": "VIS"}, "fields": {"x": 5}},
         "f.json: error: VIS.x: a field is a JSON object"),
        (with_field(type=None), "f.json: error: VIS.x: type is missing"),
        (with_field(type="geopoint"),
         "f.json: warning: VIS.x: type 'geopoint' is not known: the text is kept as sent"),
        (with_field(required="yes"),
         "f.json: warning: VIS.x: required is true or false, not 'yes'"),
        (with_field(labels="x"), "f.json: error: VIS.x: labels is a JSON object"),
        (with_field(labels={"tiny": ["x"]}),
         "f.json: error: VIS.x: the tiny label is a text, a number or one text per locale"),
        (with_field(labels={"tiny": "a#b"}),
         "f.json: warning: VIS.x: the tiny label 'a#b' has a '#' and can never be recognised"),
        (with_field(list={}), "f.json: error: VIS.x: list is a list of [key, label]"),
        (with_field(list=[[1, "one"], [2]]),
         "f.json: error: VIS.x: entry 2 of list is [key, label]"),
        (with_field(position="1"),
         "f.json: warning: VIS.x: position is a whole number, not '1'"),
        ({"fields": {}},
         ("f.json: warning: VIS: meta.code is missing: the code is not cut off a message's first"
          " value")),
        ({"meta": {"code": "VIZ"}, "fields": {}},
         "f.json: warning: VIS: meta.code is 'VIZ', the definition stands under 'VIS'"),
        ({"meta": {"code": "VIS"}},
         "f.json: warning: VIS: fields is missing: the form takes no values"),
        ({"meta": {"code": "VIS"}, "fields": {}, "facility_reference": "x"},
         "f.json: error: VIS: facility_reference names no field: 'x'"),
        ({"meta": {"code": "VIS"}, "fields": {}, "facility_reference": 5},
         "f.json: error: VIS: facility_reference is the key of a field"),
        ({"meta": {"code": "VIS"}, "fields": {}, "examples": {}},
         "f.json: error: VIS: examples is a list"),
        ({"meta": {"code": "VIS"}, "fields": {}, "examples": [{}]},
         "f.json: error: VIS: example 1 is a JSON object with a message"),
        ({"meta": {"code": "VIS"}, "fields": {"a": {"type": "string"}, "a.b": {"type": "string"}}},
         "f.json: warning: VIS.a: is a value and, because of 'a.b', also a group"),
        ({"meta": {"code": "VIS"},
          "fields": {"a": {"type": "string", "labels": {"tiny": "k"}},
                     "b": {"type": "string", "labels": {"tiny": "K"}}}},
         "f.json: warning: VIS.b: has the tiny label 'K' of 'a'"),
        ({"meta": {"code": "VIS"},
          "fields": {"a": {"type": "string", "position": 1},
                     "b": {"type": "string", "position": 0}}},
         ("f.json: warning: VIS.b: position 0 comes before 'a' (1), but the order of the definition"
          " is what counts")),
    ],
)  # fmt: skip
def test_a_fault_names_file_field_and_fault(definition: object, fault: str) -> None:
    assert faults_of(definition) == [fault]


def test_all_faults_come_at_once() -> None:
    definition = {"meta": {"code": "VIS"}, "fields": {"x": 1, "y": {}, "z": {"type": "date"}}}
    assert len(faults_of(definition)) == 2
    assert faults_of({"meta": {}, "fields": {}}, "\u200b")[0].endswith("the code is empty")


def test_array_indices_come_first_as_in_javascript() -> None:
    assert in_javascript_order(["b", "10", "a", "2", "01"]) == ["2", "10", "b", "a", "01"]
