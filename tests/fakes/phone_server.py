"""A gateway server that fits in memory, does what a phone needs, and misbehaves when told to.

Deliberately simple: no smsgate code, so that the simulator is judged against something else than
what it is meant to judge.
"""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import uvicorn

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

USER, PASSWORD = "gateway", "s3cret"

# What a scripted fault makes of one poll: status, body, extra headers. All but `before` answer
# after the poll was taken in, so the phone's repetition must be harmless.
FAULTS: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "before": (503, b"", {"Retry-After": "1"}),
    "500": (500, b'{"code":500,"error":"Server error"}', {}),
    "401": (401, b'{"code":401}', {"WWW-Authenticate": 'Basic realm="x"'}),
    "204": (204, b"", {}),
    "empty": (200, b"", {}),
    "array": (200, b"[]", {}),
    "html": (200, b"<html>hello</html>", {"Content-Type": "text/html"}),
    "redirect": (301, b"", {"Location": "/elsewhere"}),
    "cut": (200, b'{"messages": [', {}),
    "not gzip": (200, b'{"messages": []}', {"Content-Encoding": "gzip"}),
    "hang up": (200, b'{"messages": []}', {"Content-Length": "500"}),
}


@dataclass
class Offer:
    id: str
    to: str
    content: str
    statuses: list[str] = field(default_factory=list)


@dataclass
class PhoneServer:
    """`faults` are spent one a poll. `traits` hold for the whole run:

    `doubles` two replies for one SMS · `takes again` an SMS whose id it has already ·
    `forgets` takes the first SMS and says nothing ·
    `silent` never replies · `repeats` offers each message twice, and three times more ·
    `conflicts` offers the first message again with another text · `haunts` offers the first message
    for ever · `junk` adds entries no phone can read · `no messages` leaves the array out ·
    `no array` has an object where the array belongs · `hangs` never ends an answer.

    `get` answers the settings screen, `always` everybody and everything, without asking who it is.

    At poll `falters_at` it sets `reached`, and from then on hangs up on every poll it takes in,
    until `goes_on` is set: who stops the phone meanwhile need not be quick to catch it at its work.
    """

    faults: Iterable[str] = ()
    traits: frozenset[str] = frozenset()
    get: tuple[int, bytes, dict[str, str]] = (200, b'{"medic-gateway":true}', {})
    always: tuple[int, bytes, dict[str, str]] | None = None
    falters_at: int | None = None

    def __post_init__(self) -> None:
        self.script = deque(self.faults)
        self.polls: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.inbound: dict[str, tuple[str, str]] = {}
        self.offers: dict[str, Offer] = {}
        self.again: deque[Offer] = deque()
        self.reached = threading.Event()
        self.goes_on = threading.Event()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body = b""
        more = True
        while more:
            part = await receive()
            if part["type"] == "http.disconnect":
                return
            body += part.get("body", b"")
            more = part.get("more_body", False)
        headers = {k.decode(): v.decode("latin-1") for k, v in scope["headers"]}
        self.requests.append((scope["method"], scope["path"], headers))
        status, answer, extra = self._answer(scope["method"], headers, body)
        sent = {
            "Content-Type": "application/json",
            "Content-Length": str(len(answer)),
            "Date": formatdate(usegmt=True),
        } | extra
        if status == 204:
            del sent["Content-Length"]
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(k.encode(), v.encode()) for k, v in sent.items()],
            }
        )
        if "hangs" in self.traits:
            await receive()  # until the client has had enough
        await send({"type": "http.response.body", "body": answer})

    def _answer(
        self, method: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        if self.always:
            return self.always
        expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if headers.get("authorization") != expected:
            return 401, b'{"code":401}', {"WWW-Authenticate": 'Basic realm="x"'}
        if method == "GET":
            return self.get
        fault = self.script.popleft() if self.script else ""
        poll = json.loads(body)
        self.polls.append(poll)
        if len(self.polls) == self.falters_at:
            self.reached.set()
        if self.reached.is_set() and not self.goes_on.is_set():
            fault = "hang up"
        if fault == "before":
            return FAULTS[fault]
        answer = json.dumps(self._take(poll)).encode()
        if fault == "gzip":
            return 200, gzip.compress(answer), {"Content-Encoding": "gzip"}
        return FAULTS[fault] if fault else (200, answer, {})

    def _take(self, poll: dict[str, Any]) -> dict[str, Any]:
        for sms in poll["messages"]:
            if sms["id"] not in self.inbound or "takes again" in self.traits:
                self.inbound[sms["id"]] = sms["from"], sms["content"]
                self._reply(sms["from"])
        for update in poll["updates"]:
            self.offers[update["id"]].statuses.append(update["status"])
        pending = [offer for offer in self.offers.values() if not offer.statuses][:25]
        entries: list[Any] = [
            {"id": o.id, "to": o.to, "content": o.content} for o in pending + self._extra(pending)
        ]
        if "conflicts" in self.traits and self.offers:
            entries.append(entries[0] | {"content": "other"} if entries else {})
        if "junk" in self.traits:
            entries += [7, {"id": None, "to": "1", "content": "x"}, {"id": "y", "to": "1"}]
        if "no messages" in self.traits and not entries:
            return {}
        if "no array" in self.traits and not entries:
            return {"messages": {}}
        return {"messages": entries}

    def _reply(self, sender: str) -> None:
        first = len(self.inbound) == 1
        if "silent" in self.traits or ("forgets" in self.traits and first):
            return
        for _ in range(2 if "doubles" in self.traits else 1):
            offer = Offer(f"out-{len(self.offers)}", sender, "Thank you")
            self.offers[offer.id] = offer

    def _extra(self, pending: list[Offer]) -> list[Offer]:
        if "haunts" in self.traits and self.offers:
            return [next(iter(self.offers.values()))]
        if "repeats" not in self.traits:
            return []
        late = [self.again.popleft() for _ in range(min(3, len(self.again)))]
        self.again.extend(pending * 2)
        return pending + late


class Running:
    """The server in a thread, on a loopback port that it keeps when it is stopped and started."""

    def __init__(self, app: PhoneServer) -> None:
        self._app = app
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api/sms"

    def start(self) -> None:
        # Bound here: what connects before uvicorn is up waits in the backlog.
        bound = socket.create_server(("127.0.0.1", self._port))
        self._port = bound.getsockname()[1]
        config = uvicorn.Config(
            self._app, log_config=None, lifespan="off", ws="none", date_header=False
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([bound],), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@contextmanager
def serving(app: PhoneServer) -> Iterator[Running]:
    running = Running(app)
    try:
        yield running
    finally:
        running.stop()
