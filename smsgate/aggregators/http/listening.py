"""What a described service calls us with: `incoming` and `reports`, read and put to use."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from smsgate import jsontext
from smsgate.aggregators import reading
from smsgate.aggregators.base import (
    Acknowledgement,
    BadCall,
    Call,
    Denied,
    Heard,
    Report,
    Secret,
    Taken,
    Unreadable,
    any_matches,
)
from smsgate.aggregators.http import finding
from smsgate.aggregators.http.answering import ACCEPTING, read_states
from smsgate.aggregators.http.sheet import Sheet
from smsgate.message import InboundMessage, State

REPORTED: Final = (*ACCEPTING, State.FAILED, State.DENIED)
_PLACES: Final = ("query", "header", "basic", "field")
_DEFAULT_PLACE: Final = ("query", "key")
_MOST_ITEMS: Final = 1000  # in one call; its body is bounded before


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a caller says the incoming secret: `where` it is, and by which `name`."""

    where: str
    name: str
    prefix: str = ""

    def verify(self, call: Call, secrets: Sequence[Secret]) -> Denied | None:
        """See `Aggregator.verify`. A secret said twice is wrong."""
        if not secrets:
            return Denied("No incoming key configured")
        said = self._said(call)
        if len(said) == 1 and any_matches(secrets, said[0]):
            return None
        return Denied("Incorrect token")

    def _said(self, call: Call) -> list[str]:
        if self.where == "query":
            return [value for name, value in call.query if name == self.name]
        if self.where == "field":
            value = _value(_parsed(call), (self.name,), self.name)
            return [] if value is None else [value]
        name = "authorization" if self.where == "basic" else self.name.lower()
        value = call.headers.get(name)
        if value is None:
            return []
        if self.where == "basic":
            return _password(value, self.name)
        return [value.removeprefix(self.prefix)] if value.startswith(self.prefix) else []


def _password(header: str, user: str) -> list[str]:
    scheme, _, encoded = header.partition(" ")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return []
    name, _, password = pair.partition(":")
    return [password] if scheme.lower() == "basic" and name == user else []


@dataclass(frozen=True, slots=True)
class Field:
    """Where a value is: by its name in a form or a query, by its path in JSON."""

    name: str
    path: finding.Path

    def of(self, item: Any) -> str | None:
        """The value as text, None where it is not there."""
        return _value(item, self.path, self.name)


@dataclass(frozen=True, slots=True)
class HexText:
    """A field that holds the text in UTF-16BE as hexadecimal digits, where `coding` says so."""

    field: Field
    coding: Field
    among: tuple[str, ...]

    def of(self, item: Any) -> str | None:
        """The text, None where it is not written so."""
        if self.coding.of(item) not in self.among:
            return None
        try:
            return bytes.fromhex(self.field.of(item) or "").decode("utf-16-be") or None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Listener:
    """One endpoint of a described service.

    Attributes:
        fields: Where things are, by our name for them. Several for `id` are one id together.
        items: Where in JSON the list of items is; None where the body is one item, or the list.
        hex: Where texts beyond GSM-7 are, written as hexadecimal digits; None where they are texts.
        secret: Where the caller says the secret.
        states: What the words of reports mean.
        answer: What is answered; None for the CHT's.
    """

    fields: Mapping[str, tuple[Field, ...]]
    items: finding.Path | None
    hex: HexText | None
    secret: SecretPlace
    states: Mapping[str, State]
    answer: Acknowledgement | None

    def messages(self, source: str, call: Call) -> Heard | BadCall:
        """The texts in a call."""
        return self._each(call, lambda item: self._message(source, item, call))

    def reports(self, call: Call) -> Heard | BadCall:
        """The delivery reports in a call."""
        return self._each(call, self._report)

    def acknowledge(self, taken: Taken) -> Acknowledgement:
        """See `Aggregator.acknowledge`."""
        return self.answer or Acknowledgement.json({"saved": taken.saved})

    def _each(self, call: Call, read: Any) -> Heard | BadCall:
        value = _parsed(call)
        if isinstance(value, jsontext.BadJson):
            return BadCall("Invalid JSON in request body")
        listed = value if self.items is None else finding.at(value, self.items)
        items = listed if isinstance(listed, list) else [listed]
        if len(items) > _MOST_ITEMS:
            return BadCall("Too many items", 413)
        found = [read(item) for item in items if item is not None]
        return Heard(
            messages=[each for each in found if isinstance(each, InboundMessage)],
            reports=[each for each in found if isinstance(each, Report)],
            unreadable=[each for each in found if isinstance(each, Unreadable)],
        )

    def _message(self, source: str, item: Any, call: Call) -> InboundMessage | Unreadable:
        ids = [one.of(item) for one in self.fields["id"]]
        sender = self._get("from", item)
        text = self.hex.of(item) if self.hex is not None else None
        if text is None:
            text = self._get("text", item)
        given = {"id": ids[0], "from": sender, "content": text}
        if None in ids or not any(ids):
            return _unreadable("missing_id", item, given)
        if not sender:
            return _unreadable("missing_from", item, given)
        if text is None:
            return _unreadable("missing_content", item, given)
        return InboundMessage(
            source=source,
            gateway=source,
            gateway_ref=_one_id([each or "" for each in ids]),
            sender=reading.number(sender),
            text=text,
            received_at=call.at,
            sent_at=reading.time(self._get("sent_at", item)),
        )

    def _report(self, item: Any) -> Report | Unreadable:
        ours, theirs = self._get("message_id", item), self._get("reference", item)
        status = self._get("status", item)
        if not (ours or theirs) or status is None:
            return _unreadable("unreadable_update", item, {})
        return Report(
            theirs or "",
            status,
            self.states.get(status),
            reason=self._get("reason", item) or None,
            message_id=ours or None,
        )

    def _get(self, name: str, item: Any) -> str | None:
        return next((one.of(item) for one in self.fields.get(name, ())), None)


