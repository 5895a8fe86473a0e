"""A form as its texts are read in one language: labels resolved, readers made, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from smsgate.fields import CHECKED, Reader, Typing, reader_of
from smsgate.form import Field, Form
from smsgate.labels import label_text

_Built = TypeVar("_Built")


class LocalForm:
    """One form in one language: what grammars read texts with and `filling` fills.

    It is made by `ReadingRules.local` and lives as long as the settings it was made from. A grammar
    keeps what it compiles for the form with `built`.

    Attributes:
        form: The form.
        locale: The message's language.
        keys: The fields' keys in the order of the definition.
        tiny: Each field's tiny label in the message's language, None where it has none.
        tiny_default: The same in the language of the settings.
        short: Each field's short label, in the message's language.
        plan: For `filling`: per field its key, reader, whether it is required, and its type where a
            value of another type is an error.
        nests: Whether a key has a dot.
    """

    def __init__(self, form: Form, locale: str, typing: Typing) -> None:
        """Resolve the labels of `form` for messages in `locale`."""
        self.form = form
        self.locale = locale
        self.typing = typing
        fields = form.fields
        catalogue = typing.catalogue
        self.keys = tuple(field.key for field in fields)
        self.tiny = tuple(label_text(field.tiny, locale, catalogue) for field in fields)
        self.tiny_default = tuple(
            label_text(field.tiny, typing.locale, catalogue) for field in fields
        )
        self.short = tuple(label_text(field.short, locale, catalogue) for field in fields)
        self.readers: dict[str, Reader] = {field.key: reader_of(field, typing) for field in fields}
        self.plan = tuple(
            (field.key, self.readers[field.key], field.required, _checked_type(field))
            for field in fields
        )
        self.nests = any("." in key for key in self.keys)
        self.aggregates = tuple(
            (field.key, _first(form, "bsYear"), _first(form, "bsMonth"), _first(form, "bsDay"))
            for field in fields
            if field.type == "bsAggreDate"
        )
        self._memo: dict[str, object] = {}

    def built(self, name: str, build: Callable[[LocalForm], _Built]) -> _Built:
        """Return what `build` makes of this form, made at the first call under `name`."""
        found = self._memo.get(name)
        if found is None:
            found = self._memo[name] = build(self)
        return found  # type: ignore[return-value]  # a name is used with one builder only


def _checked_type(field: Field) -> str | None:
    return field.type if field.choices is None and field.type in CHECKED else None


def _first(form: Form, kind: str) -> str | None:
    return next((field.key for field in form.fields if field.type == kind), None)
