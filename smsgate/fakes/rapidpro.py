"""A stand-in for RapidPro (and TextIt): broadcasts, messages, the webhook of a flow.

Facts: the service's v2 API as its own pages show it, in release 9 and in release 26; `version`
chooses between the two shapes of a broadcast.
"""

from __future__ import annotations

import base64
import itertools
import json
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from smsgate.fakes.callbacks import Post
from smsgate.fakes.faults import Answer
from smsgate.fakes.service import Request, Service

BROADCASTS: Final = "/api/v2/broadcasts.json"
MESSAGES: Final = "/api/v2/messages.json"
_MOST_URNS: Final = 100
_FILTERS: Final = ("contact", "folder", "label", "broadcast")
_NOBODY: Final = {"non_field_errors": ["Must provide either urns, contacts or groups."]}
_TWO_FILTERS: Final = {
    "detail": "You may only specify one of the contact, folder, label, broadcast parameters"
}


@dataclass(slots=True)
class Sent:
    """One message of a broadcast. `walk` are the statuses before it; the first is what it has."""

    id: int
    uuid: str
    urn: str = field(repr=False)
    text: str = field(repr=False)
    walk: list[str]

    @property
    def status(self) -> str:
        """What it would say now."""
        return self.walk[0]

    def step(self) -> None:
        """Go one further, to the last."""
        if len(self.walk) > 1:
            del self.walk[0]


@dataclass(slots=True)
class Broadcast:
    """One broadcast, and its messages: newest first, as the service lists them."""

    id: int
    uuid: str
    text: str = field(repr=False)
    language: str
    messages: list[Sent]
    created_on: str


class RapidPro(Service):
    """The service.

    Attributes:
        key: The API token it wants.
        version: Whose reply to a broadcast: `v9` or `v26`.
        page: How many messages are on a page.
        walk: The statuses of each message. It goes one further each time it was looked at.
        fail_rate: Share of messages whose last status is `failed`.
        status: What a new broadcast is said to be; None: as `version` has it.
        broadcasts: What was taken, by id.
        looks: How often messages were asked for.
    """

    def __init__(
        self,
        *,
        key: str = "fake-key",
        version: Literal["v9", "v26"] = "v26",
        page: int = 250,
        walk: Sequence[str] = ("queued", "wired", "sent", "delivered"),
        fail_rate: float = 0.0,
        rng: random.Random | None = None,
        latency: float = 0.0,
        keep: int | None = None,
    ) -> None:
        super().__init__(latency=latency, keep=keep)
        self.key = key
        self.version = version
        self.page = page
        self.walk = tuple(walk)
        self.fail_rate = fail_rate
        self.status: str | None = None
        self.broadcasts: dict[int, Broadcast] = {}
        self.looks = 0
        self._numbers = itertools.count(1234)
        self._rng = rng or random.Random()  # noqa: S311 - which message fails is no secret

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        """See `Service.sends`."""
        asked = request.json
        if request.method != "POST" or not isinstance(asked, dict):
            return []
        if request.path not in (BROADCASTS, MESSAGES):
            return []
        text, _ = _words(asked)
        return [(urn.removeprefix("tel:"), text) for urn in _urns(asked)]

    def answer(self, request: Request) -> Answer:
        """See `Service.answer`."""
        if request.path not in (BROADCASTS, MESSAGES):
            return self._said({"detail": "Not found."}, 404)
        if request.headers.get("authorization") != f"Token {self.key}":
            return self._said({"detail": "Invalid token"}, 403)
        if request.method == "POST":
            return self._take(request)
        if request.method == "GET" and request.path == MESSAGES:
            return self._listed(request)
        return self._said({"detail": f'Method "{request.method}" not allowed.'}, 405)

    def _said(self, value: Any, status: int = 200) -> Answer:
        return Answer.json(value, status, X_Temba_Workspace="fake")

    def _take(self, request: Request) -> Answer:
        asked = request.json
        if not isinstance(asked, dict):
            return self._said({"detail": "JSON parse error"}, 400)
        urns = _urns(asked)
        if request.path == MESSAGES and not urns:
            return self._said({"contact": ["This field is required."]}, 400)
        if not urns:
            return self._said(_NOBODY, 400)
        if len(urns) > _MOST_URNS:
            return self._said({"urns": [f"This field can only contain up to {_MOST_URNS}."]}, 400)
        text, language = _words(asked)
        made = Broadcast(next(self._numbers), str(uuid.uuid4()), text, language, [], _now())
        self.broadcasts[made.id] = made
        for urn in urns:
            self.taken[(urn.removeprefix("tel:"), text)] += 1
            self.add(made.id, urn)
        if request.path == MESSAGES:
            return self._said(_as_message(made, made.messages[0]), 201)
        return self._said(self._as_broadcast(made, urns), 201)

    def add(self, broadcast: int, urn: str, walk: Sequence[str] = ()) -> Sent:
        """Add a message to a broadcast, as its newest; the usual walk unless another is given."""
        made = self.broadcasts[broadcast]
        steps = list(walk or self.walk)
        if not walk and self._rng.random() < self.fail_rate:
            steps = [*steps[:-1], "failed"]
        sent = Sent(next(self._numbers), str(uuid.uuid4()), urn, made.text, steps)
        made.messages.insert(0, sent)
        return sent

    def _as_broadcast(self, made: Broadcast, urns: list[str]) -> dict[str, Any]:
        shared = {"urns": urns, "contacts": [], "groups": [], "text": {made.language: made.text}}
        shared |= {"base_language": made.language, "created_on": made.created_on}
        attachments: dict[str, list[str]] = {made.language: []}
        if self.version == "v9":
            status = self.status or "queued"
            return {"id": made.id, **shared, "attachments": attachments, "status": status}
        progress = {"total": -1, "started": 0}
        head = {"uuid": made.uuid, "status": self.status or "pending", "progress": progress}
        return {**head, **shared, "attachments": attachments, "id": made.id}

    def _listed(self, request: Request) -> Answer:
        self.looks += 1
        asked = dict(request.query)
        if sum(name in asked for name in _FILTERS) > 1:
            return self._said(_TWO_FILTERS, 400)
        found = self._found(asked)
        start = _place(asked.pop("cursor", ""))
        shown = found[start : start + self.page]
        results = [_as_message(made, sent) for made, sent in shown]
        for _, sent in shown:
            sent.step()
        left = len(found) > start + self.page
        return self._said(
            {
                "next": _address(request, asked, start + self.page) if left else None,
                "previous": _address(request, asked, start - self.page) if start else None,
                "results": results,
            }
        )

    def _found(self, asked: Mapping[str, str]) -> list[tuple[Broadcast, Sent]]:
        """The messages asked for; a broadcast by its number or its uuid."""
        wanted, one = asked.get("broadcast"), asked.get("uuid")
        return [
            (made, sent)
            for made in reversed(self.broadcasts.values())
            if wanted is None or wanted in (str(made.id), made.uuid)
            for sent in made.messages
            if one is None or one == sent.uuid
        ]


