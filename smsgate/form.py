"""A form: the definition that says which fields a message of its code carries.

Values only. `smsgate.definition` reads them out of JSON and names every fault; `smsgate.local_form`
is a form as it is read in one language; `smsgate.filling` fills it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from smsgate.text import without_zero_width

TYPES = frozenset(
    {
        "integer", "string", "date", "boolean", "month", "phone_number", "bsDate", "bsYear",
        "bsMonth", "bsDay", "bsAggreDate", "custom", "complex",
    }
)  # fmt: skip
"""The field types with a meaning (§5.8); every other type keeps the text as sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong in a definition: which file, which field (empty: the form), what.

    A definition with a `fatal` fault gives no form; the others are warnings.
    """

    file: str
    form: str
    field: str
    fault: str
    fatal: bool = False

    def __str__(self) -> str:
        place = f"{self.file}: " if self.file else ""
        name = f"{self.form}.{self.field}" if self.field else self.form
        return f"{place}{'error' if self.fatal else 'warning'}: {name}: {self.fault}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a form. `key` is its name in `fields`; `a.b` nests (decision 24).

    `tiny` and `short` are labels as the definition holds them (`smsgate.labels`); `choices` are the
    `list` entries (what is sent, its label), None where the field has no list.
    """

    key: str
    type: str = "string"
    required: bool = False
    tiny: Any = None
    short: Any = None
    description: Any = None
    choices: tuple[tuple[Any, Any], ...] | None = None
    position: int | None = None

    @property
    def path(self) -> tuple[str, ...]:
        """The names under which the value is found in `fields`, outermost first."""
        return tuple(self.key.split("."))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Form:
    """One form. Two forms are the same only if they are one object: the key of every cache.

    `code` is upper case and what messages begin with; `strip_code` is `meta.code`, what is cut off
    a textform (None: nothing is). `definition` is the JSON it was read from.
    """

    code: str
    strip_code: str | None
    fields: tuple[Field, ...]
    label: Any = None
    public: bool = False
    facility_reference: str | None = None
    examples: tuple[Mapping[str, Any], ...] = ()
    source: str = ""
    definition: Mapping[str, Any] = field(default_factory=dict)

    def field(self, key: str) -> Field | None:
        """Return the field with this key, None where there is none."""
        return next((each for each in self.fields if each.key == key), None)


def code_key(code: str) -> str:
    """Return a form code as it is compared: upper case, without zero width (decision 26)."""
    return without_zero_width(code).upper()
