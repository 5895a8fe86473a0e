"""Labels of forms, fields and list entries in one language (`spec/sms-protocol.md` §4.6, §6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from smsgate.catalogue import Catalogue
from smsgate.numbers import number_text


def label_text(label: object, locale: str, catalogue: Catalogue) -> str | None:
    """Return the words of a label in `locale`, None where it has none.

    Args:
        label: What a definition holds: a text (a key of the document's translations, or the words
            themselves), a number (its decimal text, decision 20), `{locale: text}` or
            `{"translations": [{"locale", "content"}]}`.
        locale: The language wanted; after it come `default`, `en` and the first entry there is.
        catalogue: Where a text may be a key.
    """
    if isinstance(label, str):
        return catalogue.find_own(label, locale) or label or None
    if isinstance(label, int | float) and not isinstance(label, bool):
        return number_text(label)
    if isinstance(label, Mapping):
        return _of_locales(dict(_entries(label)), locale)
    return None


def _entries(label: Mapping[object, object]) -> Iterator[tuple[object, object]]:
    translations = label.get("translations")
    if not isinstance(translations, list):
        yield from label.items()
        return
    for entry in translations:
        if isinstance(entry, Mapping):
            yield entry.get("locale"), entry.get("content")


def _of_locales(texts: Mapping[object, object], locale: str) -> str | None:
    for wanted in (locale, "default", "en", *texts):
        text = texts.get(wanted)
        if isinstance(text, str) and text:
            return text
        if isinstance(text, int | float) and not isinstance(text, bool):
            return number_text(text)
    return None
