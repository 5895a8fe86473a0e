"""A fake for an operator to watch: what it says of each call and callback, and how they add up."""

from __future__ import annotations

import ipaddress
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TextIO
from urllib.parse import urlsplit

from smsgate.fakes import courier, jasmin, kannel, nepal_doit, twilio
from smsgate.fakes.callbacks import Heard, Post
from smsgate.fakes.faults import Fault, server_error
from smsgate.fakes.service import Entry, Request, Service

_DESCRIBED: Final = "Put its description first: docs/generic/, one file a service."
_WHERE: Final = "It reports where each message says: set smsgate.public_url for that."


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


@dataclass(frozen=True, slots=True)
class _Entered:
    """What is entered at smsgate for one kind: `path` is where messages go."""

    name: str
    credential: str
    sms: dict[str, object] = field(default_factory=dict)
    own: dict[str, object] = field(default_factory=dict)
    path: str = ""
    more: tuple[str, ...] = ()


_ENTERED: Final[Mapping[str, _Entered]] = {
    "africastalking": _Entered(
        "Africa's Talking",
        "africastalking.com:outgoing",
        {"africas_talking": {"username": "sandbox"}},
        more=("A number that ends in 000 and a status code gets that code: +254711000405.",),
    ),
    "rapidpro": _Entered(
        "RapidPro",
        "rapidpro:outgoing",
        more=("A message goes one step further each time smsgate asks for it.",),
    ),
    "twilio": _Entered(
        "Twilio",
        "twilio:outgoing",
        own={"twilio": {"account_sid": twilio.ACCOUNT, "from": "+14155550100"}},
        more=("A number that ends in 20003, 20429, 21211, 21606 or 21610 gets that error.", _WHERE),
    ),
    "nepal-doit": _Entered(
        "Nepal's DoIT",
        "nepal_doit_sms:outgoing",
        path=nepal_doit.SEND,
        more=("A number that ends in 000401 or 000422 gets that status.",),
    ),
    "kannel": _Entered("Kannel", "kannel:outgoing", path=kannel.SENDSMS, more=(_DESCRIBED, _WHERE)),
    "jasmin": _Entered("Jasmin", "jasmin:outgoing", path=jasmin.SEND, more=(_DESCRIBED, _WHERE)),
}


def greeting(kind: str, url: str, key: str, *, reports: bool) -> str:
    """What is printed once the port is open: what to enter at smsgate."""
    if kind == "courier":
        return _of_courier(url)
    entered = _ENTERED[kind]
    sms, route = dict(entered.sms), {"url": url + entered.path, "allow": [_network(url)]}
    if kind == "rapidpro":
        sms["rapidpro"] = {"url": route.pop("url")}
    document = {
        "sms": {"outgoing_service": kind, **sms},
        "smsgate": {**entered.own, "routes": {kind: route}},
    }
    more = list(entered.more)
    if kind == "africastalking" and not reports:
        more.append("Without --callback it posts no delivery reports.")
    return _greeting(entered.name, url, document, f"{entered.credential} ", key, more)


def _of_courier(url: str) -> str:
    channel = {"url": url, "allow": [_network(url)]}
    return _greeting(
        "RapidPro's courier",
        url,
        {"smsgate": {"rapidpro_channel": channel}},
        "rapidpro-channel:outgoing ",
        courier.CHANNEL,
        ["With --send and --to it hands one text to smsgate to be sent, and ends."],
    )


def _greeting(
    name: str, url: str, document: object, credential: str, key: str, more: Sequence[str]
) -> str:
    lines = [f"A stand-in for {name} on {url}: no text goes to any phone.", ""]
    lines += ["Settings for smsgate (`smsgate settings put FILE`):", "", json.dumps(document), ""]
    lines += [f"The credential {credential}(`smsgate credential put`): {key}", ""]
    return "\n".join([*lines, *more, "Ctrl-C ends it."])


def _network(url: str) -> str:
    host = urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return "127.0.0.0/8" if address.is_loopback and address.version == 4 else str(address)
