"""Parts of an SMS: counted as the GSM tables say, cut where a reader would cut."""

from __future__ import annotations

import gsm0338
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from smsgate.segments import GSM_BASIC, GSM_EXTENSION, SegmentCount, count, split, truncate

FAMILY = "👨‍👩‍👧"  # 5 characters, 8 code units
NEPAL = "🇳🇵"  # 2 characters, 4 code units
NI = "नि"  # 2 characters, read as one
KSHA = "क्ष"  # 3 characters, read as one (Unicode rule GB9c)
ALEF = "أَ"  # a letter and its vowel sign
ACUTE = "e\u0301"

_CODEC = gsm0338.Codec()
_TEXTS = st.lists(
    st.sampled_from([*"abc x.é€{ç", "\r\n", FAMILY, NEPAL, NI, KSHA, ALEF, ACUTE, "\u0301"]),
    max_size=400,
).map("".join)


def test_the_alphabet_is_that_of_the_oracle() -> None:
    for character in map(chr, range(0x10000)):
        if 0xD800 <= ord(character) < 0xE000 or character == "\x1b":
            continue  # no characters; and ESC, which is no text but what announces the extensions
        try:
            septets = len(_CODEC.encode(character)[0])
        except UnicodeEncodeError:
            septets = 0
        expected = 1 if character in GSM_BASIC else 2 if character in GSM_EXTENSION else 0
        assert septets == expected, hex(ord(character))


@given(st.text(st.sampled_from(sorted(GSM_BASIC | GSM_EXTENSION)), max_size=400))
def test_septets_are_those_of_the_oracle(text: str) -> None:
    septets = len(_CODEC.encode(text)[0])
    assert (count(text).encoding, count(text).units) == ("gsm-7", septets)
    parts = split(text)
    assert len(parts) == count(text).segments
    room = 160 if len(parts) == 1 else 153
    assert all(len(_CODEC.encode(part)[0]) <= room for part in parts)


# text, encoding, units, lengths of its parts in characters; counted by hand
BY_HAND = [
    ("", "gsm-7", 0, [0]),
    ("x" * 160, "gsm-7", 160, [160]),
    ("x" * 161, "gsm-7", 161, [153, 8]),
    ("x" * 306, "gsm-7", 306, [153, 153]),
    ("x" * 307, "gsm-7", 307, [153, 153, 1]),
    # Extension characters cost two and move whole.
    ("€" * 80, "gsm-7", 160, [80]),
    ("x" + "€" * 80, "gsm-7", 161, [77, 4]),
    ("x" * 152 + "€" + "x" * 7, "gsm-7", 161, [152, 8]),
    ("x" * 151 + "€" + "x" * 8, "gsm-7", 161, [152, 8]),
    ("[" * 77, "gsm-7", 154, [77]),
    ("{" * 81, "gsm-7", 162, [76, 5]),
    # A line end of two characters is one to the reader.
    ("x" * 152 + "\r\n" + "x" * 7, "gsm-7", 161, [152, 9]),
    # Letters that look Latin and are not in the alphabet: ç, ê, typographic quotes.
    ("ç" * 70, "ucs-2", 70, [70]),
    ("Ç" * 160, "gsm-7", 160, [160]),
    ("x" * 69 + "’", "ucs-2", 70, [70]),
    ("x" * 70 + "’", "ucs-2", 71, [67, 4]),
    # Nepali: a consonant with its vowel sign, and a conjunct, stay together.
    ("न" * 70, "ucs-2", 70, [70]),
    ("न" * 71, "ucs-2", 71, [67, 4]),
    (NI * 35, "ucs-2", 70, [70]),
    (NI * 36, "ucs-2", 72, [66, 6]),
    ("न" * 65 + KSHA + "न" * 3, "ucs-2", 71, [65, 6]),
    ("नमस्ते, तपाईंको विवरण प्राप्त भयो। धन्यवाद।", "ucs-2", 43, [43]),
    # Arabic: letters with vowel signs.
    ("س" * 70, "ucs-2", 70, [70]),
    (ALEF * 36, "ucs-2", 72, [66, 6]),
    ("شكراً لك، تم استلام التقرير.", "ucs-2", 28, [28]),
    # Emoji: surrogate pairs, joined families, skin tones, flags.
    ("😀" * 35, "ucs-2", 70, [35]),
    ("😀" * 36, "ucs-2", 72, [33, 3]),
    (FAMILY * 8, "ucs-2", 64, [40]),
    (FAMILY * 9, "ucs-2", 72, [40, 5]),
    (NEPAL * 18, "ucs-2", 72, [32, 4]),
    ("👍🏽" * 18, "ucs-2", 72, [32, 4]),
    # Combining marks stay with their letter; one letter with too many is cut.
    (ACUTE * 36, "ucs-2", 72, [66, 6]),
    ("e" + "\u0301" * 70, "ucs-2", 71, [67, 4]),
]


@pytest.mark.parametrize(("text", "encoding", "units", "lengths"), BY_HAND)
def test_counted_by_hand(text: str, encoding: str, units: int, lengths: list[int]) -> None:
    assert [len(part) for part in split(text)] == lengths
    assert count(text) == SegmentCount(len(lengths), encoding, units)


@given(_TEXTS)
def test_parts_are_the_text_and_no_character_is_cut(text: str) -> None:
    parts = split(text)
    assert "".join(parts) == text
    assert len(parts) == count(text).segments
    boundaries = {0}
    for cluster in regex.findall(r"\X", text):
        boundaries.add(max(boundaries) + len(cluster))
    place = 0
    for part in parts:
        place += len(part)
        # Where a cluster is longer than a part, there is nowhere else to cut.
        assert place in boundaries or len(regex.findall(r"\X", part)) == 1


@given(_TEXTS, st.integers(1, 12))
def test_what_is_cut_fits(text: str, most: int) -> None:
    cut = truncate(text, most)
    assert count(cut).segments <= most
    if count(text).segments <= most:
        assert cut == text
    else:
        assert cut.endswith("...")
        assert text.startswith(cut[:-3])


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("x" * 1530, 10, "x" * 1530),
        ("x" * 1531, 10, "x" * 1527 + "..."),
        ("x" * 161, 1, "x" * 150 + "..."),
        ("न" * 671, 10, "न" * 667 + "..."),
        # The three that give way are what a reader sees as three.
        (NI * 336, 10, NI * 327 + "..."),
        ("€" * 100, 1, "€" * 73 + "..."),
        (FAMILY * 20, 2, FAMILY * 13 + "..."),
        ("e" + "\u0301" * 200, 2, "e" + "\u0301" * 130 + "..."),
    ],
)
def test_truncated_by_hand(text: str, most: int, expected: str) -> None:
    assert truncate(text, most) == expected


def test_a_lone_surrogate_is_counted_as_one_unit() -> None:
    assert count("\ud83d") == SegmentCount(1, "ucs-2", 1)


@pytest.mark.parametrize("text", ["🇳" * 100_000, "e" + "\u0301" * 100_000, "\r\n" * 100_000])
def test_hostile_texts_take_linear_time(text: str) -> None:
    # A part at a time: to find a flag's place in a run of them, all of the run is looked at.
    assert count(text).segments == len(split(text)) > 1000
    assert count(truncate(text, 255)).segments <= 255
