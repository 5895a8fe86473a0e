"""Every aggregator that sends, with the stand-in for its service and the settings that lead there.

One that is new is put on this list, and is then held to all that is asked of each.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from smsgate.aggregators.base import Aggregator
from smsgate.aggregators.http import family
from smsgate.aggregators.registry import installed
from smsgate.fakes.africastalking import AfricasTalking
from smsgate.fakes.jasmin import Jasmin
from smsgate.fakes.kannel import Kannel
from smsgate.fakes.nepal_doit import NepalDoit
from smsgate.fakes.rapidpro import RapidPro
from smsgate.fakes.service import Service
from smsgate.fakes.twilio import ACCOUNT, Twilio
from tests.vendors import Plain, Vendor

GENERIC: Final = Path(__file__).parents[1] / "docs" / "generic"
KEY: Final = "fake-key"


@dataclass(frozen=True)
class Target:
    """An aggregator and what stands in for its service.

    Attributes:
        name: The aggregator's name, which is its route's.
        fake: Makes the service; it takes `latency`.
        state: What a message is once it was taken.
        path: Where messages go, behind the service's address.
        settings: What the document says beside the route.
        country: Where its numbers are.
        credential: What comes before `:incoming` and `:outgoing`.
        strange: HTTP statuses that end otherwise than with the others: outcome and state.
    """

    name: str
    fake: Callable[..., Service]
    state: str
    path: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    country: str = "+25471"
    credential: str = ""
    strange: Mapping[int, tuple[str, str]] = field(default_factory=dict)

    @property
    def aggregator(self) -> Aggregator:
        """The aggregator: installed, or described by the settings."""
        own = self.settings.get("smsgate", {})
        found = installed().described(own).named(self.name)
        assert found is not None
        return found

    def document(self, url: str, **route: Any) -> dict[str, Any]:
        """Settings that send everything to the service at `url`."""
        document = copy.deepcopy(dict(self.settings))
        document["sms"] = {**document.get("sms", {}), "outgoing_service": self.name}
        way = {"url": url + self.path, "allow": ["127.0.0.0/8"], **route}
        document["smsgate"] = {**document.get("smsgate", {}), "routes": {self.name: way}}
        return document

    def number(self, place: int = 0) -> str:
        """The number of somebody, another one for each place."""
        # Ending in a 7: the last figures of some numbers mean something to their stand-ins.
        return f"{self.country}{place:0{12 - len(self.country)}d}7"


def _described(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GENERIC / f"{name}.json").read_text("utf-8"))
    return found


_TWILIO: Final = {"twilio": {"account_sid": ACCOUNT, "from": "+14155550100"}}
_ALL: Final = (
    Target(
        "africastalking",
        AfricasTalking,
        "sent",
        settings={"sms": {"africas_talking": {"username": "programme"}}},
        credential="africastalking.com",
    ),
    Target("rapidpro", RapidPro, "received-by-gateway", credential="rapidpro"),
    Target(
        "twilio",
        Twilio,
        "received-by-gateway",
        settings={"smsgate": _TWILIO},
        credential="twilio",
    ),
    Target(
        "nepal-doit",
        NepalDoit,
        "sent",
        path="/api/sms",
        country="+97798",
        credential="nepal_doit_sms",
        # What they did not document is tried again, as at the CHT.
        strange={400: ("retry", "pending"), 422: ("refused", "failed")},
    ),
    Target(
        "kannel",
        Kannel,
        "received-by-gateway",
        path="/cgi-bin/sendsms",
        settings=_described("kannel"),
        credential="kannel",
    ),
    Target(
        "jasmin",
        Jasmin,
        "received-by-gateway",
        path="/send",
        settings=_described("jasmin"),
        credential="jasmin",
    ),
    Target(
        "national-sms",
        Vendor,
        "received-by-gateway",
        path="/v2/messages",
        settings=_described("json-vendor"),
        credential="national-sms",
    ),
)
# The package of `docs/writing-an-aggregator.md`, where its test has it installed.
_PLAIN: Final = Target(
    "plain",
    Plain,
    "received-by-gateway",
    credential="plain",
    strange=dict.fromkeys((400, 422), ("paused", "pending")),
)
ALL: Final = _ALL if installed().named("plain") is None else (*_ALL, _PLAIN)
BY_NAME: Final = {one.name: one for one in ALL}


def missing() -> set[str]:
    """Aggregators that send and are not on the list; of packages of other people's too."""
    own = {"http": {k: v for one in ALL for k, v in _described_of(one).items()}}
    members = (*installed().aggregators, *family.members(own))
    return {one.name for one in members if one.sends} - set(BY_NAME)


def _described_of(one: Target) -> dict[str, Any]:
    described: dict[str, Any] = one.settings.get("smsgate", {}).get("http", {})
    return described
