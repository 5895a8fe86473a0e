"""What the two textform grammars share: the code at the start and cutting it off (§5.2, §5.3).

textform := ws* code [separators] rest
code     := any characters but ws "!" "-" "," ":" "#"
"""

from __future__ import annotations

import re

from smsgate.form import Form, code_key
from smsgate.text import WHITE_SPACE, ZERO_WIDTH

_CODE = re.compile(rf"[{WHITE_SPACE}{ZERO_WIDTH}]*+([^{WHITE_SPACE}!\-,:#]++)")
_BARE = re.compile(rf"[{WHITE_SPACE}]*+([{ZERO_WIDTH}]++)")


def textform_code(text: str) -> str | None:
    """Return the form code a textform begins with, upper case; None where there is none."""
    match = _CODE.match(text)
    if match is not None:
        return code_key(match[1])
    match = _BARE.match(text)
    return None if match is None or not match[1].strip(WHITE_SPACE) else match[1].upper()


def code_pattern(form: Form) -> str:
    """Return the pattern of `form`'s code and the separators after it, to be tried at the start.

    Zero-width characters within the code are not seen. It never fails: where the text does not
    begin with the code, or the form has none to cut off, it matches nothing at all (§5.3).
    """
    if form.strip_code is None:
        return ""
    letters = f"[{ZERO_WIDTH}]*+".join(map(re.escape, form.strip_code))
    return rf"(?:[{WHITE_SPACE}{ZERO_WIDTH}]*+{letters}[{ZERO_WIDTH}]*+[{WHITE_SPACE}!\-,:#]*+)?+"
