"""The programme's own words in its languages: the settings document's over those smsgate ships.

A text is inert: `{{name}}` is replaced by a value and nothing else happens, neither in the text nor
in the value (`spec/sms-protocol.md` §5.10).
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files

FALLBACK_LOCALE = "en"
_VARIABLE = re.compile(r"\{\{\s*+([^\s{}]++)\s*+\}\}")

Texts = Mapping[str, Mapping[str, str]]
"""Texts by locale, then by key."""


@functools.cache
def shipped_texts() -> Texts:
    """Return the texts in `smsgate/translations/<locale>.json`, read once."""
    folder = files("smsgate") / "translations"
    return {
        entry.name.removesuffix(".json"): _only_texts(json.loads(entry.read_text("utf-8")))
        for entry in folder.iterdir()
        if entry.name.endswith(".json")
    }


class Catalogue:
    """Finds a text by key and locale, first in the settings document, then in what is shipped."""

    __slots__ = ("_document", "_shipped")

    def __init__(self, document_translations: object = None, shipped: Texts | None = None) -> None:
        """Read the settings document's `translations`.

        Args:
            document_translations: `{"<locale>": {"<key>": "<text>"}}`, or the CHT's array form
                `[{"key", "default"?, "translations": [{"locale", "content"}]}]`. What is neither is
                passed over: a settings document is checked where it is stored, not here.
            shipped: Texts that come after the document's; by default smsgate's own.
        """
        self._document = _read(document_translations)
        self._shipped = shipped_texts() if shipped is None else shipped

    def find(self, key: str, locale: str) -> str | None:
        """Return the text of `key` in `locale`, else in English, else None.

        Shipped texts are the last fallback: the document's English comes before them.
        """
        return _in(self._document, key, locale) or _in(self._shipped, key, locale)

    def find_own(self, key: str, locale: str) -> str | None:
        """Like `find`, in the settings document alone.

        For words that are only perhaps keys (a form's labels): a label `empty` must not become the
        shipped answer to an empty message.
        """
        return _in(self._document, key, locale)

    def say(self, key: str, locale: str, /, **values: object) -> str:
        """Return the text of `key` (or the key itself) with each `{{name}}` replaced by its value.

        A name without a value becomes nothing. Values are put in as they are: no escaping, and no
        second look at what they contain.
        """
        text = self.find(key, locale)
        return fill_in(key if text is None else text, values)


def fill_in(text: str, values: Mapping[str, object]) -> str:
    """Return `text` with `{{name}}` replaced from `values`, in one pass (linear)."""
    if "{{" not in text:
        return text

    def value_of(match: re.Match[str]) -> str:
        value = values.get(match[1])
        return "" if value is None else str(value)

    return _VARIABLE.sub(value_of, text)


def _in(texts: Texts, key: str, locale: str) -> str | None:
    for wanted in (locale, FALLBACK_LOCALE):
        in_locale = texts.get(wanted)
        if in_locale is not None and (text := in_locale.get(key)) is not None:
            return text
    return None


def _read(translations: object) -> Texts:
    if isinstance(translations, Mapping):
        return {
            str(locale): _only_texts(texts)
            for locale, texts in translations.items()
            if isinstance(texts, Mapping)
        }
    if isinstance(translations, Iterable) and not isinstance(translations, str | bytes):
        return _read_array(translations)
    return {}


def _read_array(entries: Iterable[object]) -> Texts:
    texts: dict[str, dict[str, str]] = {}
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(key := entry.get("key"), str):
            continue
        default = entry.get("default")
        if isinstance(default, str):
            texts.setdefault(FALLBACK_LOCALE, {}).setdefault(key, default)
        per_locale = entry.get("translations")
        for item in per_locale if isinstance(per_locale, list) else ():
            if not isinstance(item, Mapping):
                continue
            locale, content = item.get("locale"), item.get("content")
            if isinstance(locale, str) and isinstance(content, str):
                texts.setdefault(locale, {})[key] = content
    return texts


def _only_texts(texts: Mapping[object, object]) -> Mapping[str, str]:
    return {str(key): text for key, text in texts.items() if isinstance(text, str)}
