"""One slip away."""

from __future__ import annotations

import pytest

from smsgate.nearmiss import nearest

KNOWN = ["ANCV", "COUNTS", "BIRTH", "DEATH", "गर्भ", "V2", "CAT", "CAR"]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("ANCV", "ANCV"), ("ancv", "ANCV"), ("ＡＮＣＶ", "ANCV"), ("ANVC", "ANCV"),
        ("ACNV", "ANCV"), ("ＣＡＴ", "CAT"),
        ("ANC", "ANCV"), ("NCV", "ANCV"), ("ANCVV", "ANCV"), ("XANCV", "ANCV"), ("ANXV", "ANCV"),
        ("COUNT", "COUNTS"), ("COUTNS", "COUNTS"), ("BIRHT", "BIRTH"), ("गर्", "गर्भ"),
        ("CAX", None), ("CAT", "CAT"), ("AVNC", None), ("VANC", None), ("XXCV", None), ("V3", None),
        ("", None), ("HELLO", None), ("C" * 2000, None), ("CATS", "CAT"), ("CA", None),
    ],
)  # fmt: skip
def test_the_one_code_within_one_slip(typed: str, found: str | None) -> None:
    assert nearest(typed, KNOWN) == found


def test_nothing_is_near_where_nothing_is_known() -> None:
    assert nearest("ANCV", []) is None
