"""The form registry: a folder or file of forms, and the settings document's own over them.

Nothing here raises for what a person wrote: every fault comes back as a value, and start-up prints
them all (`form.Fault`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smsgate.definition import read_definition
from smsgate.form import Fault, Form, code_key
from smsgate.reading import ReadingRules
from smsgate.record import draft_from_text
from smsgate.xform import BadXForm, XForm, read_xform


@dataclass(frozen=True, slots=True, kw_only=True)
class FormSet:
    """Forms by upper-case code, XForms by id, and every fault on the way, warnings included."""

    forms: Mapping[str, Form] = field(default_factory=dict)
    xforms: Mapping[str, XForm] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether no fault is fatal."""
        return not any(fault.fatal for fault in self.faults)


def load_forms(path: Path) -> FormSet:
    """Read the forms of a folder, or of one file.

    Args:
        path: A folder of `<CODE>.json`, one bare definition each, `meta.code` as the file's stem,
            and of XForms, each `<id>.xml`; or a file with a map of code to definition, or with one
            bare definition.

    Returns:
        The sound forms and all faults; an unreadable file is a fault too.
    """
    if path.is_dir():
        definitions = [_load_one(file) for file in sorted(path.glob("*.json"))]
        xforms = [_load_xform(file) for file in sorted(path.glob("*.xml"))]
        return _joined([*definitions, *xforms])
    value, fault = _read_json(path)
    if fault is not None:
        return FormSet(faults=(fault,))
    meta = value.get("meta") if isinstance(value, Mapping) else None
    code = meta.get("code") if isinstance(meta, Mapping) else None
    if isinstance(code, str):  # one of a folder's files, given by itself
        return _one(code, value, str(path))
    return read_forms(value, source=str(path))


def read_forms(definitions: object, *, source: str = "") -> FormSet:
    """Read a map of code to definition, as in a file or in a settings document's `forms`.

    Args:
        definitions: The JSON value; a code under which null stands is passed over.
        source: Where it came from, for the faults.
    """
    if not isinstance(definitions, Mapping):
        fault = "is no map of form code to definition"
        return FormSet(
            faults=(Fault(file=source, form="forms", field="", fault=fault, fatal=True),)
        )
    return _joined(
        _one(str(code), definition, source)
        for code, definition in definitions.items()
        if definition is not None
    )


def merge_forms(shipped: FormSet, document_forms: object, *, source: str = "settings") -> FormSet:
    """Put the settings document's `forms` over those of the forms folder.

    A document's form takes the place of the file's of the same code, with a warning; null switches
    a form off. Codes are compared in upper case and without zero width (decision 26).

    Args:
        shipped: The forms of the folder.
        document_forms: The document's `forms`; None for a document without.
        source: How the document is called in the faults.
    """
    if document_forms is None:
        return shipped
    document = read_forms(document_forms, source=source)
    forms = dict(shipped.forms)
    faults = [*shipped.faults, *document.faults]
    if isinstance(document_forms, Mapping):
        for code, definition in document_forms.items():
            if definition is None:
                forms.pop(code_key(str(code)), None)
    for code, form in document.forms.items():
        if code in forms:
            fault = f"takes the place of the form in {forms[code].source or 'the forms folder'}"
            faults.append(Fault(file=source, form=code, field="", fault=fault))
        forms[code] = form
    return FormSet(forms=forms, xforms=shipped.xforms, faults=tuple(faults))


def check_examples(form: Form, rules: ReadingRules) -> list[Fault]:
    """Read a form's `examples` and say which do not give what they promise.

    Args:
        form: The form; each example has `message`, and perhaps `fields`, `errors` (codes; none by
            default) and `locale`.
        rules: How the programme reads; the form need not be among its forms.
    """
    faults: list[Fault] = []
    rules = _with_form(rules, form)
    for number, example in enumerate(form.examples, 1):
        draft = draft_from_text(
            example["message"], sender="", rules=rules, locale=example.get("locale"), received_ms=0
        )
        found = None if draft.form is None else draft.form.code
        for what, wanted, got in (
            ("the form", form.code, found),
            ("errors", example.get("errors", []), [error["code"] for error in draft.errors]),
            ("fields", example.get("fields", draft.fields), draft.fields),
        ):
            if wanted != got:
                fault = f"example {number} gives {what} {_shown(got)} and not {_shown(wanted)}"
                faults.append(
                    Fault(file=form.source, form=form.code, field="", fault=fault, fatal=True)
                )
    return faults


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _with_form(rules: ReadingRules, form: Form) -> ReadingRules:
    if rules.forms.get(form.code) is form:
        return rules
    return ReadingRules(
        forms={**rules.forms, form.code: form},
        catalogue=rules.catalogue,
        locale=rules.locale,
        default_country_code=rules.default_country_code,
        phone_validation=rules.phone_validation,
        forms_only_mode=rules.forms_only_mode,
        timezone=rules.timezone,
    )


def _load_one(file: Path) -> FormSet:
    definition, fault = _read_json(file)
    if fault is not None:
        return FormSet(faults=(fault,))
    read = _one(file.stem, definition, str(file))
    meta = definition.get("meta") if isinstance(definition, Mapping) else None
    code = meta.get("code") if isinstance(meta, Mapping) else None
    if not isinstance(code, str) or code_key(code) != code_key(file.stem):
        fault = Fault(
            file=str(file),
            form=file.stem,
            field="",
            fault=f"meta.code is {code!r} and not the file's name {file.stem!r}",
            fatal=True,
        )
        return FormSet(faults=(*read.faults, fault))
    return read


def _load_xform(file: Path) -> FormSet:
    try:
        read = read_xform(file.read_bytes())
    except OSError as error:
        read = BadXForm([error.strerror or str(error)])
    if isinstance(read, XForm):
        if read.id == file.stem:
            return FormSet(xforms={read.id: read})
        read = BadXForm([f"the id is {read.id!r} and not the file's name {file.stem!r}"])
    return FormSet(
        faults=tuple(
            Fault(file=str(file), form=file.stem, field="", fault=fault, fatal=True)
            for fault in read.faults
        )
    )


def _one(code: str, definition: object, source: str) -> FormSet:
    form, faults = read_definition(code, definition, source=source)
    return FormSet(forms={} if form is None else {form.code: form}, faults=tuple(faults))


def _joined(parts: Iterable[FormSet]) -> FormSet:
    forms: dict[str, Form] = {}
    xforms: dict[str, XForm] = {}
    faults: list[Fault] = []
    for part in parts:
        faults += part.faults
        xforms.update(part.xforms)
        for code, form in part.forms.items():
            if code in forms:
                fault = f"the code is there twice (also in {forms[code].source or 'the same map'})"
                faults.append(Fault(file=form.source, form=code, field="", fault=fault, fatal=True))
            else:
                forms[code] = form
    return FormSet(forms=forms, xforms=xforms, faults=tuple(faults))


def _read_json(file: Path) -> tuple[Any, Fault | None]:
    try:
        return json.loads(file.read_text("utf-8")), None
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, RecursionError) as error:
        reason = f"is no JSON: {error}"
    return None, Fault(file=str(file), form=file.stem, field="", fault=reason, fatal=True)
