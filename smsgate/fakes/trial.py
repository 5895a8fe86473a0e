"""A fake for an operator to watch: what it says of each call and callback, and how they add up."""

from __future__ import annotations

import ipaddress
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TextIO
from urllib.parse import urlsplit

from smsgate.fakes.callbacks import Heard, Post
from smsgate.fakes.faults import Fault, server_error
from smsgate.fakes.service import Entry, Request, Service


class Watch:
    """Writes a line for each call and callback, and the count below them on a terminal.

    No number and no text is in it, unless `show` is set.
    """

    def __init__(
        self, stream: TextIO, service: Service, *, show: bool = False, quiet: bool = False
    ) -> None:
        self.messages: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self._stream = stream
        self._service = service
        self._show = show
        self._quiet = quiet
        self._live = stream.isatty()
        service.on_call = self.called

    def called(self, request: Request, outcome: str) -> None:
        """A call was answered, or spoiled."""
        asked = list(self._service.sends(request))
        self.messages[outcome] += len(asked)
        words = f"{request.method} {request.path}: {outcome}"
        if self._show:
            words += "".join(f"\n  to {number}: {text!r}" for number, text in asked)
        self._say(words)

    def posted(self, post: Post, heard: Heard) -> None:
        """A callback was answered, or not."""
        self.answers[heard.status] += 1
        words = f"posted: {post.what}: {heard.status or 'no answer'}"
        if self._show and heard.body:
            words += f" {heard.body[:200]}"
        self._say(words)
        self._service.happened()

    def count(self) -> str:
        """How it stands, in one line."""
        told = sum(self.answers.values())
        good = sum(times for status, times in self.answers.items() if 200 <= status < 300)
        return (
            f"calls {sum(self._service.calls.values())},"
            f" messages taken {sum(self._service.taken.values())},"
            f" twice {len(self._service.doubled)}, callbacks {told} ({good} accepted)"
        )

    def summary(self) -> Iterator[str]:
        """The lines at the end: counts only."""
        for outcome, times in sorted(self._service.calls.items()):
            yield f"calls answered {outcome}: {times}"
        for status, times in sorted(self.answers.items()):
            yield f"callbacks answered {status or 'nothing'}: {times}"
        yield f"messages taken: {sum(self._service.taken.values())}"
        yield f"different messages: {len(self._service.taken)}"
        yield f"taken more than once: {len(self._service.doubled)}"

    def end(self) -> None:
        """Leave the live line."""
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _say(self, words: str) -> None:
        if self._live:
            self._stream.write("\r\x1b[K")
        if not self._quiet:
            self._stream.write(f"{words}\n")
        if self._live:
            self._stream.write(self.count())
        self._stream.flush()


@dataclass(frozen=True, slots=True)
class Mischief:
    """A rule for `Service.rule`: how often a call that sends something is spoiled.

    Attributes:
        service: Whose calls.
        rng: Where chance comes from.
        drop: Share whose connection breaks after the message was taken.
        error: Share answered 500, with nothing taken.
    """

    service: Service
    rng: random.Random = field(repr=False)
    drop: float = 0.0
    error: float = 0.0

    def __call__(self, request: Request) -> Entry | None:
        """What to make of this call."""
        if not any(True for _ in self.service.sends(request)):
            return None
        chance = self.rng.random()
        if chance < self.drop:
            return Fault("reset")
        return server_error() if chance < self.drop + self.error else None


def greeting(kind: str, url: str, key: str, *, reports: bool) -> str:
    """What is printed once the port is open: what to enter at smsgate."""
    if kind == "rapidpro":
        name, credential = "RapidPro", "rapidpro:outgoing"
        sms: dict[str, object] = {"rapidpro": {"url": url}}
        route: dict[str, object] = {}
        more = ["A message goes one step further each time smsgate asks for it."]
    else:
        name, credential = "Africa's Talking", "africastalking.com:outgoing"
        sms = {"africas_talking": {"username": "sandbox"}}
        route = {"url": url}
        more = ["A number that ends in 000 and a status code gets that code: +254711000405."]
        if not reports:
            more.append("Without --callback it posts no delivery reports.")
    route["allow"] = [_network(url)]
    document = {
        "sms": {"outgoing_service": kind, **sms},
        "smsgate": {"routes": {kind: route}},
    }
    lines = [f"A stand-in for {name} on {url}: no text goes to any phone.", ""]
    lines += ["Settings for smsgate (`smsgate settings put FILE`):", "", json.dumps(document), ""]
    lines += [f"The credential {credential} (`smsgate credential put`): {key}", ""]
    return "\n".join([*lines, *more, "Ctrl-C ends it."])


def _network(url: str) -> str:
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return "127.0.0.0/8" if address.is_loopback and address.version == 4 else str(address)
