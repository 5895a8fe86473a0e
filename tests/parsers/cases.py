"""The conformance vectors, and smsgate's answer to a case in the vectors' own terms."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from smsgate.catalogue import Catalogue
from smsgate.definition import read_definition
from smsgate.filling import fill
from smsgate.form import Form
from smsgate.grammar.base import Parsed
from smsgate.grammar.registry import installed
from smsgate.reading import ReadingRules
from smsgate.record import Draft, RecordRefused, draft_from_form, draft_from_json

VECTORS = Path(__file__).parent.parent / "vectors"
Case = dict[str, Any]


@functools.cache
def load(name: str) -> tuple[Case, ...]:
    text = (VECTORS / f"{name}.jsonl").read_text("utf-8")
    lines = text.rstrip("\n").split("\n")  # a case may hold other characters that end lines
    return tuple(json.loads(line) for line in lines)


@functools.cache
def defaults() -> Case:
    values: Case = json.loads((VECTORS / "defaults.json").read_text("utf-8"))
    return values


@functools.cache
def forms() -> dict[str, Form]:
    """The vectors' forms by the key they stand under (one is in lower case)."""
    definitions = json.loads((VECTORS / "forms.json").read_text("utf-8"))
    found = {}
    for code, definition in definitions.items():
        form, faults = read_definition(code, definition)
        assert form is not None, faults
        found[code] = form
    return found


@functools.cache
def catalogue() -> Catalogue:
    return Catalogue(defaults()["translations"])


def rules(settings: Case, of: list[Form] | None = None) -> ReadingRules:
    country_code = settings.get("default_country_code")
    return ReadingRules(
        forms={form.code: form for form in (forms().values() if of is None else of)},
        catalogue=catalogue(),
        locale=settings.get("locale") or "en",
        default_country_code=None if country_code is None else str(country_code),
        phone_validation=settings.get("phone_validation") or "full",
        forms_only_mode=bool(settings.get("forms_only_mode")),
    )


@functools.cache
def default_rules() -> ReadingRules:
    return rules(defaults()["parse_settings"])


def parse_answer(case: Case) -> Case:
    """What smsgate makes of a parse case: form_code (absent: none), parser, fields."""
    settings = case.get("settings")
    reading = rules({**defaults()["parse_settings"], **settings}) if settings else default_rules()
    message = case.get("message")
    if not isinstance(message, str):
        return {"parser": "none", "fields": {}}
    answer: Case = {}
    code = installed().code(message)
    if code is not None:
        answer["form_code"] = code
    form = None if case["form"] is None else reading.local(forms()[case["form"]], case["locale"])
    grammar = installed().choose(message, form)
    answer["parser"] = "none" if grammar is None else grammar.name
    answer["fields"] = {}
    if form is not None and grammar is not None:
        parsed = grammar.parse(message, form)
        if isinstance(parsed, Parsed):
            answer["fields"] = dict(fill(form, parsed).fields)
            if parsed.extra:
                answer["fields"]["_extra_fields"] = True
    return answer


def record_draft(case: Case) -> Draft | RecordRefused:
    settings = case["settings"]
    chosen = settings.get("forms") or []
    of = [forms()[code] for code in (forms() if chosen == "*" else chosen)]
    given, now = case["input"], defaults()["frozen_now_ms"]
    if given["kind"] == "json":
        return draft_from_json(given["body"], rules=rules(settings, of), received_ms=now)
    query = {"locale": given["locale"]} if "locale" in given else {}
    return draft_from_form(given["body"], query=query, rules=rules(settings, of), received_ms=now)


def record_answer(case: Case) -> Case:
    """What smsgate makes of a records case: the record, or the error's details."""
    draft = record_draft(case)
    return {"error": draft.details} if isinstance(draft, RecordRefused) else draft.document
