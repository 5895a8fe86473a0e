"""A programme and its sender: what goes in as a text, and what is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from smsgate.catalogue import Catalogue
from smsgate.clock import to_ms
from smsgate.definition import read_definition
from smsgate.form import Form
from smsgate.reading import ReadingRules
from smsgate.record import Draft, draft_from_text
from smsgate.replies import Reply, ReplyRules, Withheld, replies_to

SENDER = "+254712345678"
OWN = "+254700000001"
NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
LOCALES = ("en", "fr", "sw", "ne", "es")
FORMS = Path(__file__).parents[1] / "forms"

SHIPPED = {
    "locale": "en",
    "default_country_code": "254",
    "default_responses": {"start_date": "2026-03-09"},
    "outgoing_deny_shorter_than": 6,
    "outgoing_deny_with_alphas": True,
    "gateway_number": OWN,
    "smsgate": {"replies": {"form_feedback": True, "near_misses": True}},
}


def form(code: str, definition: Mapping[str, Any] | None = None) -> Form:
    """The form of a definition, by default of the shipped one."""
    if definition is None:
        definition = json.loads((FORMS / f"{code}.json").read_text(encoding="utf-8"))
    read, faults = read_definition(code, definition)
    assert read is not None, faults
    return read


KNOWN = {code: form(code) for code in ("ANC", "STOCK", "ALERT", "JANMA")}


class Exchange:
    """A programme with its settings; `answer` is what its senders get back."""

    def __init__(
        self,
        settings: Mapping[str, Any] | None = None,
        *,
        forms: Mapping[str, Form] = KNOWN,
        zone: str = "UTC",
        **changes: Any,
    ) -> None:
        document = {**(SHIPPED if settings is None else settings), **changes}
        catalogue = Catalogue(document.get("translations"))
        self.rules = ReplyRules.from_settings(
            document, catalogue=catalogue, forms=forms, timezone=ZoneInfo(zone)
        )
        self.reading = ReadingRules(
            forms=forms,
            catalogue=catalogue,
            locale=document.get("locale", "en"),
            default_country_code=document.get("default_country_code"),
            forms_only_mode=self.rules.forms_only_mode,
            timezone=ZoneInfo(zone),
        )

    def draft(self, text: str, sender: str = SENDER, **given: Any) -> Draft:
        at = given.pop("at", NOON)
        return draft_from_text(
            text, sender=sender, rules=self.reading, received_ms=to_ms(at), **given
        )

    def answer(self, text: str, sender: str = SENDER, **given: Any) -> Reply | Withheld | None:
        said = replies_to(self.draft(text, sender, **given), self.rules)
        assert len(said) <= 1
        return said[0] if said else None

    def text(self, text: str, sender: str = SENDER, **given: Any) -> str | None:
        said = self.answer(text, sender, **given)
        assert not isinstance(said, Withheld)
        return None if said is None else said.text
