"""XForms from strangers: what is sound, what is not and in which words, and what may not hurt."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from smsgate.xform import BadXForm, XForm, read_xform

SHIPPED = Path(__file__).parents[2] / "forms" / "anc_visit.xml"
NAMESPACES = 'xmlns="http://www.w3.org/2002/xforms" xmlns:h="http://www.w3.org/1999/xhtml"'


def xform(
    *,
    data: str = '<d id="vis"><a/><g><b/></g></d>',
    binds: str = "",
    body: str = "<h:body/>",
    title: str = "<h:title>Visit</h:title>",
) -> bytes:
    model = f"<model><instance>{data}</instance>{binds}</model>"
    return f"<h:html {NAMESPACES}><h:head>{title}{model}</h:head>{body}</h:html>".encode()


def faults(content: bytes) -> list[str]:
    read = read_xform(content)
    return list(read.faults) if isinstance(read, BadXForm) else []


def test_the_shipped_one() -> None:
    read = read_xform(SHIPPED.read_bytes())

    assert read == XForm("anc_visit", "Antenatal visit", SHIPPED.read_bytes())
    assert len(read.md5) == 32


@pytest.mark.parametrize(
    "content",
    [
        xform(),
        xform(binds='<bind nodeset="/d/a"/><bind nodeset=" /d/g/b "/><bind nodeset="/d"/>'),
        xform(data='<d id="vis"><a/><a/></d>', binds='<bind nodeset="/d/a"/>'),
        xform(
            data='<d id="vis" xmlns:orx="http://openrosa.org/xforms"><orx:meta><orx:i/></orx:meta></d>',
            binds='<bind nodeset="/d/orx:meta/orx:i"/>',
        ),
        xform(data='<d id="vis" xmlns="urn:own"><a/></d>', binds='<bind nodeset="/d/a"/>'),
        xform(body='<h:body><input ref="/d/a"/><group><input ref="b"/></group></h:body>'),
        xform(body='<h:body><input ref="/d/a"><label ref="jr:itext(\'/x\')"/></input></h:body>'),
        b'<?xml version="1.0" encoding="UTF-8"?>' + xform(),
        b"\xef\xbb\xbf" + xform(),
        xform().decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="iso-8859-1"?>' + xform(title="<h:title>\xe9</h:title>"),
        b"<!-- a comment --><?a b?>" + xform(),
    ],
)
def test_sound_ones(content: bytes) -> None:
    read = read_xform(content)
    assert isinstance(read, XForm), read
    assert read.id == "vis"


def test_a_form_without_a_title_is_called_by_its_id() -> None:
    for title in ("", "<h:title/>", "<h:title> </h:title>"):
        read = read_xform(xform(title=title))
        assert isinstance(read, XForm)
        assert read.title == "vis"


NO_HTML = "the root element must be html of http://www.w3.org/1999/xhtml"
MODEL = '<model><instance><d id="vis"/></instance></model>'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ["not XML: no element found: line 1, column 0"]),
        (b"hello", ["not XML: syntax error: line 1, column 0"]),
        (b"<a><b></a>", ["not XML: mismatched tag: line 1, column 8"]),
        (b'{"a":1}', ["not XML: not well-formed (invalid token): line 1, column 0"]),
        (
            b'<?xml version="1.0" encoding="nope"?><a/>',
            ["not XML: its encoding is not known"],
        ),
        (
            b'<?xml version="1.0" encoding="idna"?><a/>',
            ["not XML: its encoding is not known"],
        ),
        (
            b'<?xml version="1.0" encoding="utf-32"?><a/>',
            ["not XML: its encoding is not known"],
        ),
        (b"<html/>", [f"{NO_HTML}, not html"]),
        (
            f"<html {NAMESPACES}/>".encode(),
            [f"{NO_HTML}, not {{http://www.w3.org/2002/xforms}}html"],
        ),
        (f"<h:html {NAMESPACES}/>".encode(), ["html has no body", "html has no head"]),
        (
            f"<h:html {NAMESPACES}><h:head/><h:body/></h:html>".encode(),
            ["head has no model of http://www.w3.org/2002/xforms"],
        ),
        (
            f"<h:html {NAMESPACES}><h:head><model/></h:head><h:body/></h:html>".encode(),
            ["model has no instance"],
        ),
        (
            f"<h:html {NAMESPACES}><h:head>{MODEL}</h:head></h:html>".encode(),
            ["html has no body"],
        ),
        (
            f"<h:html {NAMESPACES}><h:head/><h:body>{MODEL}</h:body></h:html>".encode(),
            ["head has no model of http://www.w3.org/2002/xforms"],
        ),
        (xform(data=""), ["the first instance must hold one element, not 0"]),
        (xform(data="<a/><b/>"), ["the first instance must hold one element, not 2"]),
        (xform(data="<d/>"), ["the instance's d has no id: it is the form's id"]),
        (xform(data='<d id=" "/>'), ["the instance's d has no id: it is the form's id"]),
        (
            xform(binds='<bind/><bind nodeset="/d/x"/><bind nodeset="a"/><bind nodeset="/d/a/"/>'),
            [
                "bind 1 has no nodeset",
                "bind 2: /d/x is not in the instance",
                "bind 3: a is not in the instance",
                "bind 4: /d/a/ is not in the instance",
            ],
        ),
        (
            xform(binds='<bind nodeset="/d/g/b/c"/><bind nodeset="/D/a"/>'),
            ["bind 1: /d/g/b/c is not in the instance", "bind 2: /D/a is not in the instance"],
        ),
        (
            xform(body='<h:body><repeat nodeset="/d/r"><input ref="/d/i"/></repeat></h:body>'),
            ["repeat: /d/r is not in the instance", "input: /d/i is not in the instance"],
        ),
        (
            xform(data="<d/>", binds="<bind/>", body=""),
            [
                "html has no body",
                "the instance's d has no id: it is the form's id",
                "bind 1 has no nodeset",
            ],
        ),
        (
            xform(binds=f'<bind nodeset="/{"x" * 200}"/>'),
            [f"bind 1: /{'x' * 76}... is not in the instance"],
        ),
    ],
)
def test_each_fault_in_its_words(content: bytes, expected: list[str]) -> None:
    assert faults(content) == expected


def test_not_every_fault_of_many() -> None:
    found = faults(xform(binds="<bind/>" * 1000))

    assert len(found) == 21
    assert found[-1] == "and 980 more"


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
DOCTYPE = ["a document type, with or without entities, is not allowed"]
HOSTILE = {
    "document type": (b"<!DOCTYPE html><html/>", DOCTYPE),
    "external subset": (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd"><a/>', DOCTYPE),
    "a file": (b'<!DOCTYPE a [<!ENTITY x SYSTEM "secret.txt">]><a>&x;</a>', DOCTYPE),
    "a parameter": (b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:1/"> %x;]><a/>', DOCTYPE),
    "billion laughs": (
        f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a>&l9;</a>'.encode(),
        DOCTYPE,
    ),
    "quadratic": (
        b'<!DOCTYPE a [<!ENTITY x "' + b"x" * 100_000 + b'">]><a>' + b"&x;" * 10_000 + b"</a>",
        DOCTYPE,
    ),
    "unparsed": (
        b'<!DOCTYPE a [<!NOTATION n SYSTEM "n"><!ENTITY x SYSTEM "y" NDATA n>]><a/>',
        DOCTYPE,
    ),
    "in UTF-16": ('<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'.encode("utf-16"), DOCTYPE),
    "undeclared": (b"<a>&x;</a>", ["not XML: undefined entity: line 1, column 3"]),
    "deep": (b"<a>" * 1_000_000, ["its elements are nested more than 100 deep"]),
    "deep and closed": (
        b"<a>" * 50_000 + b"</a>" * 50_000,
        ["its elements are nested more than 100 deep"],
    ),
    "a long name": (
        b"<" + b"a" * 1_000_000 + b"/>",
        [f"{NO_HTML}, not {'a' * 77}..."],
    ),
    "never ends": (
        b"<a " + b"x" * 1_000_000,
        ["not XML: unclosed token: line 1, column 0"],
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_sent_to_hurt(name: str) -> None:
    content, expected = HOSTILE[name]
    # Thread time, so that a busy machine does not fail it.
    started = time.thread_time()
    assert faults(content) == expected
    assert time.thread_time() - started < 0.1


def test_size_is_bounded() -> None:
    wide = xform(data='<d id="vis">' + "<a/>" * 200_000 + "</d>")

    started = time.thread_time()
    assert faults(wide) == ["it has more than 100000 elements"]
    assert time.thread_time() - started < 2


def test_long_names_over_many_elements_take_no_room() -> None:
    """Paths of the instance are never written out: that would be gigabytes here."""
    name = "n" * 1_000_000
    many = xform(data=f'<{name} id="vis">' + "<a/>" * 50_000 + f"</{name}>")

    started = time.thread_time()
    assert isinstance(read_xform(many), XForm)
    assert time.thread_time() - started < 2
