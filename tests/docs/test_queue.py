"""`docs/queue.md` lists the words and the reasons there are."""

from __future__ import annotations

import re

from smsgate.optout import WORDS, Wish, folded
from tests.docs.reading import page, rows, section

LANGUAGES = {"English": "en", "French": "fr", "Swahili": "sw", "Nepali": "ne", "Spanish": "es"}


def test_every_word_of_every_language() -> None:
    told: dict[str, list[list[str]]] = {
        LANGUAGES[cells[0]]: [re.findall(r"`([^`]+)`", cell) for cell in cells[1:]]
        for cells in rows(section(page("queue.md"), "Who wants no messages"))
    }
    for place, wish in enumerate((Wish.STOP, Wish.START)):
        for language, words in WORDS[wish].items():
            assert [folded(word) for word in told[language][place]] == [folded(w) for w in words]
    assert set(told) == set(WORDS[Wish.STOP]) == set(WORDS[Wish.START])
