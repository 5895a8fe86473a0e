"""Identifiers: UUID version 7 as text (RFC 9562 section 5.7).

They sort by time of creation, so that they serve as cursor and keep index inserts at one end.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Iterator
from datetime import datetime

_lock = threading.Lock()
_last = 0
# Asking the system for random bits costs more than the rest of an id: so many at a time.
_AT_ONCE = 4096
_pack = struct.Struct(">QQ").pack
_random: Iterator[tuple[int]] = iter(())
_VERSION_AT = 14


def earliest(moment: datetime) -> str:
    """What every id made at `moment` or later is greater than."""
    stamp = max(int(moment.timestamp() * 1000), 0)
    return f"{stamp >> 16:08x}-{stamp & 0xFFFF:04x}"


def new_order_id() -> str:
    """A new id for a message that somebody ordered and wants to hear of.

    It is of version 8, which leaves its bits to us, and otherwise as `new_id` makes it: whoever
    writes that message's history sees by the id alone that there is somebody to be told.
    """
    made = new_id()
    return f"{made[:_VERSION_AT]}8{made[_VERSION_AT + 1 :]}"


def is_order(id_: str) -> bool:
    """Whether `new_order_id` made this id."""
    return id_[_VERSION_AT : _VERSION_AT + 1] == "8"


def new_id() -> str:
    """A new id, 36 characters, greater than every id made before by this process."""
    global _last, _random  # noqa: PLW0603 - the counter that makes ids of one millisecond increase
    # 48 bits of milliseconds and 12 bits below them, as section 6.2 method 3 allows.
    stamp = time.time_ns() * 4096 // 1_000_000
    with _lock:
        if stamp <= _last:
            stamp = _last + 1
        _last = stamp
        drawn = next(_random, None)
        if drawn is None:
            _random = struct.iter_unpack(">Q", os.urandom(_AT_ONCE))
            drawn = next(_random)
    first = (stamp >> 12) << 16 | 0x7000 | (stamp & 0xFFF)
    text = _pack(first, 1 << 63 | drawn[0] >> 2).hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _forget_random() -> None:
    global _random  # noqa: PLW0603 - as above
    _random = iter(())


# A child of this process must not draw what its parent draws.
os.register_at_fork(after_in_child=_forget_random)
