"""Identifiers: UUID version 7 as text (RFC 9562 section 5.7).

They sort by time of creation, so that they serve as cursor and keep index inserts at one end.
"""

from __future__ import annotations

import secrets
import threading
import time
from datetime import datetime

_lock = threading.Lock()
_last = 0


def earliest(moment: datetime) -> str:
    """What every id made at `moment` or later is greater than."""
    stamp = max(int(moment.timestamp() * 1000), 0)
    text = f"{stamp:012x}"
    return f"{text[:8]}-{text[8:12]}"


def new_id() -> str:
    """A new id, 36 characters, greater than every id made before by this process."""
    global _last  # noqa: PLW0603 - the counter that makes ids of one millisecond increase
    # 48 bits of milliseconds and 12 bits below them, as section 6.2 method 3 allows.
    stamp = time.time_ns() * 4096 // 1_000_000
    with _lock:
        if stamp <= _last:
            stamp = _last + 1
        _last = stamp
    random = secrets.randbits(62)
    value = (stamp >> 12) << 80 | 0x7 << 76 | (stamp & 0xFFF) << 64 | 0b10 << 62 | random
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