def incoming(sender: str, text: str, *, url: str, key: str, reference: str | None = None) -> Post:
    """What the webhook of the documented flow posts; `reference` stands for its `run.uuid`."""
    body = {"id": reference or str(uuid.uuid4()), "from": sender, "content": text}
    headers = {"Content-Type": "application/json", "Authorization": f"Token {key}"}
    return Post("incoming message", url, json.dumps(body).encode(), headers)


def _urns(asked: Mapping[str, Any]) -> list[str]:
    """Whom it is to; a contact of `messages.json` is taken for its URN."""
    listed = asked.get("urns")
    urns = [str(urn) for urn in listed] if isinstance(listed, list) else []
    return [*urns, str(asked["contact"])] if asked.get("contact") else urns


def _words(asked: Mapping[str, Any]) -> tuple[str, str]:
    """The text and its language."""
    text = asked.get("text")
    if isinstance(text, dict):
        language = str(asked.get("base_language") or next(iter(text), "eng"))
        return str(text.get(language, "")), language
    return str(text or ""), str(asked.get("base_language") or "eng")


def _as_message(made: Broadcast, sent: Sent) -> dict[str, Any]:
    return {
        "id": sent.id,
        "uuid": sent.uuid,
        "broadcast": made.id,
        "contact": {"uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, sent.urn)), "name": None},
        "urn": sent.urn,
        "channel": {"uuid": "9a8b001e-a913-486c-80f4-1356e23f582e", "name": "Fake"},
        "direction": "out",
        "type": "text",
        "status": sent.status,
        "archived": False,
        "visibility": "visible",
        "text": sent.text,
        "labels": [],
        "flow": None,
        "attachments": [],
        "quick_replies": [],
        "created_on": made.created_on,
        "sent_on": made.created_on if sent.status in ("sent", "delivered", "read") else None,
        "modified_on": _now(),
        "media": None,
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _place(cursor: str) -> int:
    """What a cursor points at; one that is none points at the beginning."""
    try:
        return max(0, int(base64.urlsafe_b64decode(cursor.encode())))
    except ValueError:
        return 0


def _address(request: Request, asked: Mapping[str, str], place: int) -> str:
    cursor = base64.urlsafe_b64encode(str(max(0, place)).encode()).decode()
    query = "&".join(f"{name}={value}" for name, value in {**asked, "cursor": cursor}.items())
    return f"http://{request.headers.get('host', '127.0.0.1')}{request.path}?{query}"
