"""A stand-in for Kannel's `sendsms` and its delivery reports.

Facts: `spec/aggregators.md` C9. A text that comes in is posted with the names that
`docs/generic/kannel.json` has, as Kannel lets its operator choose them.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from smsgate.fakes.callbacks import Post
from smsgate.fakes.faults import Answer
from smsgate.fakes.reporting import Reporting
from smsgate.fakes.service import Request

SENDSMS: Final = "/cgi-bin/sendsms"
# What `%d` in the address of a report stands for.
DELIVERED: Final = "1"
FAILED: Final = "2"
BUFFERED: Final = "4"
ACCEPTED: Final = "8"
REJECTED: Final = "16"


class Kannel(Reporting):
    """The service. Its answer names no id; `username` is the account it wants."""

    fail_word = FAILED

    def __init__(
        self,
        *,
        username: str = "smsgate",
        walk: Sequence[str] = (ACCEPTED, DELIVERED),
        **options: Any,
    ) -> None:
        super().__init__(walk=walk, **options)
        self.username = username
        self._numbers = itertools.count(1)

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        """See `Service.sends`."""
        query = dict(request.query)
        if request.path != SENDSMS or not query.get("to"):
            return []
        return [(query["to"], query.get("text", ""))]

    def answer(self, request: Request) -> Answer:
        """See `Service.answer`."""
        query = dict(request.query)
        if request.path != SENDSMS:
            return Answer.text("Not found", 404)
        if (query.get("username"), query.get("password")) != (self.username, self.key):
            return Answer.text("Authorization failed for sendsms", 403)
        if request.method != "GET" or not query.get("to"):
            return Answer.text("Missing receiver number, rejected", 400)
        self.taken.update(self.sends(request))
        # An id of this file's own: Kannel tells none.
        self.on_its_way(str(next(self._numbers)), query.get("dlr-url", ""))
        return Answer.text("0: Accepted for delivery", 202)

    def report(self, reference: str, word: str) -> Post:
        """See `Reporting.report`; a `GET` of the address that came with the message."""
        url = self._urls[reference].replace("%d", word)
        return Post(f"delivery report {word}", url, b"", method="GET")


def incoming(sender: str, text: str, *, url: str, key: str, reference: str | None = None) -> Post:
    """A text that came in, as an `sms-service` calls."""
    query = {"key": key, "id": reference or str(uuid.uuid4()), "from": sender, "text": text}
    return Post("incoming message", f"{url}?{urlencode(query)}", b"", method="GET")
