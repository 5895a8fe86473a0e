"""`smsgate parse`, as a process: what a person sees, and what a program reads (CONTRACT)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.parsers.cases import VECTORS, Case, defaults, load

ROOT = Path(__file__).parents[2]
FORMS = ROOT / "forms"


def parse(*words: str, given: str | bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "smsgate", "parse", *words],
        input=given.encode() if isinstance(given, str) else given,
        capture_output=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )


def story(*words: str, given: str | bytes = b"") -> list[str]:
    """The lines a person sees."""
    done = parse(*words, given=given)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


def section(lines: list[str], name: str) -> list[str]:
    """The lines of one section, without the margin."""
    start = next(place for place, line in enumerate(lines) if line.startswith(name))
    rest = lines[start + 1 :]
    length = next((place for place, line in enumerate(rest) if line[:1].strip()), len(rest))
    return [line[10:] for line in lines[start : start + 1 + length]]


UNREADABLE = "form_reply (smsgate.reply.unreadable) in en to +254712345678"
AGAIN = "Week should be a whole number. Send all of it again, for example: 1!ANC!Sam#23#2015"


def test_a_text_from_end_to_end() -> None:
    assert story("--forms", "forms", "1!ANC!Sam#x#2015#1#2026-04-06") == [
        "Message   1!ANC!Sam#x#2015#1#2026-04-06",
        "          29 characters, 1 SMS (gsm-7, 29 units)",
        "Form      ANC, Antenatal visit (forms/ANC.json)",
        "Grammar   muvuku",
        "          muvuku (priority 30) claims the text after javarosa did not",
        "Language  en",
        'Tokens    1  "ANC"         form code',
        '          2  "Sam"         name',
        '          3  "x"           week',
        '          4  "2015"        year',
        '          5  "1"           danger_sign',
        '          6  "2026-04-06"  next_visit',
        "Fields    field        type     sent          value                       outcome",
        '          name*        string   "Sam"         "Sam"                       read',
        '          week*        integer  "x"                                       unreadable',
        '          year*        integer  "2015"        2015                        read',
        '          danger_sign  boolean  "1"           true                        read',
        '          next_visit   date     "2026-04-06"  1775433600000 = 2026-04-06  read',
        "          * required",
        "Errors    sys.missing_fields  Not filled in or not readable: week.",
        f"Reply     {UNREADABLE}, 1 SMS (gsm-7, 83 units)",
        f"          {AGAIN}",
    ]


def test_a_near_miss() -> None:
    lines = story("--forms", "forms", "AMC Sam 23 2015")

    assert section(lines, "Form") == [
        'none: "AMC" is the code of no form',
        "near miss: ANC is one slip away",
    ]
    assert section(lines, "Errors") == ["none"]
    assert section(lines, "Reply")[0].startswith("near_miss (smsgate.reply.did_you_mean) in en")
    assert section(lines, "Reply")[1].startswith("Did you mean ANC?")
    assert not any(line.startswith(("Fields", "Tokens")) for line in lines)


def test_a_near_miss_where_the_programme_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{}", "utf-8")

    lines = story("--forms", "forms", "--settings", str(tmp_path / "settings.json"), "AMC x")

    assert section(lines, "Form")[1] == (
        "near miss: ANC is one slip away (smsgate.replies.near_misses is off)"
    )
    assert section(lines, "Reply") == ["none goes out to +254712345678"]


NO_FORM = 'none: "HELLO" is the code of no form'
NONE_CLAIMS = "none of javarosa, muvuku, compact, textforms claims the text"
UNUSABLE = "smsgate: forms cannot be used:"


@pytest.mark.parametrize(
    ("words", "name", "expected"),
    [
        (["hello"], "Form", [NO_FORM, "no known code is one slip away"]),
        ([""], "Form", ["none: the text begins with no code"]),
        ([""], "Errors", ["sys.empty  The message has no text in it."]),
        (["2!ANC!x"], "Grammar", ["none", NONE_CLAIMS]),
        (
            ["J1!ANC!x"],
            "Grammar",
            [
                "javarosa",
                "javarosa (priority 40) claims the text",
                "it read nothing: no label of the form, character 8",
            ],
        ),
        (
            ["ANC name a\tb # week 1"],
            "Message",
            ["ANC name a\\tb # week 1", "21 characters, 1 SMS (ucs-2, 21 units)"],
        ),
        (["1!ANC!\x1b[31m#1#2"], "Message", ["1!ANC!\\x1b[31m#1#2"]),
        (["1!ANC!\x1b[3#1#2"], "Tokens", ['1  "ANC"       form code', '2  "\\u001b[3"  name']),
        (["--from", "12", "hello"], "Reply", ["withheld: outgoing_deny_shorter_than"]),
        (["--from", "", "hello"], "Reply", ["none: there is no sender"]),
        (["--locale", "fr", "ANC nom Awa # sem 1 # an 2"], "Language", ["fr"]),
        (["1!ANC!Sam#1#2"], "Errors", ["none"]),
    ],
)
def test_what_is_shown(words: list[str], name: str, expected: list[str]) -> None:
    assert section(story(*words), name)[: len(expected)] == expected


def test_a_message_from_standard_input_in_another_script() -> None:
    text = "ANC सीता १० २०२६"

    for given in (text, text + "\n"):
        lines = story("--forms", "forms/ANC.json", "--locale", "ne", given=given)
        assert section(lines, "Message")[1] == "16 characters, 1 SMS (ucs-2, 16 units)"
        assert section(lines, "Form") == ["ANC, गर्भ जाँच (forms/ANC.json)"]
        assert section(lines, "Fields")[2] == 'week*        integer  "१०"    10      read'
        assert section(lines, "Reply")[1] == "गर्भ जाँच पाइयो। धन्यवाद।"


def test_a_message_that_is_no_text_is_shown_all_the_same() -> None:
    assert section(story(given=b"ANC \xff 1 2"), "Message")[0] == "ANC \\udcff 1 2"


def test_the_forms_of_the_settings_document(tmp_path: Path) -> None:
    fields = {"n": {"type": "integer"}}
    forms = {"VIS": {"meta": {"code": "VIS"}, "fields": fields}, "ANC": None}
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"forms": forms}), "utf-8")

    assert section(story("--settings", str(file), "VIS 5"), "Form") == ["VIS (settings)"]
    assert section(story("--settings", str(file), "ANC 5"), "Form")[0].startswith("none")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--jsonl", "a message"], 2, "smsgate parse: argument message: not allowed with"),
        (["--forms", "absent", "x"], 1, f"{UNUSABLE} absent: error: absent: No such file"),
        (["--forms", "pyproject.toml", "x"], 1, f"{UNUSABLE} pyproject.toml: error"),
        (["--settings", "absent", "x"], 1, "smsgate: absent cannot be read: No such"),
        (["--settings", "forms/ANC.json", "--unknown"], 2, "smsgate: unrecognized arguments"),
    ],
)
def test_what_cannot_be_done(words: list[str], code: int, said: str) -> None:
    done = parse(*words)

    assert (done.returncode, done.stdout) == (code, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(said)


def test_every_fault_of_the_forms_is_told(tmp_path: Path) -> None:
    (tmp_path / "A.json").write_text("{", "utf-8")
    (tmp_path / "b.xml").write_text("<a/>", "utf-8")

    (line,) = parse("--forms", str(tmp_path), "x").stderr.decode().splitlines()

    assert "A.json: error: A: is no JSON" in line
    assert "b.xml: error: b: the root element must be html" in line


def answers(*words: str, lines: list[Any]) -> list[Case]:
    """What is written for some lines, all of which can be read."""
    given = "".join(json.dumps(line) + "\n" for line in lines)
    done = parse(*words, "--jsonl", given=given)
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


@pytest.fixture
def usual(tmp_path: Path) -> str:
    """A file with the settings that the cases' own lie over."""
    document = {**defaults()["parse_settings"], "translations": defaults()["translations"]}
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(document), "utf-8")
    return str(file)


