"""`docs/http.md` describes every route there is, and none that is not."""

from __future__ import annotations

import re

from starlette.routing import Route

from smsgate.setaside import REASONS
from smsgate.web.routes import ROUTES
from smsgate.wire import STATE_OF
from tests.docs.reading import page, rows

_HEADING = re.compile(r"^### `([A-Z]+ /\S*)`$", re.MULTILINE)


def _routes() -> set[str]:
    found = set()
    for route in ROUTES:
        assert isinstance(route, Route), f"{route} is not described: teach this test its kind"
        methods = set(route.methods or ()) - {"HEAD"}
        found |= {f"{method} {route.path}" for method in methods}
    return found


def test_every_route_has_its_heading() -> None:
    assert set(_HEADING.findall(page("http.md"))) == _routes()


def test_a_route_is_described_once() -> None:
    headings = _HEADING.findall(page("http.md"))
    assert len(headings) == len(set(headings))


def test_the_statuses_of_phones() -> None:
    described = {cells[0]: cells[1].partition(",")[0] for cells in rows(page("http.md"))}
    for status, state in STATE_OF.items():
        assert described[f"`{status}`"] == f"`{state}`"


def test_the_reasons_of_quarantine() -> None:
    described: set[str] = set()
    for cells in rows(page("durability.md").partition("## Quarantine")[2]):
        described |= set(re.findall(r"`(\w+)`", cells[0]))
    assert described == set(REASONS)
