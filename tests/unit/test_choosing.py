"""Which way out a message takes, and why: tables, and what rendezvous hashing promises."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgate import phone
from smsgate.choosing import (
    Decision,
    Facts,
    Judged,
    Rule,
    Verdict,
    choose,
    first,
    read_rules,
    simple,
)

KENYA, NEPAL = "+254712345678", "+9779841234567"
RECIPIENTS = [f"+2547{number:08d}" for number in range(4000)]


def _rule(name: str, **stated: Any) -> Rule:
    stated = {
        key: frozenset(value) if key in ("networks", "forms", "tags") else value
        for key, value in stated.items()
    }
    return Rule(name=name, aggregator=stated.pop("aggregator", name), **stated)


def _facts(recipient: str = KENYA, **known: Any) -> Facts:
    return Facts(known.pop("id", "id"), recipient, **known)


def _order(facts: Facts, *rules: Rule, unwell: dict[str, str] | None = None) -> tuple[str, ...]:
    return choose(facts, rules, unwell or {}).order


class TestConditions:
    @pytest.mark.parametrize(
        ("stated", "known", "why"),
        [
            ({}, {}, None),
            ({"prefixes": ("+254",)}, {}, None),
            ({"prefixes": ("+977", "+2547")}, {}, None),
            ({"prefixes": ("+977",)}, {}, "the number does not begin with +977"),
            ({"prefixes": ("+254",)}, {"recipient": ""}, "the number does not begin with +254"),
            ({"networks": ["safaricom"]}, {"network": "Safaricom"}, None),
            (
                {"networks": ["safaricom"]},
                {"network": "Airtel"},
                "the network is Airtel, not safaricom",
            ),
            ({"networks": ["b", "a"]}, {}, "the network is not known, not a or b"),
            ({"forms": ["anc"]}, {"form": "ANC"}, None),
            ({"forms": ["anc"]}, {"form": "DEL"}, "the form is DEL, not anc"),
            ({"forms": ["anc"]}, {}, "the form is none, not anc"),
            ({"tags": ["reply", "x"]}, {"tags": frozenset({"reply"})}, None),
            ({"tags": ["reply"]}, {}, "it is not tagged reply"),
            (
                {"prefixes": ("+254",), "tags": ["reply"]},
                {"recipient": NEPAL, "tags": frozenset({"reply"})},
                "the number does not begin with +254",
            ),
        ],
    )
    def test_each(self, stated: dict[str, Any], known: dict[str, Any], why: str | None) -> None:
        assert _rule("a", **stated).misfit(_facts(**known)) == why
        assert _order(_facts(**known), _rule("a", **stated)) == (("a",) if why is None else ())

    def test_weight_0_takes_nothing(self) -> None:
        decision = choose(_facts(), [_rule("a", weight=0)], {})
        assert decision == Decision(None, [Judged("a", Verdict.UNFIT, "its weight is 0")])


class TestOrder:
    @pytest.mark.parametrize(
        ("rules", "order"),
        [
            # Priority before everything.
            ([_rule("a"), _rule("b", priority=1)], ("b", "a")),
            ([_rule("a", prefixes=("+2547",)), _rule("b", priority=1)], ("b", "a")),
            ([_rule("a", priority=-1), _rule("b")], ("b", "a")),
            # Who states more knows better.
            ([_rule("a"), _rule("b", prefixes=("+254",))], ("b", "a")),
            (
                [_rule("a", prefixes=("+2547",)), _rule("b", prefixes=("+254",), tags=["x"])],
                ("b", "a"),
            ),
            # The longest prefix that fits.
            ([_rule("a", prefixes=("+254",)), _rule("b", prefixes=("+2547",))], ("b", "a")),
            (
                [_rule("a", prefixes=("+254", "+977984")), _rule("b", prefixes=("+2547",))],
                ("b", "a"),
            ),
            # Weight alone puts nobody first for ever, but one much heavier nearly always.
            ([_rule("a", weight=0.0001), _rule("b", weight=1000)], ("b", "a")),
        ],
    )
    def test_between_two(self, rules: list[Rule], order: tuple[str, ...]) -> None:
        facts = _facts(tags=frozenset({"x"}))
        assert _order(facts, *rules) == order
        assert _order(facts, *reversed(rules)) == order

    def test_what_falls_out_is_followed_by_the_next(self) -> None:
        rules = [_rule("a", priority=2), _rule("b", priority=1), _rule("c")]
        for unwell, order in (
            ((), ("a", "b", "c")),
            (("a",), ("b", "c")),
            (("b",), ("a", "c")),
            (("a", "b"), ("c",)),
            (("a", "b", "c"), ()),
        ):
            decision = choose(_facts(), rules, dict.fromkeys(unwell, "paused"))
            assert decision.order == order
            assert decision.route == (order[0] if order else None)
            assert [each.route for each in decision.judged] == ["a", "b", "c"]

    @given(st.permutations(list("abcde")), st.text(max_size=15))
    def test_the_order_in_the_document_is_nothing(self, names: list[str], recipient: str) -> None:
        facts = _facts(recipient)
        plain = _order(facts, *(_rule(name) for name in "abcde"))
        rules = [_rule(name) for name in names]
        assert _order(facts, *rules) == plain
        assert first(facts, rules, ()) == plain[0]
        assert first(facts, rules, {plain[0]}) == plain[1]


def _chosen(*rules: Rule, unwell: tuple[str, ...] = ()) -> dict[str, str | None]:
    return {one: first(_facts(one), rules, set(unwell)) for one in RECIPIENTS}


class TestShares:
    def test_as_the_weights(self) -> None:
        chosen = Counter(_chosen(_rule("a", weight=3), _rule("b"), _rule("c", weight=0)).values())
        assert chosen["a"] / len(RECIPIENTS) == pytest.approx(0.75, abs=0.02)
        assert set(chosen) == {"a", "b"}

    def test_everybody_keeps_to_one_and_messages_need_not(self) -> None:
        sticky = {
            choose(_facts(id=str(number)), [_rule("a"), _rule("b")], {}).route
            for number in range(200)
        }
        free = Counter(
            choose(
                _facts(id=str(number)), [_rule("a", sticky=False), _rule("b", sticky=False)], {}
            ).route
            for number in range(2000)
        )
        assert len(sticky) == 1
        assert free["a"] == pytest.approx(1000, abs=120)

    def test_who_falls_out_moves_their_own_and_nobody_elses(self) -> None:
        rules = [_rule("a", weight=2), _rule("b"), _rule("c")]
        before, after = _chosen(*rules), _chosen(*rules, unwell=("a",))
        moved = {one for one in RECIPIENTS if before[one] != after[one]}
        assert moved == {one for one in RECIPIENTS if before[one] == "a"}
        shares = Counter(after[one] for one in moved)
        assert shares["b"] / len(moved) == pytest.approx(0.5, abs=0.04)
        assert _chosen(*rules) == before

    def test_who_comes_in_takes_and_nobody_else_changes(self) -> None:
        before = _chosen(_rule("a"), _rule("b"))
        after = _chosen(_rule("a"), _rule("b"), _rule("c"))
        assert {after[one] for one in RECIPIENTS if before[one] != after[one]} == {"c"}

    def test_more_weight_only_draws(self) -> None:
        before = _chosen(_rule("a"), _rule("b"))
        after = _chosen(_rule("a", weight=2), _rule("b"))
        assert {after[one] for one in RECIPIENTS if before[one] != after[one]} == {"a"}

    def test_nothing_of_it_depends_on_the_process(self) -> None:
        # Fixed: two processes, or two versions, must not send one recipient two ways.
        routes = [choose(_facts(one), [_rule("a"), _rule("b")], {}).route for one in RECIPIENTS]
        assert "".join(route or "-" for route in routes[:24]) == "bbbbbaabbbbbbbbaabbabbbb"


class TestExplaining:
    def test_every_route_has_its_reason(self) -> None:
        rules = [
            _rule("kenya", prefixes=("+254",), priority=10, weight=3),
            _rule("kenya-too", prefixes=("+254",), priority=10),
            _rule("nepal", prefixes=("+977",), priority=10),
            _rule("world", forms=["anc"], tags=["reply"], networks=["safaricom"]),
            _rule("phones"),
        ]
        facts = _facts(form="ANC", tags=frozenset({"reply"}), network="Safaricom")
        decision = choose(facts, rules, {"kenya": "paused: HTTP 401", "phones": "no phone polls"})
        lines = decision.explain()
        assert lines == [
            "goes by kenya-too",
            *sorted(
                [
                    "  kenya      unwell: paused: HTTP 401",
                    (
                        "  kenya-too  chosen: the number begins with +254, priority 10, 25% of the "
                        "recipients by weight"
                    ),
                ],
                key=lambda line: line.split()[0] != decision.judged[0].route,
            ),
            (
                "  world      next: the network is Safaricom, the form is ANC, it is tagged reply, "
                "priority 0"
            ),
            "  phones     unwell: no phone polls",
            "  nepal      unfit: the number does not begin with +977",
        ]

    def test_what_waits_says_so(self) -> None:
        assert choose(_facts(), [], {}).explain() == ["waits: it fits no route"]
        assert choose(_facts(), [_rule("a")], {"a": "paused"}).explain() == [
            "waits: no route that it fits can be used now",
            "  a  unwell: paused",
        ]

    def test_no_number_is_in_it(self) -> None:
        rules = [_rule(name, prefixes=("+254",)) for name in "abc"]
        assert KENYA not in "\n".join(choose(_facts(), rules, {}).explain())
        assert KENYA not in repr(_facts())


class TestReading:
    @pytest.mark.parametrize(
        ("entry", "expected"),
        [
            ({}, {}),
            ({"prefixes": ["+254 7"]}, {"prefixes": ("+2547",)}),
            ({"networks": ["Safaricom"]}, {"networks": ["safaricom"]}),
            ({"forms": ["ANC", "DEL"]}, {"forms": ["anc", "del"]}),
            ({"tags": ["reply"], "weight": 2, "priority": 7}, {"tags": ["reply"], "weight": 2.0}),
            ({"sticky": False, "parallel": 4, "url": "https://h"}, {"sticky": False}),
        ],
    )
    def test_what_is_stated(self, entry: dict[str, Any], expected: dict[str, Any]) -> None:
        faults: list[str] = []
        own = {"routes": {"r": {"aggregator": "twilio", **entry}}}
        (rule,) = read_rules(own, known={"twilio"}, faults=faults)
        expected = {"priority": entry.get("priority", 0), **expected}
        assert rule == _rule("r", aggregator="twilio", **expected)
        assert faults == []

    @pytest.mark.parametrize(
        ("entry", "fault"),
        [
            ({"aggregator": "x"}, "aggregator: must be one of phones, twilio"),
            ({"aggregator": 7}, "aggregator: must be one of phones, twilio"),
            ({"prefixes": "+254"}, "prefixes: must be a list of texts, with one at least"),
            ({"prefixes": []}, "prefixes: must be a list of texts, with one at least"),
            ({"prefixes": ["+1", 7]}, "prefixes: must be a list of texts, with one at least"),
            ({"prefixes": ["254"]}, "prefixes: must be in international form, such as +2547"),
            ({"networks": [" "]}, "networks: must be a list of texts, with one at least"),
            ({"weight": -1}, "weight: must be a number from 0 to 1000"),
            ({"weight": float("nan")}, "weight: must be a number from 0 to 1000"),
            ({"weight": True}, "weight: must be a number from 0 to 1000"),
            ({"priority": "high"}, "priority: must be a number from -1000 to 1000"),
            ({"sticky": "no"}, "sticky: must be true or false"),
        ],
    )
    def test_each_fault(self, entry: dict[str, Any], fault: str) -> None:
        faults: list[str] = []
        own = {"routes": {"r": {"aggregator": "twilio", **entry}, "ok": {"aggregator": "phones"}}}
        rules = read_rules(own, known={"twilio"}, faults=faults)
        assert [rule.name for rule in rules] == ["ok"]
        assert faults == [f"smsgate.routes.r.{fault}"]

    @pytest.mark.parametrize("own", [{}, {"routes": []}, {"routes": {"a": 1, "b": {"url": "x"}}}])
    def test_no_routes(self, own: dict[str, Any]) -> None:
        faults: list[str] = []
        assert read_rules(own, known=(), faults=faults) == ()
        assert faults == []

    @pytest.mark.parametrize(
        ("service", "aggregator"),
        [("medic-gateway", "phones"), (None, "phones"), ("", "phones"), ("twilio", "twilio")],
    )
    def test_the_simple_case(self, service: object, aggregator: str) -> None:
        rule = simple(service)
        assert rule.aggregator == aggregator
        assert choose(_facts(), [rule], {}).route == aggregator


@pytest.mark.parametrize(
    ("number", "name"),
    [(KENYA, "Safaricom"), (NEPAL, "Nepal Telecom"), ("+14155550100", None), ("junk", None)],
)
def test_networks(number: str, name: str | None) -> None:
    assert phone.network(number) == name