def _line(case: Case) -> Case:
    return {
        key: case[key] for key in ("id", "form", "message", "locale", "settings") if key in case
    }


@pytest.mark.parametrize("name", ["parse.public", "parse.quirks"])
def test_every_parse_case(usual: str, name: str) -> None:
    cases = load(name)
    ours = {answer["id"]: answer["expect"] for answer in load("quirks.smsgate")}
    forms = str(VECTORS / "forms.json")

    written = answers("--forms", forms, "--settings", usual, lines=[_line(case) for case in cases])

    for case, answer in zip(cases, written, strict=True):
        expected = ours.get(case["id"]) or case["expect"]
        assert answer["id"] == case["id"]
        assert answer.get("form_code") == expected.get("form_code"), case["id"]
        assert isinstance(answer["errors"], list)
        if case["form"] is not None:  # without one, the form is the code's: only the code counts
            assert answer["fields"] == expected["fields"], case["id"]
            assert answer["parser"] == expected.get("parser", answer["parser"]), case["id"]


def test_what_a_line_is_answered() -> None:
    one_number = {"meta": {"code": "X"}, "fields": {"n": {"type": "integer"}}}
    lines = [
        {"id": 1, "message": "1!ANC!Sam#x#2015#0#2026-04-06#more"},
        {"id": "two", "message": "hello there", "form": None, "locale": None, "settings": None},
        {"id": [3], "message": "1!ANC!Sam#23#2015", "form": "STOCK"},
        {"id": 4, "message": "anc nom Awa # sem 1 # an 2", "locale": "fr"},
        {"id": 5, "message": "hello there", "settings": {"forms_only_mode": True}},
        {"id": 6, "message": "hello there"},
        {"id": None, "message": ""},
        {"id": 8},
        {"id": 9, "message": 5, "form": "ANC"},
        {"id": 10, "message": "ANC \ud800 1 2"},
        {"id": 11, "message": "X 5", "settings": {"forms": {"x": one_number}}},
    ]

    written = answers("--forms", "forms", lines=lines)

    anc = {"name": "Sam", "week": None, "year": 2015, "danger_sign": False}
    assert written[0] == {
        "id": 1,
        "form_code": "ANC",
        "parser": "muvuku",
        "fields": {**anc, "next_visit": 1775433600000, "_extra_fields": True},
        "errors": ["sys.missing_fields", "extra_fields"],
    }
    assert written[1] == {
        "id": "two", "form_code": "HELLO", "parser": "textforms", "fields": {}, "errors": [],
    }  # fmt: skip
    assert (written[2]["id"], written[2]["form_code"]) == ([3], "ANC")
    assert set(written[2]["fields"]) & set(_fields("STOCK"))
    assert written[3]["fields"] == {"name": "Awa", "week": 1, "year": 2}
    assert written[4]["errors"] == ["sys.form_not_found"]
    assert written[5]["errors"] == []
    assert written[6] == {"id": None, "parser": "textforms", "fields": {}, "errors": ["sys.empty"]}
    for number in (8, 9):
        assert written[number - 1] == {"id": number, "parser": "none", "fields": {}, "errors": []}
    assert written[9]["fields"]["name"] == "\ud800"
    assert written[10]["fields"] == {"n": 5}
    assert len(written) == len(lines)


