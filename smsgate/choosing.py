"""Which way out a message takes: several aggregators and the phones, side by side.

A route is a way out with conditions. Of the routes whose conditions a message meets, those of the
highest priority come first; among them the ones that state more conditions; then the longest prefix
that fits. Between equals the recipient's number decides by weighted rendezvous hashing: everybody
keeps to one route, shares are as the weights, and a route that falls out moves its own recipients
and nobody else's. Pure: what is known of the message and of the routes goes in, a decision with its
reasons comes out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

PHONES: Final = "phones"
_CONDITIONS: Final = ("prefixes", "networks", "forms", "tags")
_MOST_WEIGHT: Final = 1000
_MOST_PRIORITY: Final = 1000


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a message.

    Attributes:
        id: Ours; what decides between equals where a route is not sticky.
        recipient: In international form where it could be brought into it.
        network: The name of the recipient's network, as far as the number tells.
        form: The code of the form that the message answers.
        tags: Words for what it is: its kind, and what its sender gave it.
    """

    id: str
    recipient: str = field(repr=False)
    network: str | None = None
    form: str | None = None
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way out and for what it is; no condition means anything.

    Attributes:
        name: As in `smsgate.routes`.
        aggregator: Who takes the messages, or `phones`.
        prefixes: What numbers begin with.
        networks: Names of networks, compared without regard to case.
        forms: Codes of forms, likewise.
        tags: Of which the message has one.
        weight: The share among equals; 0 takes nothing.
        priority: Higher goes first.
        sticky: Whether a recipient keeps to it, rather than each message going its own way.
    """

    name: str
    aggregator: str
    prefixes: tuple[str, ...] = ()
    networks: frozenset[str] = frozenset()
    forms: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    weight: float = 1.0
    priority: int = 0
    sticky: bool = True

    def misfit(self, facts: Facts) -> str | None:
        """Why it is not for a message with these facts, None where it is."""
        if self.weight <= 0:
            return "its weight is 0"
        if self.prefixes and not facts.recipient.startswith(self.prefixes):
            return f"the number does not begin with {_any_of(self.prefixes)}"
        if self.networks and (facts.network or "").casefold() not in self.networks:
            known = facts.network or "not known"
            return f"the network is {known}, not {_any_of(sorted(self.networks))}"
        if self.forms and (facts.form or "").casefold() not in self.forms:
            return f"the form is {facts.form or 'none'}, not {_any_of(sorted(self.forms))}"
        if self.tags and not self.tags & facts.tags:
            return f"it is not tagged {_any_of(sorted(self.tags))}"
        return None

    def rank(self, facts: Facts) -> tuple[int, int, int]:
        """The smaller, the earlier: priority, then conditions stated, then the longest prefix."""
        stated = sum(bool(getattr(self, name)) for name in _CONDITIONS)
        fitting = [len(one) for one in self.prefixes if facts.recipient.startswith(one)]
        return (-self.priority, -stated, -max(fitting, default=0))

    def score(self, facts: Facts) -> float:
        """The higher, the earlier among equals; a recipient's score never depends on the others."""
        key = facts.recipient if self.sticky else facts.id
        told = f"{self.name}\0{key}".encode("utf-8", "surrogatepass")
        drawn = int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "big")
        return self.weight / -math.log((drawn + 0.5) / 2**64)


class Verdict(StrEnum):
    """What is thought of a route for a message."""

    CHOSEN = "chosen"
    NEXT = "next"  # in line if those before it fall out
    UNWELL = "unwell"  # it fits, and cannot be used now
    UNFIT = "unfit"


