"""Reading a form definition (the CHT's JSON shape, `spec/sms-protocol.md` §6), naming every fault.

Nothing here raises: a definition comes from a file or a settings document that a person wrote, and
what that person needs is the whole list of what to mend.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from smsgate.form import TYPES, Fault, Field, Form, code_key

_ARRAY_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")

_Report = Callable[[str, str, bool], None]


def read_definition(
    code: str, definition: object, *, source: str = ""
) -> tuple[Form | None, list[Fault]]:
    """Read one definition.

    Args:
        code: The code it stands under: a file's stem or a key of `forms`.
        definition: The JSON value.
        source: The file it came from, for the faults.

    Returns:
        The form, None where a fault is fatal; and all faults, each naming file, field and fault.
    """
    faults: list[Fault] = []
    name = code_key(code)

    def report(field: str, fault: str, fatal: bool = False) -> None:
        faults.append(Fault(file=source, form=code, field=field, fault=fault, fatal=fatal))

    if not isinstance(definition, Mapping):
        report("", "a definition is a JSON object", True)
        return None, faults
    if not name:
        report("", "the code is empty", True)
    form = Form(
        code=name,
        strip_code=_strip_code(name, definition.get("meta"), report),
        label=_label(definition.get("meta")),
        fields=_fields(definition, report),
        public=_flag(definition, "public_form", "", report),
        facility_reference=_facility_reference(definition, report),
        examples=_examples(definition.get("examples"), report),
        source=source,
        definition=dict(definition),
    )
    _check_together(form, report)
    return (None if any(fault.fatal for fault in faults) else form), faults


def _strip_code(name: str, meta: object, report: _Report) -> str | None:
    if meta is None:
        report("", "meta.code is missing: the code is not cut off a message's first value", False)
        return None
    if not isinstance(meta, Mapping):
        report("", "meta is a JSON object", True)
        return None
    code = meta.get("code")
    if not isinstance(code, str) or not code:
        report("", "meta.code is missing: the code is not cut off a message's first value", False)
        return None
    if code_key(code) != name:
        report("", f"meta.code is {code!r}, the definition stands under {name!r}", False)
    return code


def _label(meta: object) -> Any:
    if not isinstance(meta, Mapping):
        return None
    return meta.get("label") or meta.get("translation_key")


def _flag(definition: Mapping[str, Any], name: str, field: str, report: _Report) -> bool:
    value = definition.get(name, False)
    if not isinstance(value, bool):
        report(field, f"{name} is true or false, not {value!r}", False)
    return value is True


def _facility_reference(definition: Mapping[str, Any], report: _Report) -> str | None:
    key = definition.get("facility_reference")
    if key is None or isinstance(key, str):
        return key or None
    report("", "facility_reference is the key of a field", True)
    return None


def _examples(examples: object, report: _Report) -> tuple[Mapping[str, Any], ...]:
    if examples is None:
        return ()
    if not isinstance(examples, list):
        report("", "examples is a list", True)
        return ()
    sound = []
    for number, example in enumerate(examples, 1):
        if isinstance(example, Mapping) and isinstance(example.get("message"), str):
            sound.append(example)
        else:
            report("", f"example {number} is a JSON object with a message", True)
    return tuple(sound)


def _fields(definition: Mapping[str, Any], report: _Report) -> tuple[Field, ...]:
    fields = definition.get("fields")
    if fields is None:
        report("", "fields is missing: the form takes no values", False)
        return ()
    if not isinstance(fields, Mapping):
        report("", "fields is a JSON object of key and field", True)
        return ()
    return tuple(_field(str(key), fields[key], report) for key in in_javascript_order(fields))


def in_javascript_order(keys: Iterable[str]) -> list[str]:
    """Return keys in the order the CHT sees them: array indices first, by number (§5.10)."""
    keys = list(keys)
    indices = [key for key in keys if _ARRAY_INDEX.fullmatch(key)]
    if not indices:
        return keys
    return sorted(indices, key=int) + [key for key in keys if not _ARRAY_INDEX.fullmatch(key)]


def _field(key: str, definition: object, report: _Report) -> Field:
    if not isinstance(definition, Mapping):
        report(key, "a field is a JSON object", True)
        return Field(key=key)
    kind = definition.get("type")
    if not isinstance(kind, str) or not kind:
        report(key, "type is missing", True)
        kind = ""
    elif kind not in TYPES:
        report(key, f"type {kind!r} is not known: the text is kept as sent", False)
    labels = definition.get("labels")
    if labels is not None and not isinstance(labels, Mapping):
        report(key, "labels is a JSON object", True)
    if not isinstance(labels, Mapping):
        labels = {}
    position = definition.get("position")
    if position is not None and (not isinstance(position, int) or isinstance(position, bool)):
        report(key, f"position is a whole number, not {position!r}", False)
        position = None
    return Field(
        key=key,
        type=kind,
        required=_flag(definition, "required", key, report),
        tiny=_field_label(labels, "tiny", key, report),
        short=_field_label(labels, "short", key, report),
        description=labels.get("description"),
        choices=_choices(key, definition.get("list"), report),
        position=position,
    )


def _field_label(labels: Mapping[str, Any], name: str, key: str, report: _Report) -> Any:
    label = labels.get(name)
    if isinstance(label, str) and "#" in label:
        report(key, f"the {name} label {label!r} has a '#' and can never be recognised", False)
    if label is None or isinstance(label, str | int | float | Mapping):
        return label
    report(key, f"the {name} label is a text, a number or one text per locale", True)
    return None


def _choices(key: str, entries: object, report: _Report) -> tuple[tuple[Any, Any], ...] | None:
    if entries is None:
        return None
    if not isinstance(entries, list):
        report(key, "list is a list of [key, label]", True)
        return None
    choices: list[tuple[Any, Any]] = []
    for number, entry in enumerate(entries, 1):
        if (
            isinstance(entry, list)
            and len(entry) >= 2
            and isinstance(entry[0], str | int | float)
            and not isinstance(entry[0], bool)
        ):
            choices.append((entry[0], entry[1]))
        else:
            report(key, f"entry {number} of list is [key, label]", True)
    return tuple(choices)


def _check_together(form: Form, report: _Report) -> None:
    """Report what no single field shows: order, clashes, references."""
    keys = [field.key for field in form.fields]
    positioned = [field for field in form.fields if field.position is not None]
    for earlier, later in itertools.pairwise(positioned):
        if (earlier.position or 0) > (later.position or 0):
            report(
                later.key,
                f"position {later.position} comes before {earlier.key!r} ({earlier.position}), "
                "but the order of the definition is what counts",
                False,
            )
    for key in keys:
        for other in keys:
            if other.startswith(f"{key}."):
                report(key, f"is a value and, because of {other!r}, also a group", False)
    seen: dict[str, str] = {}
    for field in form.fields:
        if isinstance(field.tiny, str) and field.tiny:
            first = seen.setdefault(field.tiny.lower(), field.key)
            if first != field.key:
                report(field.key, f"has the tiny label {field.tiny!r} of {first!r}", False)
    reference = form.facility_reference
    if reference is not None and reference not in keys:
        report("", f"facility_reference names no field: {reference!r}", True)
