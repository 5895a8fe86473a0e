"""What can be made of a call to a fake: an exact answer, or a fault of the line.

In each, `taken` says whether the service did its work before: a message that was taken will be on
its way to a handset, whatever its sender was told.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

_MIB = 1 << 20

# reset: the connection breaks before a byte of the answer. hang: no answer, ever. cut: it breaks in
# the middle of the answer. drip: the answer comes in small pieces.
Kind = Literal["reset", "hang", "cut", "drip"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, exactly as it leaves.

    Attributes:
        status: The HTTP status.
        body: The body, encoded as `headers` say.
        headers: By any spelling; `Content-Length` is added where it is missing.
        taken: As a script's entry: whether the service did its work before.
    """

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    taken: bool = False

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> Answer:
        """`value` as JSON; an underscore in a header's name stands for a dash."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(
            status, json.dumps(value).encode(), {"Content-Type": "application/json", **named}
        )

    @classmethod
    def text(cls, text: str, status: int) -> Answer:
        """Plain text."""
        return cls(status, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong on the line.

    Attributes:
        kind: What; see `Kind`.
        taken: Whether the service did its work before.
        unread: Of a reset: whether it comes before the body of the request was read.
        seconds: Of a drip: before each piece.
    """

    kind: Kind
    taken: bool = True
    unread: bool = False
    seconds: float = 0.05


def huge(size: int = 4 * _MIB, *, taken: bool = True) -> Answer:
    """A 200 whose JSON is `size` bytes long."""
    filling = b'{"filling":"' + b"x" * max(0, size - 14) + b'"}'
    return Answer(200, filling, {"Content-Type": "application/json"}, taken)


def bomb(size: int = 256 * _MIB, *, taken: bool = True) -> Answer:
    """A 200 in gzip, small on the line and `size` bytes inflated."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    return Answer(200, _deflated(size), headers, taken)


@functools.cache
def _deflated(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = [packer.compress(b" " * _MIB) for _ in range(size // _MIB)]
    return b"".join([*packed, packer.flush()])


def server_error() -> Answer:
    """A 500 as a Django service answers it."""
    page = b"<h1>Server Error. Site administrators have been notified.</h1>"
    return Answer(500, page, {"Content-Type": "text/html"})


def redirect(to: str) -> Answer:
    """A 302 to another address."""
    return Answer(302, b"", {"Location": to})


def throttled(seconds: int, *, header: bool = True) -> Answer:
    """A 429; with `Retry-After` unless `header` is False."""
    detail = f"Request was throttled. Expected available in {seconds} seconds."
    named = {"Retry_After": str(seconds)} if header else {}
    return Answer.json({"detail": detail}, 429, **named)
