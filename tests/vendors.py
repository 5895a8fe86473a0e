"""Services that nobody has: the JSON vendor of `docs/generic/json-vendor.json`, and Plain of
`docs/writing-an-aggregator.md`. All others are in `smsgate.fakes`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from smsgate.fakes.callbacks import Post
from smsgate.fakes.faults import Answer
from smsgate.fakes.reporting import Reporting
from smsgate.fakes.service import Request, Service
from smsgate.jsontext import write

SECRET = "the outgoing secret"


class Vendor(Reporting):
    """A JSON API: several messages in one request, and in one report."""

    fail_word = "FAILED"

    def __init__(self, *, walk: Sequence[str] = ("SENT", "DELIVERED"), **options: Any) -> None:
        super().__init__(walk=walk, **options)
        self._ids = itertools.count(1)

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        messages = (request.json or {}).get("messages", [])
        return [(each["to"], each["text"]) for each in messages]

    def answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return Answer.json({"error": "unauthorised"}, 401)
        self.taken.update(self.sends(request))
        number = next(self._ids)
        self.on_its_way(str(number), request.json.get("callback_url", ""))
        item = {"id": number, "status": {"code": "QUEUED"}, "price": "0.80", "parts": 1}
        return Answer.json({"messages": [item]})

    def report(self, reference: str, word: str) -> Post:
        item = {"id": int(reference), "status": {"code": word, "text": "reported"}}
        body = write({"reports": [item]}).encode()
        kind = {"Content-Type": "application/json"}
        return Post(f"delivery report {word}", self._urls[reference], body, kind)


class Plain(Service):
    """The made-up service, as its manual on the page has it."""

    def __init__(self, *, key: str = "fake-key", latency: float = 0.0) -> None:
        super().__init__(latency=latency)
        self.key = key

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        return [(request.form.get("to", ""), request.form.get("text", ""))]

    def answer(self, request: Request) -> Answer:
        if (request.method, request.path) != ("POST", "/send"):
            return Answer.text("no such page", 404)
        if request.form.get("key") != self.key:
            return Answer.text("ERR 1 wrong key", 200)
        if request.form["to"].endswith("0"):
            return Answer.text("ERR 3 bad number", 200)
        self.taken.update(self.sends(request))
        return Answer.text(f"OK 88{len(self.taken)}\n", 200)
