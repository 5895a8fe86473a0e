"""Drafts share nothing: what is done to one record is done to no other."""

from __future__ import annotations

import pytest

from tests.exchange import Exchange


@pytest.mark.parametrize("text", ["good morning", "1!NONE!x", "", "1!ANC!Sam#23#2015"])
def test_what_is_added_to_one_draft_is_in_no_other(text: str) -> None:
    exchange = Exchange()
    before = repr(exchange.draft(text).document)
    draft = exchange.draft(text)
    draft.fields["patient"] = "somebody else"
    draft.document["errors"].append({"code": "x", "message": "y"})
    assert repr(exchange.draft(text).document) == before
