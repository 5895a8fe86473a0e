"""The small languages of descriptions: templates, paths, patterns."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgate.aggregators.http import finding
from smsgate.aggregators.http.template import (
    BadTemplate,
    Template,
    fill_tree,
    names_in,
    parse,
    parse_tree,
)

VALUES: dict[str, str | None] = {"to": "+254", "text": "a{b}c", "minutes": None}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{to}", "+254"),
        ("<{to}|{text}>", "<+254|a{b}c>"),
        ("{to}{to}", "+254+254"),
        ("{{to}}", "{to}"),
        ("{{{to}}}", "{+254}"),
        ("{{}}", "{}"),
        ("wait {minutes}", None),
        ("%d {to}", "%d +254"),
    ],
)
def test_templates(text: str, filled: str | None) -> None:
    found = parse(text, VALUES)
    assert isinstance(found, Template)
    assert found.fill(VALUES) == filled


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{from}", "{from} is not known here: known are {minutes}, {text}, {to}"),
        ("{", "has a lone {: write {{ for the character"),
        ("}", "has a lone }: write }} for the character"),
        ("{to", "has a lone {: write {{ for the character"),
        ("{TO}", "has a lone {: write {{ for the character"),
        ("{to!r}", "has a lone {: write {{ for the character"),
        ("{to.x}", "has a lone {: write {{ for the character"),
        ("{}", "has a lone {: write {{ for the character"),
    ],
)
def test_what_is_no_template(text: str, reason: str) -> None:
    assert parse(text, VALUES) == BadTemplate(reason)


@given(st.text(alphabet="{}ato! "), st.text(max_size=20))
def test_what_is_filled_in_is_never_read_again(text: str, value: str) -> None:
    found = parse(text, {"to"})
    if isinstance(found, Template):
        marked = found.fill({"to": "\0"})
        assert marked is not None
        assert found.fill({"to": value}) == marked.replace("\0", value)


def test_trees() -> None:
    faults: list[tuple[str, str]] = []
    value = {"a": [{"b": "{to}"}, 1, None, True], "c": "{minutes}", "d": ["{minutes}", "x"]}
    tree = parse_tree(value, VALUES, lambda path, why: faults.append((path, why)), "json")
    assert not faults
    assert names_in(tree) == {"to", "minutes"}
    assert fill_tree(tree, VALUES) == {"a": [{"b": "+254"}, 1, None, True], "d": ["x"]}
    parse_tree({"a": [{"b": "{x}"}]}, VALUES, lambda path, why: faults.append((path, why)), "json")
    assert faults[0][0] == "json.a[0].b"


def test_a_tree_of_any_depth() -> None:
    faults: list[str] = []
    value: Any = "x"
    for _ in range(150):
        value = [value]
    parse_tree(value, (), lambda _path, why: faults.append(why))
    assert faults == ["is nested too deeply"]


DOCUMENT = {"a": {"b": [{"c": 1}, {"c": "x"}]}, "d e": True, "n": None, "f": 1.5}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b[0].c", "1"),
        ("a.b[1].c", "x"),
        ("d e", "true"),
        ("f", "1.5"),
        ("n", None),
        ("a", None),
        ("a.b[2].c", None),
        ("a.b.c", None),
        ("a[0]", None),
        ("zz.y", None),
    ],
)
def test_paths(path: str, found: str | None) -> None:
    steps = finding.parse_path(path)
    assert steps is not None
    assert finding.word(finding.at(DOCUMENT, steps)) == found


def test_a_path_into_a_list() -> None:
    steps = finding.parse_path("[1][0].x")
    assert steps == (1, 0, "x")
    assert finding.at([0, [{"x": 2}]], steps) == 2


@pytest.mark.parametrize("text", ["", ".", ".a", "a.", "a..b", "a[", "a[]", "a[x]", "a[0]b", "a]"])
def test_what_is_no_path(text: str) -> None:
    assert finding.parse_path(text) is None


@pytest.mark.parametrize(
    ("pattern", "answer", "found"),
    [
        ('Success "{id}"', 'Success "07033084-5cfd"', {"id": "07033084-5cfd"}),
        ('Success "{id}"', 'Error "x"', None),
        ('Success "{id}"', 'Success "x', None),
        ("{status}: {}", "0: Accepted for delivery\n", {"status": "0"}),
        ("{status}: {}", "nothing", None),
        ("OK", "OK", {}),
        ("OK", "KO", None),
        (
            "{status}|{id}|{parts}",
            "1701|abc|2\nmore",
            {"status": "1701", "id": "abc", "parts": "2"},
        ),
        ("{status}", "queued \r\nsecond line", {"status": "queued"}),
        ("", "anything", {}),
    ],
)
def test_patterns(pattern: str, answer: str, found: dict[str, str] | None) -> None:
    compiled = finding.parse_pattern(pattern)
    assert isinstance(compiled, finding.Pattern)
    assert compiled.read(answer) == found


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("{id}{status}", "two gaps"),
        ("{}{}", "two gaps"),
        ("{id} {id}", "twice"),
        ("{number}", "{number} is not known here: known are {}, {id}, {status}"),
    ],
)
def test_what_is_no_pattern(pattern: str, reason: str) -> None:
    found = finding.parse_pattern(pattern)
    assert isinstance(found, str)
    assert reason in found


def test_a_hostile_answer_costs_no_time() -> None:
    # Patterns never step back, so the worst of both is linear.
    compiled = finding.parse_pattern("".join(f"a{{}}{letter}" for letter in "bcdefgh" * 20) + "!")
    assert isinstance(compiled, finding.Pattern)
    answer = "ab" * 500_000
    started = time.perf_counter()
    assert compiled.read(answer) is None
    assert time.perf_counter() - started < 0.1
