"""A stand-in for Jasmin's HTTP API: `/send`, its delivery reports, its texts.

Facts: `spec/aggregators.md` C9. It repeats a callback that is not answered `ACK/Jasmin`; this one
does not.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from smsgate.fakes.callbacks import Post
from smsgate.fakes.faults import Answer
from smsgate.fakes.reporting import Reporting
from smsgate.fakes.service import Request

SEND: Final = "/send"
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class Jasmin(Reporting):
    """The service; `username` is the account it wants."""

    fail_word = "UNDELIV"

    def __init__(
        self,
        *,
        username: str = "smsgate",
        walk: Sequence[str] = ("ESME_ROK", "DELIVRD"),
        **options: Any,
    ) -> None:
        super().__init__(walk=walk, **options)
        self.username = username

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        """See `Service.sends`."""
        form = self._fields(request)
        if request.path != SEND or not form.get("to"):
            return []
        return [(form["to"], form.get("content", ""))]

    def answer(self, request: Request) -> Answer:
        """See `Service.answer`."""
        form = self._fields(request)
        if request.path != SEND:
            return Answer.text("Not found", 404)
        if (form.get("username"), form.get("password")) != (self.username, self.key):
            return _error(f"Authentication failure for username:{form.get('username', '')}", 403)
        if not form.get("to"):
            return _error("Mandatory argument [to] is not found.", 400)
        if form.get("coding", "0") not in ("0", "8"):
            return _error("Argument [coding] has an invalid value", 400)
        self.taken.update(self.sends(request))
        reference = str(uuid.uuid4())
        self.on_its_way(reference, form.get("dlr-url", "") if form.get("dlr") == "yes" else "")
        return Answer.text(f'Success "{reference}"', 200)

    def report(self, reference: str, word: str) -> Post:
        """See `Reporting.report`: at level 3, by `POST`."""
        fields = {"id": reference, "message_status": word, "level": "3", "err": "000"}
        body = urlencode(fields).encode()
        return Post(f"delivery report {word}", self._urls[reference], body, _FORM)

    def _fields(self, request: Request) -> dict[str, str]:
        return dict(request.query) if request.method == "GET" else request.form


def incoming(sender: str, text: str, *, url: str, key: str, reference: str | None = None) -> Post:
    """A text that came in, as its HTTP connector posts it."""
    fields = {"id": reference or str(uuid.uuid4()), "from": sender, "to": "21512"}
    if text.isascii():
        fields |= {"content": text, "coding": "0"}
    else:  # what is no text of the default alphabet comes as bytes, too
        fields |= {"content": "?", "coding": "8", "binary": text.encode("utf-16-be").hex()}
    address = f"{url}?{urlencode({'key': key})}"
    return Post("incoming message", address, urlencode(fields).encode(), _FORM)


def _error(words: str, status: int) -> Answer:
    return Answer.text(f'Error "{words}"', status)