@dataclass(frozen=True, slots=True)
class Judged:
    """A route, what is thought of it and why."""

    route: str
    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The route a message takes, None where it waits; `judged` has all routes, best first."""

    route: str | None
    judged: Sequence[Judged]

    @property
    def order(self) -> tuple[str, ...]:
        """The routes that can be used now, in the order in which they would be."""
        return tuple(
            each.route for each in self.judged if each.verdict in (Verdict.CHOSEN, Verdict.NEXT)
        )

    def explain(self) -> list[str]:
        """The decision and its reasons, a line each."""
        if self.route is not None:
            first = f"goes by {self.route}"
        elif any(each.verdict is Verdict.UNWELL for each in self.judged):
            first = "waits: no route that it fits can be used now"
        else:
            first = "waits: it fits no route"
        width = max((len(each.route) for each in self.judged), default=0)
        return [first] + [
            f"  {each.route:<{width}}  {each.verdict.value}: {each.why}" for each in self.judged
        ]


def choose(facts: Facts, rules: Iterable[Rule], unwell: Mapping[str, str]) -> Decision:
    """Choose the route for a message.

    Args:
        facts: what is known of it.
        rules: the routes there are.
        unwell: the routes that cannot be used now, and why: paused, broken, no phone about.
    """
    rules = sorted(rules, key=lambda rule: rule.name)
    fitting = _in_line(facts, rules)
    judged = [
        Judged(rule.name, Verdict.UNFIT, why)
        for rule in rules
        if (why := rule.misfit(facts)) is not None
    ]
    chosen: str | None = None
    ahead = []
    for rule in fitting:
        if rule.name in unwell:
            ahead.append(Judged(rule.name, Verdict.UNWELL, unwell[rule.name]))
            continue
        verdict = Verdict.NEXT if chosen else Verdict.CHOSEN
        chosen = chosen or rule.name
        ahead.append(Judged(rule.name, verdict, _because(rule, facts, fitting)))
    return Decision(chosen, [*ahead, *judged])


def first(facts: Facts, rules: Iterable[Rule], unwell: Collection[str]) -> str | None:
    """The route that `choose` chooses, without the reasons: for the queue, which asks often."""
    line = _in_line(facts, rules)
    return next((rule.name for rule in line if rule.name not in unwell), None)


def _in_line(facts: Facts, rules: Iterable[Rule]) -> list[Rule]:
    fitting = [rule for rule in rules if rule.misfit(facts) is None]
    if len(fitting) > 1:
        # By name in the end, so that two processes never differ.
        fitting.sort(key=lambda rule: (rule.rank(facts), -rule.score(facts), rule.name))
    return fitting


def _because(rule: Rule, facts: Facts, fitting: Sequence[Rule]) -> str:
    reasons = []
    prefix = max((one for one in rule.prefixes if facts.recipient.startswith(one)), default="")
    if prefix:
        reasons.append(f"the number begins with {prefix}")
    if rule.networks:
        reasons.append(f"the network is {facts.network}")
    if rule.forms:
        reasons.append(f"the form is {facts.form}")
    if rule.tags:
        reasons.append(f"it is tagged {_any_of(sorted(rule.tags & facts.tags))}")
    if not reasons:
        reasons.append("it takes any message")
    reasons.append(f"priority {rule.priority}")
    equals = [each for each in fitting if each.rank(facts) == rule.rank(facts)]
    if len(equals) > 1:
        share = rule.weight / sum(each.weight for each in equals)
        by = "recipients" if rule.sticky else "messages"
        reasons.append(f"{share:.0%} of the {by} by weight")
    return ", ".join(reasons)


def _any_of(words: Collection[str]) -> str:
    return " or ".join(words)


def simple(service: object) -> Rule:
    """The one route of a programme that describes none: `sms.outgoing_service` alone."""
    name = service if isinstance(service, str) and service not in ("", "medic-gateway") else PHONES
    return Rule(name=name, aggregator=name)


def read_rules(
    own: Mapping[str, Any], *, known: Collection[str], faults: list[str]
) -> tuple[Rule, ...]:
    """The routes that `smsgate.routes` describes: its entries that name an `aggregator`.

    Args:
        own: the document's `smsgate` object.
        known: the names and aliases of the aggregators that can send.
        faults: gets a line for each thing that is wrong; the entry is left out, for what it would
            do without a condition is not what was meant.
    """
    stated = own.get("routes")
    if not isinstance(stated, Mapping):
        return ()
    rules = []
    for name, entry in stated.items():
        if not isinstance(entry, Mapping) or "aggregator" not in entry:
            continue
        before = len(faults)
        rule = _rule(str(name), entry, known, faults)
        if len(faults) == before:
            rules.append(rule)
    return tuple(rules)


def _rule(name: str, entry: Mapping[str, Any], known: Collection[str], faults: list[str]) -> Rule:
    def fault(key: str, why: str) -> None:
        faults.append(f"smsgate.routes.{name}.{key}: {why}")

    def words(key: str) -> tuple[str, ...]:
        value = entry.get(key, [])
        texts = (
            [one.strip() for one in value if isinstance(one, str) and one.strip()]
            if (isinstance(value, list))
            else []
        )
        if not isinstance(value, list) or len(texts) != len(value) or (key in entry and not value):
            fault(key, "must be a list of texts, with one at least")
        return tuple(texts)

    def number(key: str, least: float, most: float, otherwise: float) -> float:
        value = entry.get(key, otherwise)
        fine = isinstance(value, int | float) and not isinstance(value, bool)
        if not fine or not least <= value <= most:  # NaN is in no range
            fault(key, f"must be a number from {least:g} to {most:g}")
            return otherwise
        return float(value)

    aggregator = entry["aggregator"]
    if not isinstance(aggregator, str) or aggregator not in {*known, PHONES}:
        fault("aggregator", f"must be one of {', '.join(sorted({*known, PHONES}))}")
    sticky = entry.get("sticky", True)
    if not isinstance(sticky, bool):
        fault("sticky", "must be true or false")
    prefixes = words("prefixes")
    if any(not prefix.startswith("+") for prefix in prefixes):
        fault("prefixes", "must be in international form, such as +2547")
    return Rule(
        name=name,
        aggregator=str(aggregator),
        prefixes=tuple("".join(prefix.split()) for prefix in prefixes),
        networks=frozenset(word.casefold() for word in words("networks")),
        forms=frozenset(word.casefold() for word in words("forms")),
        tags=frozenset(words("tags")),
        weight=number("weight", 0, _MOST_WEIGHT, 1.0),
        priority=int(number("priority", -_MOST_PRIORITY, _MOST_PRIORITY, 0)),
        sticky=sticky is not False,
    )
