"""A stand-in for RapidPro's courier with one channel of type "External API".

It hands texts to smsgate to be sent (`order`), and takes what smsgate tells it. Facts:
`spec/aggregators.md` C3.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

from smsgate.fakes.callbacks import Post
from smsgate.fakes.faults import Answer
from smsgate.fakes.service import Request, Service

CHANNEL: Final = "8eb23e93-5ecb-45ba-b726-3b064e0c56ab"
_STATES: Final = ("sent", "delivered", "failed")
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that courier was told: `about` is a message's id, or a number."""

    word: str
    about: str = field(repr=False)
    text: str = field(default="", repr=False)


class Courier(Service):
    """The service.

    Attributes:
        channel: The UUID of the channel it knows.
        known: Ids of messages it ordered; it refuses a word on any other. None: it takes all.
        told: What it was told and took, in order.
    """

    def __init__(
        self, *, channel: str = CHANNEL, latency: float = 0.0, keep: int | None = None
    ) -> None:
        super().__init__(latency=latency, keep=keep)
        self.channel = channel
        self.known: set[str] | None = None
        self.told: list[Told] = []

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        """What it is told, by whom it is about and the words; see `Service.sends`."""
        told = _read(request)
        return [] if told is None else [(told.about, told.text or told.word)]

    def answer(self, request: Request) -> Answer:
        """See `Service.answer`."""
        if request.path.split("/")[:4] != ["", "c", "ex", self.channel]:
            return _error("channel not found", 400)
        told = _read(request)
        if told is None:
            return _error("field 'id' or 'from' required", 400)
        if told.word in _STATES and self.known is not None and told.about not in self.known:
            return _error("message not found", 400)
        self.told.append(told)
        self.taken.update(self.sends(request))
        data = [{"type": "msg" if told.word == "receive" else "status"}]
        return Answer.json({"message": "Message Accepted", "data": data})


def order(
    reference: str,
    to: str,
    text: str,
    *,
    url: str,
    authorization: str,
    channel: str = CHANNEL,
    sender: str = "2020",
) -> Post:
    """An order to send a text, in courier's default body."""
    fields = {
        "id": reference,
        "text": text,
        "to": to,
        "to_no_plus": to.lstrip("+"),
        "from": sender,
        "from_no_plus": sender.lstrip("+"),
        "channel": channel,
    }
    headers = {"Content-Type": _FORM, "Authorization": authorization}
    return Post("order", url, urlencode(fields).encode(), headers)


def _read(request: Request) -> Told | None:
    word = request.path.rpartition("/")[2]
    form = request.form
    if request.method != "POST":
        return None
    if word in _STATES:
        about = form.get("id") or (form.get("uuid", "") if _is_uuid(form) else "")
        return Told(word, about) if about else None
    about = form.get("from") or form.get("sender", "")
    if word == "receive" and about and "text" in form:
        return Told(word, about, form["text"])
    return Told(word, about) if word == "stopped" and about else None


def _is_uuid(form: Mapping[str, str]) -> bool:
    try:
        return bool(uuid.UUID(form.get("uuid", "")))
    except ValueError:
        return False


def _error(words: str, status: int) -> Answer:
    data = [{"type": "error", "error": words}]
    return Answer.json({"message": "Error", "data": data}, status)