def _fields(code: str) -> list[str]:
    definition = json.loads((FORMS / f"{code}.json").read_text("utf-8"))
    return [key.partition(".")[0] for key in definition["fields"]]


BAD = {
    "{": "no JSON: malformed",
    "[]": "no JSON object",
    "5": "no JSON object",
    '{"message":"x"}': "it has no id",
    '{"id":1,"message":"x","form":"NOPE"}': 'there is no form "NOPE"',
    '{"id":1,"message":"x","form":5}': "form is no text",
    '{"id":1,"message":"x","locale":["en"]}': "locale is no text",
    '{"id":1,"message":"x","settings":[]}': "settings is no JSON object",
    '{"id":1,"message":"x","form":"ANC","settings":{"forms":{"ANC":null}}}': (
        'there is no form "ANC"'
    ),
    '{"id":1,"message":NaN}': "no JSON: malformed",
}


def test_a_bad_line_costs_no_other() -> None:
    good = '{"id":0,"message":"1!ANC!Sam#23#2015"}'
    lines = [each for bad in BAD for each in (good, bad)]

    done = parse("--forms", "forms", "--jsonl", given="\n".join([*lines, "", good]))

    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        f"smsgate parse: line {2 * number}: {reason}"
        for number, reason in enumerate(BAD.values(), 1)
    ]
    written = done.stdout.decode().splitlines()
    assert len(written) == len(BAD) + 1
    assert len(set(written)) == 1


def test_bytes_that_are_no_text_are_a_bad_line() -> None:
    done = parse("--forms", "forms", "--jsonl", given=b'{"id":1,"message":"\xff"}\n{"id":2}\n')

    assert done.returncode == 1
    assert done.stderr == b"smsgate parse: line 1: no JSON: not UTF-8\n"
    assert len(done.stdout.splitlines()) == 1


def test_nothing_in_nothing_out() -> None:
    done = parse("--jsonl")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_each_line_is_answered_at_once() -> None:
    """A program may ask, read the answer, and ask again."""
    words = [sys.executable, "-m", "smsgate", "parse", "--forms", "forms", "--jsonl"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        for number in range(3):
            running.stdin.write(b'{"id":%d,"message":"ANC a 1 2"}\n' % number)
            running.stdin.flush()
            assert json.loads(running.stdout.readline())["id"] == number
    assert running.returncode == 0


def test_help() -> None:
    done = parse("--help")

    assert done.returncode == 0
    for option in ("--forms", "--settings", "--locale", "--from", "--jsonl", "message"):
        assert option in done.stdout.decode()
