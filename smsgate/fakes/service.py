"""What the fakes share: a plain ASGI application that remembers its calls and spoils some."""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from smsgate.fakes.callbacks import Callbacks, Heard, Post
from smsgate.fakes.faults import Answer, Fault

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Entry = Answer | Fault

# In a scope's `extensions`: breaks the connection at once. `serving` puts it there.
RESET = "smsgate.reset"
_PIECE = 16


@dataclass(frozen=True, slots=True)
class Request:
    """A call as it came. `headers` by lower-case name; the repr shows nothing that is secret."""

    method: str
    path: str
    query: list[tuple[str, str]] = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at: float = field(default_factory=time.monotonic)

    @property
    def form(self) -> dict[str, str]:
        """The body as a form; a repeated name keeps the last."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def json(self) -> Any:
        """The body as JSON, None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def parameter(self, name: str) -> str | None:
        """The last of this name in the query string."""
        return dict(self.query).get(name)


class Service(ABC):
    """One company's service, in memory. A subclass answers in `answer`.

    Attributes:
        script: What to make of the next calls that send something, one entry a call; None lets one
            pass. Spent first.
        rule: Asked for each call that the script says nothing of; None lets it pass.
        latency: Seconds from the whole request to the answer.
        gate: While it is an event that is not set, answers wait for it.
        requests: The calls, oldest first; the last `keep` of them.
        tries: How often each message was asked to be sent, by recipient and text.
        taken: How often each was taken. More than once is a message sent twice.
        calls: How many calls there were, by the status answered or the kind of the fault.
        callbacks: What posts its callbacks, of those that have any; None posts nothing.
        on_call: Called with each request and what was made of it, as `calls` counts it.
        in_flight: Calls under way; `most_in_flight` the most there were at once.
    """

    def __init__(self, *, latency: float = 0.0, keep: int | None = None) -> None:
        self.script: deque[Entry | None] = deque()
        self.rule: Callable[[Request], Entry | None] | None = None
        self.latency = latency
        self.gate: asyncio.Event | None = None
        self.requests: deque[Request] = deque(maxlen=keep)
        self.tries: Counter[tuple[str, str]] = Counter()
        self.taken: Counter[tuple[str, str]] = Counter()
        self.calls: Counter[str] = Counter()
        self.callbacks: Callbacks | None = None
        self.on_call: Callable[[Request, str], None] = lambda _request, _outcome: None
        self.in_flight = self.most_in_flight = 0
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """Do the work and say what is answered. Takes no time and raises nothing."""

    @abstractmethod
    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        """The messages a call asks to send, by recipient and text; none for other calls."""

    async def say(self, post: Post) -> Heard:
        """Post a callback now.

        Raises:
            RuntimeError: `callbacks` was not set.
        """
        if self.callbacks is None:
            raise RuntimeError("set `callbacks` first")
        return await self.callbacks.now(post)

    @property
    def doubled(self) -> list[tuple[str, str]]:
        """Messages that were taken more than once."""
        return [message for message, times in self.taken.items() if times > 1]

    async def until(self, holds: Callable[[], bool], *, seconds: float = 20.0) -> None:
        """Wait until `holds()`, looked at after each call, answer and callback.

        Raises:
            TimeoutError: it was not, in that time.
        """
        if holds():
            return
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((holds, told))
        async with asyncio.timeout(seconds):
            await told

    def happened(self) -> None:
        """Something changed: whoever waits for it with `until` looks again."""
        for waiting in self._waiting[:]:
            holds, told = waiting
            if told.done():
                self._waiting.remove(waiting)
            elif holds():
                told.set_result(None)
                self._waiting.remove(waiting)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one call."""
        if scope["type"] != "http":
            raise NotImplementedError(f"a fake does no {scope['type']}")
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self._serve(scope, receive, send)
        finally:
            self.in_flight -= 1
            self.happened()

    async def _serve(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["method"] == "POST" and self.script and _breaks_unread(self.script[0]):
            self.script.popleft()
            self.calls["reset"] += 1
            return await _break(scope, receive)
        request = await _read(scope, receive)
        if request is None:
            return None
        self.requests.append(request)
        entry = self._entry(request)
        answer = self._work(request, entry)
        self.happened()
        if self.latency:
            await asyncio.sleep(self.latency)
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(entry, Fault):
            self._note(request, entry.kind)
            return await _spoil(entry, answer, scope, receive, send)
        self._note(request, str(answer.status))
        await _say(answer, send)
        return None

    def _note(self, request: Request, outcome: str) -> None:
        self.calls[outcome] += 1
        self.on_call(request, outcome)

    def _entry(self, request: Request) -> Entry | None:
        messages = list(self.sends(request))
        self.tries.update(messages)
        if messages and self.script:
            return self.script.popleft()
        return self.rule(request) if self.rule is not None else None

    def _work(self, request: Request, entry: Entry | None) -> Answer:
        if entry is None:
            return self.answer(request)
        done = self.answer(request) if entry.taken else Answer(200, b"{}")
        return entry if isinstance(entry, Answer) else done


def _breaks_unread(entry: Entry | None) -> bool:
    return isinstance(entry, Fault) and entry.unread


async def _read(scope: MutableMapping[str, Any], receive: Receive) -> Request | None:
    """The whole request, None where the caller went away."""
    parts: list[bytes] = []
    more = True
    while more:
        part = await receive()
        if part["type"] == "http.disconnect":
            return None
        parts.append(part.get("body", b""))
        more = part.get("more_body", False)
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    headers = {name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]}
    return Request(scope["method"], scope["path"], query, headers, b"".join(parts))


async def _start(answer: Answer, send: Send) -> None:
    headers = {name.lower(): text for name, text in answer.headers.items()}
    headers.setdefault("content-length", str(len(answer.body)))
    pairs = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})


async def _say(answer: Answer, send: Send) -> None:
    await _start(answer, send)
    await send({"type": "http.response.body", "body": answer.body})


async def _break(scope: MutableMapping[str, Any], receive: Receive) -> None:
    scope["extensions"][RESET]()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _spoil(
    fault: Fault, answer: Answer, scope: MutableMapping[str, Any], receive: Receive, send: Send
) -> None:
    if fault.kind == "reset":
        return await _break(scope, receive)
    if fault.kind == "hang":
        while (await receive())["type"] != "http.disconnect":
            pass
        return None
    await _start(answer, send)
    if fault.kind == "cut":
        half = answer.body[: len(answer.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        return await _break(scope, receive)
    for start in range(0, len(answer.body), _PIECE):
        await asyncio.sleep(fault.seconds)
        piece = answer.body[start : start + _PIECE]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    return None
