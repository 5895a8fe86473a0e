"""From what arrived to the record to be stored (`spec/sms-protocol.md` §4.2-4.6). Pure.

A record is the CHT's document without `_id` and `_rev`. Whatever is wrong with a message's content
is in its `errors`; only the JSON and form paths of `/records` can refuse (§4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smsgate.dates import read_timestamp
from smsgate.filling import Filled, fill, fill_from_body
from smsgate.form import Form
from smsgate.grammar.base import Parsed
from smsgate.grammar.registry import GrammarRegistry, installed
from smsgate.local_form import LocalForm
from smsgate.phone import e164
from smsgate.reading import ReadingRules
from smsgate.text import is_blank
from smsgate.trace import Reading, Trace, trace_of

_BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRefused:
    """A body `/records` answers 500 to; `details` is the public text of §4.1, or None."""

    details: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A record before it is stored, and what those who answer its sender need to know.

    Attributes:
        document: The CHT record without `_id` and `_rev`, with exactly the keys of §4.4.
        form: The form that matched.
        form_code: The code the text begins with, also when it matched nothing.
        fields: `document["fields"]`.
        errors: `document["errors"]`: {code, message} each.
        missing: Keys of required fields without a readable value.
        wrong: Key to expected type, of the fields whose value has another type or was unreadable.
        locale: The language of the errors, and of a reply.
        sender: E.164 where the number is valid, else as it came, None where it did not.
        grammar: The name of the grammar that read the text, None where none did.
    """

    document: dict[str, Any]
    form: Form | None
    form_code: str | None
    fields: dict[str, Any]
    errors: list[dict[str, str]]
    missing: tuple[str, ...]
    wrong: Mapping[str, str]
    locale: str
    sender: str | None
    grammar: str | None = None
    reading: Reading | None = field(default=None, repr=False, compare=False)

    @property
    def trace(self) -> Trace:
        """How the text was read, step by step; computed when asked for."""
        return trace_of(self.reading, self.errors)


def draft_from_text(
    text: object,
    *,
    sender: object,
    rules: ReadingRules,
    grammars: GrammarRegistry | None = None,
    locale: str | None = None,
    query_locale: str | None = None,
    sent_timestamp: object = None,
    gateway_ref: str | None = None,
    form: Form | None = None,
    received_ms: int,
) -> Draft:
    """Build the record of a text message (§4.2).

    Args:
        text: The message as sent; what is no text gives a record without a form.
        sender: The sender as the carrier gave it.
        rules: How the programme reads texts.
        grammars: By default those installed.
        locale: The locale that came with the message: labels and errors are in it.
        query_locale: `?locale=` of `/api/v1/records`, for the errors alone.
        sent_timestamp: What the sender's side claims; None for none.
        gateway_ref: The gateway's id of the message.
        form: Read it as a filling of this form, whatever its code; by default its code decides.
        received_ms: The time of arrival.

    Returns:
        The draft; nothing raises.
    """
    given: dict[str, Any] = {"from": sender, "message": text}
    if sent_timestamp is not None:
        given["sent_timestamp"] = sent_timestamp
    if locale:
        given["locale"] = locale
    if gateway_ref is not None:
        given["gateway_ref"] = gateway_ref
    query = {"locale": query_locale} if query_locale else {}
    return _from_text(given, query, rules, grammars or installed(), received_ms, form)


def draft_from_form(
    body: object,
    *,
    query: Mapping[str, Any] | None = None,
    rules: ReadingRules,
    grammars: GrammarRegistry | None = None,
    received_ms: int,
) -> Draft | RecordRefused:
    """Build the record of a urlencoded body posted to `/records` (§4.1, §4.2).

    Args:
        body: The decoded body: `from`, `message`, and perhaps `sent_timestamp`, `locale`,
            `gateway_ref`; other keys are dropped.
        query: The query parameters for v1, of which `locale` counts; none for v2.
        rules: How the programme reads texts.
        grammars: By default those installed.
        received_ms: The time of arrival.

    Returns:
        The draft, or the public text of the refusal.
    """
    if not isinstance(body, Mapping):
        return RecordRefused(details=None)
    if "from" not in body:
        return RecordRefused(details="Missing required value: from")
    if "message" not in body:
        return RecordRefused(details="Missing required field: message")
    return _from_text(body, query or {}, rules, grammars or installed(), received_ms)