def _one_id(ids: list[str]) -> str:
    """Several values as one id; hashed, so that it holds no number and no text."""
    if len(ids) == 1:
        return ids[0]
    told = "\0".join(ids).encode("utf-8", "surrogatepass")
    return hashlib.sha256(told).hexdigest()


def _unreadable(reason: str, item: Any, given: Mapping[str, str | None]) -> Unreadable:
    known = {key: value for key, value in given.items() if value is not None}
    raw = {**item, **known} if isinstance(item, dict) else {"item": item, **known}
    return Unreadable(reason, reading.raw_json(raw))


def _parsed(call: Call) -> Any:
    """What a call says: a JSON value, or the pairs of its query and its form as an object."""
    if call.method != "GET":
        start = call.body.lstrip()[:1]
        if "json" in call.content_type or start in (b"{", b"["):
            return jsontext.read(call.body)
    pairs = [*call.query, *(reading.pairs(call.body) if call.method != "GET" else ())]
    return dict(pairs)


def _value(item: Any, path: finding.Path, name: str) -> str | None:
    found = item.get(name) if isinstance(item, dict) and name in item else finding.at(item, path)
    if isinstance(found, str):  # a text is taken as it is, white space and all
        return found
    return finding.word(found)


def read_listener(sheet: Sheet, required: Sequence[str], optional: Sequence[str]) -> Listener:
    """An `incoming` or `reports` object; what is wrong is noted in the sheet."""
    fields = sheet.object("fields")
    found = {name: _field(fields, name) for name in (*required, *optional) if name in fields.keys}
    for name in required:
        if name not in fields.keys:
            fields.fault(name, "is missing")
    known = {*required, *optional}
    for name in fields.keys:
        if name not in known:
            fields.fault(name, f"is not known here: known are {', '.join(sorted(known))}")
    return Listener(
        fields={name: places for name, places in found.items() if places},
        items=sheet.path("items"),
        hex=_hex(sheet) if "text" in required else None,
        secret=_place(sheet),
        states=read_states(sheet, "states", REPORTED) if "status" in required else {},
        answer=_answer(sheet),
    )


def _field(sheet: Sheet, name: str) -> tuple[Field, ...]:
    several = name == "id" and isinstance(sheet.take(name), list)
    texts = sheet.words(name) if several else tuple(filter(None, (sheet.text(name),)))
    found = []
    for text in texts:
        path = finding.parse_path(text)
        if path is None:
            sheet.fault(name, "must be a name, or a path such as data[0].id")
        else:
            found.append(Field(text, path))
    return tuple(found)


def _hex(sheet: Sheet) -> HexText | None:
    if sheet.take("hex") is None:
        return None
    given = sheet.object("hex")
    field, coding = _field(given, "field"), _field(given, "coding")
    for name in ("field", "coding"):
        if given.take(name) is None:
            given.fault(name, "is missing")
    among = given.words("among")
    given.close()
    return HexText(field[0], coding[0], among) if field and coding else None


def _place(sheet: Sheet) -> SecretPlace:
    given = sheet.object("secret")
    where = [place for place in _PLACES if place in given.keys]
    prefix = given.text("prefix") if "prefix" in given.keys else None
    if len(where) > 1:
        given.fault("", f"must have one of {', '.join(_PLACES)}")
    if prefix is not None and where != ["header"]:
        given.fault("prefix", "goes with header alone")
    name = given.text(where[0]) if where else None
    for place in _PLACES:
        given.take(place)
    given.close()
    if not where or name is None:
        return SecretPlace(*_DEFAULT_PLACE)
    return SecretPlace(where[0], name, prefix or "")


def _answer(sheet: Sheet) -> Acknowledgement | None:
    value = sheet.take("answer")
    if value is None:
        return None
    if isinstance(value, str):
        if not value:
            sheet.fault("answer", "must not be empty")
        return Acknowledgement(value.encode("utf-8", "replace"), content_type="text/plain")
    if isinstance(value, Mapping):
        return Acknowledgement.json(jsontext.storable_tree(dict(value)))
    sheet.fault("answer", "must be a text, or an object to be answered as JSON")
    return None
