"""Words by which people opt out, and what is no such word."""

from __future__ import annotations

import pytest

from smsgate.optout import OptedOut, Wish, number_hash, wish_of


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("STOP", (Wish.STOP, "en")),
        (" stop. \n", (Wish.STOP, "en")),
        ("Stop  All", (Wish.STOP, "en")),
        ("ＳＴＯＰ", (Wish.STOP, "en")),
        ("Arrêt", (Wish.STOP, "fr")),
        ("acha!", (Wish.STOP, "sw")),
        ("रोक", (Wish.STOP, "ne")),
        ("BAJA", (Wish.STOP, "es")),
        ("start", (Wish.START, "en")),
        ("Alta", (Wish.START, "es")),
        ("सुरु", (Wish.START, "ne")),
        ("please stop", None),
        ("stop it", None),
        ("STOPPED", None),
        ("", None),
        ("stop" + " " * 40, None),
    ],
)
def test_only_a_whole_message_is_a_word(text: str, wish: tuple[Wish, str] | None) -> None:
    assert wish_of(text) == wish


def test_the_confirmation_goes_to_somebody_on_the_list() -> None:
    listed = OptedOut(frozenset({number_hash("+254712345678")}), 1)
    assert listed.forbids({"kind": "message", "recipient": "+254712345678"})
    assert not listed.forbids({"kind": "consent", "recipient": "+254712345678"})
    assert not listed.forbids({"kind": "message", "recipient": "+254712345679"})
    assert not listed.forbids({"kind": "message", "recipient": None})
