"""A stand-in for the SMS service of Nepal's Department of Information Technology.

Facts: `spec/sms-protocol.md` section 3.4. It gives no id, and says nothing after its answer. Which
numbers it refuses is this file's own: those that are not digits alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from smsgate.fakes.faults import Answer
from smsgate.fakes.service import Request, Service

SEND: Final = "/api/sms"
_REFUSED: Final = {"000401": 401, "000422": 422}


class NepalDoit(Service):
    """The service. A number that ends in `000401` or `000422` gets that as `status` of its answer.

    Attributes:
        key: The token it wants.
    """

    def __init__(
        self, *, key: str = "fake-key", latency: float = 0.0, keep: int | None = None
    ) -> None:
        super().__init__(latency=latency, keep=keep)
        self.key = key

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        """See `Service.sends`."""
        said = request.json
        if request.path != SEND or not isinstance(said, dict):
            return []
        return [(str(said.get("mobile", "")), str(said.get("message", "")))]

    def answer(self, request: Request) -> Answer:
        """See `Service.answer`."""
        if request.path != SEND or request.method != "POST":
            return Answer.json({"status": 404}, 404)
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return Answer.json({"status": 401}, 401)
        for number, _ in self.sends(request):
            if number[-6:] in _REFUSED:
                return Answer.json({"status": _REFUSED[number[-6:]]})
            if number.isdigit():
                self.taken.update(self.sends(request))
                return Answer.json({"status": 1})
        return Answer.json({"status": 422}, 422)