def draft_from_json(
    body: object, *, rules: ReadingRules, received_ms: int
) -> Draft | RecordRefused:
    """Build the record of a JSON body posted to `/records` (§4.1, §4.3, decisions 24 and 26).

    Args:
        body: The decoded body: `_meta` and the fields' values.
        rules: How the programme reads; its forms and words count here.
        received_ms: The time of arrival.

    Returns:
        The draft, or the public text of the refusal.
    """
    meta = body.get("_meta") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or meta in (None, "", False, 0):
        return RecordRefused(details="Missing _meta property.")
    code = meta.get("form") if isinstance(meta, Mapping) else None
    if not isinstance(meta, Mapping) or code in (None, ""):
        return RecordRefused(details="Missing required field: form")
    if not isinstance(code, str):
        return RecordRefused(details=None)
    code = code.upper()
    form = rules.forms.get(code)
    if form is None:
        return RecordRefused(details=f"Form not found: {code}")
    sms_message = {**meta, "form": code}
    local = rules.local(form)
    filled, extra = fill_from_body(local, body)
    document: dict[str, Any] = {"type": "data_record"}
    sender = meta.get("from")
    if "from" in meta:
        document["from"] = sender = _normalised(sender, rules)
    locale = _locale(filled.fields, sms_message, rules)
    errors = _errors(local, filled, extra, rules, locale)
    _finish(document, form, code, filled.fields, errors, sms_message)
    document["reported_date"] = read_timestamp(
        meta.get("reported_date"), received_ms, rules.timezone
    )
    return Draft(
        document=document,
        form=form,
        form_code=code,
        fields=filled.fields,
        errors=errors,
        missing=tuple(filled.missing),
        wrong=_wrong(local, filled),
        locale=locale,
        sender=_text_or_none(sender),
    )


def _from_text(
    given: Mapping[str, Any],
    query: Mapping[str, Any],
    rules: ReadingRules,
    grammars: GrammarRegistry,
    received_ms: int,
    form: Form | None = None,
) -> Draft:
    text = given["message"]
    locale = given.get("locale") or None
    reading = _read(text, _text_or_none(locale), rules, grammars, form)
    local, parsed, filled = reading.form, reading.parsed, reading.filled
    sms_message = _sms_message(given, query, reading.code, locale)
    used = _locale(filled.fields, sms_message, rules)
    extra = isinstance(parsed, Parsed) and parsed.extra
    errors = _errors(local, filled, extra, rules, used)
    if isinstance(text, str) and is_blank(text):
        errors.append(_error("sys.empty", rules, used))
    if local is not None:
        _add_reading_errors(errors, reading, rules, used)
    elif rules.forms_only_mode:
        errors.append(_error("sys.form_not_found", rules, used, form=reading.code or ""))
    form = None if local is None else local.form
    sender = _normalised(given["from"], rules)
    document: dict[str, Any] = {"type": "data_record", "from": sender}
    unmatched = reading.code if rules.forms_only_mode else None
    code = unmatched if form is None else form.code
    _finish(document, form, code, filled.fields, errors, sms_message)
    document["reported_date"] = read_timestamp(
        given.get("sent_timestamp"), received_ms, rules.timezone
    )
    return Draft(
        document=document,
        form=form,
        form_code=reading.code,
        fields=filled.fields,
        errors=errors,
        missing=tuple(filled.missing),
        wrong=_NO_WRONG if local is None else _wrong(local, filled),
        locale=used,
        sender=_text_or_none(sender),
        grammar=None if reading.grammar is None else reading.grammar.name,
        reading=reading,
    )


def _read(
    text: object,
    locale: str | None,
    rules: ReadingRules,
    grammars: GrammarRegistry,
    form: Form | None,
) -> Reading:
    """Find the form where none is given, choose the grammar, parse and fill."""
    if not isinstance(text, str):
        return Reading(text, None, None, grammars, None, None, _nothing())
    found, code = _form_of(text, rules, grammars)
    form = form or found
    if form is None:
        return Reading(text, code, None, grammars, grammars.choose(text, None), None, _nothing())
    local = rules.local(form, locale)
    grammar = grammars.choose(text, local)
    parsed = None if grammar is None else grammar.parse(text, local)
    filled = fill(local, parsed if isinstance(parsed, Parsed) else _NO_VALUES)
    return Reading(text, code, local, grammars, grammar, parsed, filled)


def _nothing() -> Filled:
    # A new one each time: it becomes the document's, and what is done to one is done to no other.
    return Filled({}, {}, [], [], [])


