"""`docs/states.md` says what `smsgate/states.py` does."""

from __future__ import annotations

import re

from smsgate import states
from smsgate.message import State
from tests.docs.reading import page, rows, section


def _listed(moves: frozenset[State]) -> str:
    order = list(State)
    return ", ".join(f"`{state}`" for state in sorted(moves, key=order.index)) or "–"


def table() -> str:
    """The moves as the page has them."""
    lines = ["| from | by report, to | by smsgate, to | by order, to |", "|---|---|---|---|"]
    lines += [
        f"| `{state}` | {_listed(states.REPORTED[state])} "
        f"| {_listed(states.OWN.get(state, frozenset()))} | {_listed(states.ASKED[state])} |"
        for state in State
    ]
    return "\n".join(lines)


def test_the_moves_are_those_of_the_code() -> None:
    assert table() in page("states.md"), f"put this table into docs/states.md:\n{table()}"


def test_every_state_is_explained() -> None:
    explained: list[str] = []
    for cells in rows(page("states.md").partition("\n## ")[0]):
        explained += re.findall(r"`([\w-]+)`", cells[0])
    assert sorted(explained) == sorted(State)


def test_every_order_is_explained_with_where_it_starts_and_leads() -> None:
    explained = {cells[0]: cells[1:] for cells in rows(section(page("states.md"), "Orders"))}
    for order, (sources, to) in states.ORDERS.items():
        assert explained[f"`{order}`"][:2] == [_listed(sources), f"`{to}`"]
