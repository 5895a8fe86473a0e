"""Places where a test lets the process die, to see what is left behind.

`SMSGATE_FAILPOINTS=push.after_attempt_row=kill:3` kills it, as `kill -9` would, the third time it
comes by. Unset, which is always but in tests, coming by costs a look into an empty table.
"""

from __future__ import annotations

import os
import re
import signal
from typing import Final

_SPEC: Final = re.compile(r"(?P<name>[a-z_.]+)=kill:(?P<times>[1-9][0-9]{0,5})")


def read(text: str) -> dict[str, int]:
    """What a value of `SMSGATE_FAILPOINTS` asks for: by name, how often to come by and live.

    Raises:
        ValueError: it cannot be read. A test that dies nowhere would pass.
    """
    found: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        spec = _SPEC.fullmatch(part.strip())
        if spec is None:
            raise ValueError(f"{part!r} is no failpoint: name=kill:n")
        found[spec["name"]] = int(spec["times"])
    return found


_left = read(os.environ.get("SMSGATE_FAILPOINTS", ""))


def come_by(name: str) -> None:
    """Die here, if this is the time."""
    if not _left or name not in _left:
        return
    _left[name] -= 1
    if _left[name] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
