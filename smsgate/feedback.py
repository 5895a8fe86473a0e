"""The sentences that tell a sender how a form went, in one language (`docs/replies.md`).

They name fields by the form's own labels and end with the form's own example, and stay within
three SMS by naming fewer fields, then by leaving the example out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from smsgate import segments
from smsgate.catalogue import Catalogue
from smsgate.form import Form
from smsgate.labels import label_text
from smsgate.numbers import number_text
from smsgate.record import Draft

_Item = TypeVar("_Item")

# A reply should cost a programme no more than this, however long the form's own labels are.
_MOST_SEGMENTS = 3

# How many fields or choices are named, tried in turn until the reply is short enough. Never one:
# what follows "and" in the texts is a plural.
_NAMED = (8, 5, 3, 2)

_LONGEST_NAME = 30

# Errors that are told with a sentence of their own, in the order they are told.
_SIMPLE = {
    "sys.unknown_grammar": "smsgate.reply.unknown_grammar",
    "sys.parse_error": "smsgate.reply.nothing_read",
    "extra_fields": "smsgate.reply.too_many",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A reply's words, and the translation key its first sentence comes from."""

    key: str
    text: str


@functools.lru_cache(maxsize=1024)
def feedback(catalogue: Catalogue, locale: str, form: Form) -> Feedback:
    """What can be said of `form` in `locale`, made once for each."""
    return Feedback(catalogue, locale, form)


class Feedback:
    """What can be said of one form in one language."""

    def __init__(self, catalogue: Catalogue, locale: str, form: Form) -> None:
        self._catalogue = catalogue
        self._locale = locale
        self._form = form
        self._fields = {field.key: field for field in form.fields}
        self._about = {"form": form.code, "form_name": _cut(self._label(form.label) or form.code)}

    def of(self, draft: Draft) -> Told | None:
        """How a filling of the form went.

        Returns:
            The form was accepted, or which fields are missing or unreadable; None where its only
            errors are not about its values, such as an unregistered sender.
        """
        codes = [error["code"] for error in draft.document["errors"]]
        problems = self._problems(draft, codes, _NAMED[0])
        if problems:
            return Told(
                problems[0][0],
                self._ended(lambda most: [text for _, text in self._problems(draft, codes, most)]),
            )
        if set(codes) - {"sys.duplicate_field"}:
            return None
        if codes:
            repeated = self._say("smsgate.reply.repeated")
            return Told(self._accepted.key, _sentences(self._accepted.text, repeated))
        return self._accepted

    @functools.cached_property
    def _accepted(self) -> Told:
        key = "smsgate.reply.accepted"
        return Told(key, self._say(key))

    def did_you_mean(self) -> Told:
        """The question whether this form was meant, with its example."""
        key = "smsgate.reply.did_you_mean"
        question = self._say(key, code=self._form.code)
        return Told(key, self._ended(lambda _: [question]))

    def _say(self, key: str, **values: str) -> str:
        return self._catalogue.say(key, self._locale, **self._about, **values).strip()

    def _ended(self, sentences: Callable[[int], Sequence[str]]) -> str:
        """The first text within the budget, else the last: what an operator's own words came to."""
        text = ""
        for closing in self._closings():
            for kept in _shrinking(sentences):
                text = _sentences(*kept, closing)
                if segments.count(text).segments <= _MOST_SEGMENTS:
                    return text
        return text

    def _closings(self) -> Iterator[str]:
        if self._form.examples:
            yield self._say("smsgate.reply.example", example=self._form.examples[0]["message"])
        yield self._say("smsgate.reply.again")

    def _problems(self, draft: Draft, codes: Sequence[str], most: int) -> list[tuple[str, str]]:
        """Keys and sentences for what is wrong, at most `most` fields named in each."""
        told = [(key, self._say(key)) for code, key in _SIMPLE.items() if code in codes]
        if "sys.unknown_grammar" in codes:
            return told  # no field was looked for, so that all are missing says nothing
        missing = [key for key in draft.missing if key not in draft.wrong]
        if missing:
            key = "smsgate.reply.missing"
            fields = self._listed(missing, most, self._name)
            told.append((key, self._say(key, fields=fields)))
        key = "smsgate.reply.unreadable"
        # A date joined from other fields cannot be read while one of these is missing.
        wrongs = [k for k, kind in draft.wrong.items() if not (missing and kind == "bsAggreDate")]
        for wrong in wrongs[:most]:
            expected = self._expected(wrong, most)
            told.append((key, self._say(key, field=self._name(wrong), expected=expected)))
        return told

    def _name(self, key: str) -> str:
        field = self._fields[key]
        return _cut(self._label(field.short) or self._label(field.tiny) or key)

    def _expected(self, key: str, most: int) -> str:
        field = self._fields[key]
        if field.choices:
            choices = self._listed(field.choices, most, self._choice)
            return self._say("smsgate.type.list", choices=choices)
        words = f"smsgate.type.{field.type}"
        known = self._catalogue.find(words, self._locale) is not None
        return self._say(words if known else "smsgate.type.value")

    def _choice(self, choice: tuple[str | float, object]) -> str:
        sent, label = choice
        typed = sent if isinstance(sent, str) else number_text(sent)
        return _cut(_sentences(typed, self._label(label) or ""))

    def _listed(self, items: Sequence[_Item], most: int, name: Callable[[_Item], str]) -> str:
        if len(items) <= most:
            return ", ".join(map(name, items))
        shown = min(most, len(items) - 2)  # at least two are left over, for the plural's sake
        return self._say(
            "smsgate.reply.and_more",
            fields=", ".join(map(name, items[:shown])),
            count=str(len(items) - shown),
        )

    def _label(self, label: object) -> str | None:
        return label_text(label, self._locale, self._catalogue)


def _sentences(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _shrinking(sentences: Callable[[int], Sequence[str]]) -> Iterator[Sequence[str]]:
    """The sentences with fewer and fewer names in them, then fewer and fewer of these sentences."""
    kept: Sequence[str] = ()
    for most in _NAMED:
        kept = sentences(most)
        yield kept
    for length in range(len(kept) - 1, 0, -1):
        yield kept[:length]


def _cut(name: str) -> str:
    # Three full stops: the one character for them is outside the GSM alphabet.
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 3].rstrip() + "..."
