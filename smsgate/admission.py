"""Who may be texted: how a recipient is read, and what forbids a message to it."""

from __future__ import annotations

from smsgate import phone
from smsgate.optout import OPTED_OUT
from smsgate.programme import Programme


def recipient_of(value: str, programme: Programme) -> str | None:
    """`value` as an international number; None where it is none by the programme's rules."""
    rules = programme.reading
    return phone.e164(value, rules.default_country_code, rules.phone_validation)


def denial_of(recipient: str, programme: Programme) -> str | None:
    """Why nothing may be sent to `recipient`, as `state_details` has it; None where it may."""
    denial: str | None = programme.replies.deny.denial(sender="", recipient=recipient)
    if denial is None and programme.opted_out.holds(recipient):
        return OPTED_OUT
    return None if denial is None else str(denial)