def _sms_message(
    given: Mapping[str, Any], query: Mapping[str, Any], code: str | None, locale: object
) -> dict[str, Any]:
    sms_message: dict[str, Any] = {"type": "sms_message", "message": given["message"]}
    if code is not None:
        sms_message["form"] = code
    if "sent_timestamp" in given:
        sms_message["reported_date"] = given["sent_timestamp"]
    if locale is not None:
        sms_message["locale"] = locale
    elif "locale" in query:
        sms_message["locale"] = query["locale"]
    sms_message["from"] = given["from"]
    if "gateway_ref" in given:
        sms_message["gateway_ref"] = given["gateway_ref"]
    return sms_message


_NO_VALUES = Parsed({})
_NO_WRONG: Mapping[str, str] = {}


def _form_of(
    text: str, rules: ReadingRules, grammars: GrammarRegistry
) -> tuple[Form | None, str | None]:
    """Return the form a text is of, and the code it begins with."""
    code = grammars.code(text)
    form = None if code is None else rules.forms.get(code)
    if form is None and _BYTE_ORDER_MARK in text:
        # It is white space and zero width at once; which of the two, only the forms can tell.
        joined = grammars.code(text.replace(_BYTE_ORDER_MARK, ""))
        if joined is not None and (form := rules.forms.get(joined)) is not None:
            return form, joined
    return form, code


def _normalised(sender: object, rules: ReadingRules) -> object:
    if not isinstance(sender, str) or not sender:
        return sender
    return e164(sender, rules.default_country_code, rules.phone_validation) or sender


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _locale(fields: Mapping[str, Any], sms_message: Mapping[str, Any], rules: ReadingRules) -> str:
    return (
        _text_or_none(fields.get("locale"))
        or _text_or_none(sms_message.get("locale"))
        or rules.locale
        or "en"
    )


def _finish(
    document: dict[str, Any],
    form: Form | None,
    code: str | None,
    fields: dict[str, Any],
    errors: list[dict[str, str]],
    sms_message: dict[str, Any],
) -> None:
    if code is not None:
        document["form"] = code
    document["errors"] = errors
    document["tasks"] = []
    document["fields"] = fields
    document["sms_message"] = sms_message
    if form is not None and form.facility_reference is not None:
        value: Any = fields
        for name in form.facility_reference.split("."):
            if not isinstance(value, Mapping) or name not in value:
                return
            value = value[name]
        document["refid"] = value.upper() if isinstance(value, str) else value


def _error(code: str, rules: ReadingRules, locale: str, **values: object) -> dict[str, str]:
    return {"code": code, "message": rules.catalogue.say(code, locale, **values)}


def _errors(
    local: LocalForm | None, filled: Filled, extra: bool, rules: ReadingRules, locale: str
) -> list[dict[str, str]]:
    errors: list[dict[str, str]] = []
    if local is None:
        return errors
    if filled.mistyped:
        types = {each.key: each.type for each in local.form.fields}
        errors += [
            _error("sys.incorrect_type", rules, locale, key=key, expectedType=types[key])
            for key in filled.mistyped
        ]
    if filled.missing:
        errors.append(_error("sys.missing_fields", rules, locale, fields=",".join(filled.missing)))
    if extra:
        errors.append(_error("extra_fields", rules, locale))
    return errors


def _add_reading_errors(
    errors: list[dict[str, str]], reading: Reading, rules: ReadingRules, locale: str
) -> None:
    """Add smsgate's own errors, after the CHT's (decisions 19, 21, 25)."""
    parsed = reading.parsed
    if isinstance(parsed, Parsed) and parsed.repeated:
        repeated = ",".join(parsed.repeated)
        errors.append(_error("sys.duplicate_field", rules, locale, fields=repeated))
    if reading.grammar is None:
        errors.append(_error("sys.unknown_grammar", rules, locale))
    has_fields = reading.form is not None and reading.form.keys
    if errors or not has_fields:
        return
    if all(value is None for value in reading.filled.values.values()):
        errors.append(_error("sys.parse_error", rules, locale))


def _wrong(local: LocalForm, filled: Filled) -> Mapping[str, str]:
    if not filled.mistyped and not filled.unread:
        return _NO_WRONG
    keys = {*filled.mistyped, *filled.unread}
    return {each.key: each.type for each in local.form.fields if each.key in keys}
