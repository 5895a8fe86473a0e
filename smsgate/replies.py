"""Which words go back to a sender, in whose language. Pure: values in, values out.

A message gets one reply at most:

- *near miss*: its form code is unknown but one slip of the thumb away from a known one;
- *default response*: the CHT's answer to empty texts, unknown forms and free text
  (`spec/sms-protocol.md` §7.9);
- *form reply*: a recognised form was accepted, or these fields are missing or unreadable. The CHT
  stays silent here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, tzinfo
from enum import StrEnum
from typing import Any, Self

from smsgate.catalogue import Catalogue
from smsgate.deny import Denial, DenyRules
from smsgate.feedback import feedback
from smsgate.form import Form
from smsgate.nearmiss import nearest
from smsgate.numbers import number_text
from smsgate.record import Draft


class Kind(StrEnum):
    """Why a reply is sent; stored with the outbound message."""

    DEFAULT_RESPONSE = "default_response"
    FORM_REPLY = "form_reply"
    NEAR_MISS = "near_miss"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One text to send. `translation_key` is the text its wording comes from, or its first one."""

    recipient: str
    text: str
    kind: Kind
    translation_key: str
    locale: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """A reply there was reason to send and more reason not to.

    `reason` is the deny rule that forbids it. `reply` is what would have been sent, to be stored
    in state `denied`; None where not even that is kept, because the text came from the gateway's
    own number (`spec/sms-protocol.md` §7.9).
    """

    reason: Denial
    reply: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyRules:
    """What a programme's settings say of replies; one immutable value per settings document.

    `default_responses_start` None switches the default responses off. `forms` are the known
    forms by upper-case code.
    """

    catalogue: Catalogue
    forms: Mapping[str, Form]
    locale: str = "en"
    locale_outgoing: str = ""
    timezone: tzinfo = UTC
    default_responses_start: date | None = None
    forms_only_mode: bool = False
    deny: DenyRules = field(default_factory=DenyRules)
    form_feedback: bool = False
    near_misses: bool = False

    @classmethod
    def from_settings(
        cls,
        settings: Mapping[str, Any],
        *,
        catalogue: Catalogue,
        forms: Mapping[str, Form],
        timezone: tzinfo = UTC,
    ) -> Self:
        """Reads the rules from an app_settings document (`spec/sms-protocol.md` §7.6).

        smsgate's own two switches are `smsgate.replies.form_feedback` and
        `smsgate.replies.near_misses`; both are off unless `true`, so that a CHT document replies
        as it did. A value of a wrong type counts as absent.
        """
        own = _mapping(_mapping(settings.get("smsgate")).get("replies"))
        return cls(
            catalogue=catalogue,
            forms=forms,
            locale=_text(settings.get("locale")) or "en",
            locale_outgoing=_text(settings.get("locale_outgoing")),
            timezone=timezone,
            default_responses_start=_day(
                _mapping(settings.get("default_responses")).get("start_date")
            ),
            forms_only_mode=_truth(settings.get("forms_only_mode")),
            deny=DenyRules.from_settings(settings),
            form_feedback=own.get("form_feedback") is True,
            near_misses=own.get("near_misses") is True,
        )

    def locale_for(self, document: Mapping[str, Any]) -> str:
        """The language to answer in (`spec/sms-protocol.md` §7.5)."""
        return (
            _text(document.get("locale"))
            or _text(_mapping(document.get("fields")).get("locale"))
            or _text(_mapping(document.get("sms_message")).get("locale"))
            or self.locale_outgoing
            or self.locale
            or "en"
        )


def replies_to(draft: Draft, rules: ReplyRules) -> list[Reply | Withheld]:
    """What to send back for one message.

    Args:
        draft: what the message became, its CHT document included.
        rules: the programme's settings.

    Returns:
        Nothing, or one value: the reply, or why it is withheld (`spec/sms-protocol.md` §7.4, §7.9).
    """
    document = draft.document
    recipient = _text(document.get("from"))
    if not recipient or document.get("kujua_message"):
        return []
    if rules.deny.is_gateway(recipient):
        return [Withheld(reason=Denial.GATEWAY_NUMBER)]
    locale = rules.locale_for(document)
    said = (
        _near_miss(draft, rules, locale)
        or _default_response(draft, rules, locale)
        or _form_reply(draft, rules, locale)
    )
    if said is None or not said.text:
        return []
    reply = Reply(
        recipient=recipient,
        text=said.text,
        kind=said.kind,
        translation_key=said.key,
        locale=locale,
    )
    reason = rules.deny.denial(sender=recipient, recipient=recipient)
    return [reply] if reason is None else [Withheld(reason=reason, reply=reply)]


@dataclass(frozen=True, slots=True)
class _Said:
    kind: Kind
    key: str
    text: str


def _near_miss(draft: Draft, rules: ReplyRules, locale: str) -> _Said | None:
    if not rules.near_misses or draft.form is not None or not draft.form_code:
        return None
    code = nearest(draft.form_code, rules.forms)
    if code is None:
        return None
    told = feedback(rules.catalogue, locale, rules.forms[code]).did_you_mean()
    return _Said(Kind.NEAR_MISS, told.key, told.text)


def _default_response(draft: Draft, rules: ReplyRules, locale: str) -> _Said | None:
    document = draft.document
    if rules.default_responses_start is None or document.get("type") != "data_record":
        return None
    start = datetime.combine(rules.default_responses_start, time.min, tzinfo=rules.timezone)
    if not document["reported_date"] > start.timestamp() * 1000:
        return None
    codes = {error["code"] for error in document["errors"]}
    unknown = "sys.form_not_found" in codes
    if "sys.empty" in codes:
        key = "empty"
    elif unknown and rules.forms_only_mode:
        key = "form_not_found"
    elif unknown or not isinstance(document.get("form"), str):
        key = "sms_received"
    else:
        return None
    text = rules.catalogue.say(key, locale, **_context(document))
    return _Said(Kind.DEFAULT_RESPONSE, key, text.strip())


def _form_reply(draft: Draft, rules: ReplyRules, locale: str) -> _Said | None:
    # A record sent as JSON comes from a program: a text to somebody's phone would correct nothing.
    is_text = _mapping(draft.document.get("sms_message")).get("type") == "sms_message"
    if not rules.form_feedback or draft.form is None or not is_text:
        return None
    told = feedback(rules.catalogue, locale, draft.form).of(draft)
    return None if told is None else _Said(Kind.FORM_REPLY, told.key, told.text)


def _context(document: Mapping[str, Any]) -> dict[str, str]:
    """What a default response may mention: the record's fields before its properties (§7.5)."""
    values: dict[str, str] = {}
    for values_of in (document, _mapping(document.get("fields"))):
        for key, value in values_of.items():
            if isinstance(value, bool):
                values[key] = str(value).lower()
            elif isinstance(value, int | float):
                values[key] = number_text(value)
            elif isinstance(value, str):
                values[key] = value
    return values


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _truth(value: object) -> bool:
    # The CHT's sample settings write booleans as text.
    return value.strip().lower() == "true" if isinstance(value, str) else bool(value)


def _day(value: object) -> date | None:
    try:
        return datetime.strptime(_text(value), "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        return None
