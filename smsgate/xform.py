"""XForms: reading one as a stranger sent it, naming every fault (`spec/sms-protocol.md` §10.1).

smsgate fills no XForm; it keeps them for the clients that do. So it checks what such a client
trips over: that the file is XML without a document type, that it has the parts of an XForm, and
that what is bound or asked for is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

XHTML = "http://www.w3.org/1999/xhtml"
XFORMS = "http://www.w3.org/2002/xforms"

MOST_DEEP = 100
MOST_ELEMENTS = 100_000
_MOST_FAULTS = 20
_LONGEST_QUOTE = 80
_CONTROLS = frozenset(
    f"{{{XFORMS}}}{name}"
    for name in ("group", "input", "range", "rank", "repeat", "select", "select1", "trigger",
                 "upload")
)  # fmt: skip

# What is in the instance: names within names, without namespace.
_Names = dict[str, "_Names"]


@dataclass(frozen=True, slots=True)
class XForm:
    """A sound XForm: the id in its instance, its title, and the file as it came."""

    id: str
    title: str
    content: bytes = field(repr=False)

    @property
    def md5(self) -> str:
        """The hash by which clients see that a form changed."""
        return hashlib.md5(self.content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class BadXForm:
    """What is wrong with an XForm, a line each."""

    faults: Sequence[str]


class _TooMuch(Exception):
    """More than an XForm has; the text says of what."""


class _Bounded(TreeBuilder):
    """Builds the tree while it is of a size that a form has."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._elements = 0

    def start(self, tag: Any, attrs: Any, /) -> Element:
        """An element begins."""
        self._depth += 1
        self._elements += 1
        if self._depth > MOST_DEEP:
            raise _TooMuch(f"its elements are nested more than {MOST_DEEP} deep")
        if self._elements > MOST_ELEMENTS:
            raise _TooMuch(f"it has more than {MOST_ELEMENTS} elements")
        return super().start(tag, attrs)

    def end(self, tag: Any, /) -> Element:
        """An element ends."""
        self._depth -= 1
        return super().end(tag)


def read_xform(content: bytes) -> XForm | BadXForm:
    """Read an XForm.

    Args:
        content: The file; its encoding is what XML says it is.

    Returns:
        The form, or every fault that can be told at once.
    """
    root = _parse(content)
    if isinstance(root, str):
        return BadXForm([root])
    if root.tag != f"{{{XHTML}}}html":
        return BadXForm([f"the root element must be html of {XHTML}, not {_quoted(root.tag)}"])
    faults: list[str] = []
    body = root.find(f"{{{XHTML}}}body")
    if body is None:
        faults.append("html has no body")
    data = _data_of(root, faults)
    if data is not None:
        names = {_local(data.tag): _names_in(data)}
        faults += _missing(root, body, names)
    if faults or data is None:
        more = len(faults) - _MOST_FAULTS
        return BadXForm(faults[:_MOST_FAULTS] + ([f"and {more} more"] if more > 0 else []))
    title = root.findtext(f"{{{XHTML}}}head/{{{XHTML}}}title", "").strip()
    form_id = data.attrib["id"]
    return XForm(form_id, title or form_id, content)


def _parse(content: bytes) -> Element | str:
    try:
        parser = DefusedXMLParser(target=_Bounded(), forbid_dtd=True)
        parser.feed(content)
        root: Element = parser.close()
    except DefusedXmlException:
        return "a document type, with or without entities, is not allowed"
    except (_TooMuch, ParseError) as error:
        return f"not XML: {error}" if isinstance(error, ParseError) else str(error)
    except (LookupError, ValueError):  # expat on an encoding it cannot have decoded
        return "not XML: its encoding is not known"
    return root


def _data_of(root: Element, faults: list[str]) -> Element | None:
    """The element that holds the form's answers: the child of the first instance."""
    head = root.find(f"{{{XHTML}}}head")
    if head is None:
        faults.append("html has no head")
        return None
    model = head.find(f"{{{XFORMS}}}model")
    if model is None:
        faults.append(f"head has no model of {XFORMS}")
        return None
    instance = model.find(f"{{{XFORMS}}}instance")
    if instance is None:
        faults.append("model has no instance")
        return None
    if len(instance) != 1:
        faults.append(f"the first instance must hold one element, not {len(instance)}")
        return None
    data = instance[0]
    if not data.get("id", "").strip():
        faults.append(f"the instance's {_quoted(_local(data.tag))} has no id: it is the form's id")
    return data


def _names_in(data: Element) -> _Names:
    names: _Names = {}
    waiting = [(data, names)]
    while waiting:
        element, within = waiting.pop()
        waiting += [(child, within.setdefault(_local(child.tag), {})) for child in element]
    return names


def _missing(root: Element, body: Element | None, names: _Names) -> Iterator[str]:
    """What is bound or asked for and is not in the instance."""
    for number, bind in enumerate(root.iter(f"{{{XFORMS}}}bind"), 1):
        nodeset = bind.get("nodeset", "").strip()
        if not nodeset:
            yield f"bind {number} has no nodeset"
        elif not _is_there(nodeset, names):
            yield f"bind {number}: {_quoted(nodeset)} is not in the instance"
    for control in () if body is None else body.iter():
        ref = (control.get("ref") or control.get("nodeset") or "").strip()
        # A relative path hangs on the controls around it; only a client knows what it means.
        if control.tag in _CONTROLS and ref.startswith("/") and not _is_there(ref, names):
            yield f"{_local(control.tag)}: {_quoted(ref)} is not in the instance"


def _is_there(path: str, names: _Names) -> bool:
    first, *steps = path.split("/")
    if first:
        return False
    within: _Names | None = names
    for step in steps:
        within = within.get(step.strip().rpartition(":")[2]) if within is not None else None
    return within is not None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _quoted(text: str) -> str:
    return text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "..."
