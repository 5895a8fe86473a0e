"""Whom smsgate never texts: its own number, short codes, names, and a list of prefixes.

The rules are the CHT's (`outgoing_deny_*`, `gateway_number`), tried on the recipient as well as on
the sender of the text that caused the message. They keep two machines from answering each other
for ever and money from being spent on texts to premium numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import phonenumbers

# Numbers that end alike are worth a proper comparison; all others differ for certain.
_TAIL = 6

_SAME_NUMBER = (phonenumbers.MatchType.NSN_MATCH, phonenumbers.MatchType.EXACT_MATCH)


class Denial(StrEnum):
    """Why a message is not sent. The word is stored with the message and shown to operators."""

    GATEWAY_NUMBER = "gateway_number"
    SHORTER_THAN = "outgoing_deny_shorter_than"
    WITH_ALPHAS = "outgoing_deny_with_alphas"
    DENY_LIST = "outgoing_deny_list"


@dataclass(frozen=True, slots=True, kw_only=True)
class DenyRules:
    """The deny settings of a programme, read once per settings document.

    An empty `gateway_number`, 0 for `shorter_than` and an empty `prefixes` switch that rule off.
    `prefixes` are compared without regard to case.
    """

    gateway_number: str = ""
    shorter_than: int = 0
    with_alphas: bool = False
    prefixes: tuple[str, ...] = ()

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Reads the rules from an app_settings document (`spec/sms-protocol.md` §7.4, §7.6).

        Values of a wrong type switch their rule off, as in the CHT: `with_alphas` must be `true`,
        `shorter_than` a number or its digits.
        """
        return cls(
            gateway_number=_text(settings.get("gateway_number")),
            shorter_than=_count(settings.get("outgoing_deny_shorter_than")),
            with_alphas=settings.get("outgoing_deny_with_alphas") is True,
            prefixes=tuple(
                prefix
                for entry in _text(settings.get("outgoing_deny_list")).split(",")
                if (prefix := entry.strip().casefold())
            ),
        )

    def denial(self, *, sender: str, recipient: str) -> Denial | None:
        """Whether a message to `recipient`, caused by a text of `sender`, is forbidden.

        An empty number breaks no rule. The first rule broken is the reason, the sender tried
        first (`spec/sms-protocol.md` §7.4, decision 18).

        Args:
            sender: who wrote the text that caused the message; empty where nobody did.
            recipient: whom the message is for.

        Returns:
            The reason, or None where the message may go.
        """
        reason = self.denies(sender)
        if reason is None and recipient != sender:
            reason = self.denies(recipient)
        return reason

    def denies(self, number: str) -> Denial | None:
        """Which rule forbids texts to or because of `number`, None if none does."""
        number = number.strip()
        if not number:
            return None
        if self.is_gateway(number):
            return Denial.GATEWAY_NUMBER
        if len(number) < self.shorter_than:
            return Denial.SHORTER_THAN
        # A name is a name in any script; no phone number has letters.
        if self.with_alphas and any(character.isalpha() for character in number):
            return Denial.WITH_ALPHAS
        if number.casefold().startswith(self.prefixes):
            return Denial.DENY_LIST
        return None

    def is_gateway(self, number: str) -> bool:
        """Whether `number` is the gateway's own, with or without its country code."""
        return bool(self.gateway_number) and same_number(number, self.gateway_number)


def same_number(one: str, other: str) -> bool:
    """Whether two spellings mean one phone number, the country code being optional in either.

    `+254 712 345 678`, `254712345678` and `0712345678` are the same number.
    """
    one_digits, other_digits = _digits(one), _digits(other)
    if not one_digits or one_digits[-_TAIL:] != other_digits[-_TAIL:]:
        return False
    if one_digits == other_digits:
        return True
    return any(
        phonenumbers.is_number_match(a, b) in _SAME_NUMBER
        for a, b in (
            (one, other),
            # A country code written without its plus sign, or after 00.
            ("+" + one_digits.lstrip("0"), other),
            (one, "+" + other_digits.lstrip("0")),
        )
    )


def _digits(number: str) -> str:
    return "".join(str(int(character)) for character in number if character.isdecimal())


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _count(value: object) -> int:
    text = _text(value)
    # Six digits are more than any number has; int() of thousands of digits is slow or refused.
    return int(text) if text.isdecimal() and len(text) <= _TAIL else 0
