"""Which texts that come in are told to RapidPro, as whose channel smsgate works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

Which = Literal["unread", "all", "none"]

TO: Final = "rapidpro-channel"
SETTING: Final = "rapidpro_channel"
# What RapidPro brought us itself, it knows.
_FROM_THERE: Final = frozenset({"rapidpro", TO})
_ANY: Final[tuple[Which, ...]] = ("unread", "all", "none")


@dataclass(frozen=True, slots=True)
class Relay:
    """`smsgate.rapidpro_channel.receive`: "unread" texts are those that are no form."""

    which: Which = "none"

    @classmethod
    def from_settings(cls, own: Mapping[str, Any], *, warnings: list[str]) -> Self:
        """Read it of the document's `smsgate` object; nothing is told where no address is set."""
        stated = own.get(SETTING)
        if not isinstance(stated, Mapping) or not stated.get("url"):
            return cls()
        given = stated.get("receive", "unread")
        for which in _ANY:
            if which == given:
                return cls(which)
        warnings.append(
            f'smsgate.{SETTING}.receive must be "unread", "all" or "none": "unread" is used'
        )
        return cls("unread")

    def wants(self, source: str, *, is_form: bool) -> bool:
        """Whether a text of this source is told."""
        if self.which == "none" or source in _FROM_THERE:
            return False
        return self.which == "all" or not is_form
