"""The contract of an aggregator: all that smsgate asks of one, as questions with plain values.

An aggregator is one file that answers five questions: *is it you* (`verify`), *what do you say*
(`read`), *what do your words mean* (`meaning`), *how do I ask you* (`compose`) and *what did you
answer* (`interpret`). It is pure: it does no I/O, looks nothing up and never raises over what
others sent; smsgate does the HTTP, the storing and the retrying around it.
"""

from __future__ import annotations

import hmac
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from smsgate import jsontext
from smsgate.message import InboundMessage, State

INCOMING: Final = "incoming-messages"
REPORTS: Final = "delivery-reports"
OPT_OUTS: Final = "opt-outs"
_LONGEST_WAIT: Final = 86_400


@dataclass(frozen=True, slots=True)
class Options:
    """What the settings document says to an aggregator.

    Attributes:
        sms: The document's `sms` object, where the CHT keeps such settings.
        own: The document's `smsgate` object.
        route: The entry of the route in use under `smsgate.routes`; empty for webhooks.
        callback_url: Where this server is reached from outside, without a slash at the end (setting
            `smsgate.public_url`); "" where it is not set.
        incoming: For `compose`: the incoming credential in use, for aggregators that are told with
            each message where to report on it; None where none is stored.
    """

    sms: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Any] = field(default_factory=dict)
    route: Mapping[str, Any] = field(default_factory=dict)
    callback_url: str = ""
    incoming: Secret | None = None


class Secret(str):
    """A credential's text, which no repr shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(...)"

    def matches(self, given: str) -> bool:
        """Whether `given` is this secret, in a time that does not tell where they differ."""
        return hmac.compare_digest(self.encode("utf-8", "surrogatepass"), _bytes(given))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def any_matches(secrets: Sequence[Secret], given: str) -> bool:
    """Whether `given` is one of `secrets`; each is compared, so that time tells nothing."""
    return bool([True for secret in secrets if secret.matches(given)])


@dataclass(frozen=True, slots=True)
class Call:
    """A webhook call, as plain HTTP values.

    Attributes:
        endpoint: The last part of its path, such as `incoming-messages`.
        method: `POST` or `GET`.
        url: The whole address as the caller wrote it, as far as that is known.
        headers: By lower-case name; a repeated header keeps the last.
        query: The pairs of the query string, in order, decoded.
        body: The body as sent, inflated. The repr shows neither it nor the query.
        at: When it arrived.
    """

    endpoint: str
    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    query: Sequence[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    at: datetime

    @property
    def content_type(self) -> str:
        """The media type, lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Denied:
    """It is not who it says it is: answered 403 with `message`, unless `status` says otherwise."""

    message: str
    status: int = 403


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a message we handed over, in the aggregator's words.

    Attributes:
        reference: Their id for it (`gateway_ref`); or, where they hand ours back, `message_id`.
        status: Their word, kept as it is.
        state: What it means, None where the word is not known (kept, changes nothing).
        reason: Why, where they say.
        message_id: Our id, where they repeat it.
    """

    reference: str
    status: str
    state: State | None
    reason: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody asked the aggregator for no more messages, or to have them again."""

    number: str
    stop: bool = True


@dataclass(frozen=True, slots=True)
class Order:
    """Somebody asks us to send a text by our own ways out (docs/adr/0003-rapidpro-channel.md).

    Attributes:
        reference: Their id for it: the same one again is the same order.
        recipient: Whom to.
        text: The words.
    """

    reference: str
    recipient: str = field(repr=False)
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that is none of these: set aside with `reason` (a word) and its raw form."""

    reason: str
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Heard:
    """What one call says. `ignored` counts what is none of smsgate's business and is not kept."""

    messages: Sequence[InboundMessage] = ()
    reports: Sequence[Report] = ()
    wishes: Sequence[Wish] = ()
    orders: Sequence[Order] = ()
    unreadable: Sequence[Unreadable] = ()
    ignored: int = 0


@dataclass(frozen=True, slots=True)
class BadCall:
    """An error, answered with `status` in the form the caller prefers.

    From `read` it means that the call as a whole says nothing readable: nothing is written. From
    `acknowledge` that its sender expects an error, whatever was taken in.
    """

    message: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a call: for `acknowledge`.

    Attributes:
        messages: Messages that are stored now and were not before.
        reports: Reports that found their message.
        wishes: Numbers put on the consent list or taken off it.
        duplicates: Messages that were known already.
        unreadable: Items that were set aside.
        unknown: The first report whose word is not known, if any.
        spooled: True while the database is away: the numbers are what was said, for what of it is
            new cannot be told yet.
    """

    messages: int = 0
    reports: int = 0
    wishes: int = 0
    duplicates: int = 0
    unreadable: int = 0
    unknown: Report | None = None
    spooled: bool = False

    @property
    def saved(self) -> int:
        """How much of what was said changed anything; the CHT's `saved`."""
        return self.messages + self.reports + self.wishes


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """How a call is answered. Never a redirect, never an empty 2xx."""

    body: bytes
    status: int = 200
    content_type: str = "application/json; charset=utf-8"

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Acknowledgement:
        """`value` as JSON."""
        return cls(jsontext.write(value).encode(), status)


@dataclass(frozen=True, slots=True)
class Push:
    """One message to hand over.

    Attributes:
        id: Our id of this attempt; an aggregator that takes one gets it as its idempotency key.
        recipient: In international form where it could be brought into it.
        text: The words.
        segments: How many parts it has.
        expires_at: When it is not worth sending any more.
        at: When it is handed over; None where nobody says, and then no period is worked out.
    """

    id: str
    recipient: str = field(repr=False)
    text: str = field(repr=False)
    segments: int = 1
    expires_at: datetime | None = None
    at: datetime | None = None

    @property
    def seconds_left(self) -> int | None:
        """How long it is worth trying, in whole seconds; None where that is not known."""
        if self.expires_at is None or self.at is None:
            return None
        return max(0, int((self.expires_at - self.at).total_seconds()))


@dataclass(frozen=True, slots=True)
class Ask:
    """An HTTP request to make. The repr shows no header, no body and no query string."""

    method: Literal["GET", "POST", "PUT", "PATCH"]
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Unready:
    """Nothing can be asked before an operator acts: the route pauses and says `reason`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: whole, inflated, at most 1 MiB. `headers` by lower-case name."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def retry_after(self) -> float | None:
        """Seconds that `Retry-After` asks for, at most a day; None where it states no number."""
        stated = self.headers.get("retry-after", "").strip()
        if not (stated.isascii() and stated.isdigit()):
            return None
        return float(min(int(stated[:9]), _LONGEST_WAIT))


@dataclass(frozen=True, slots=True)
class Accepted:
    """They took it.

    Attributes:
        state: What their word means; any of the forward line from `received-by-gateway` on.
        status: Their word.
        reference: Their id for it, by which they will report on it.
        cost: What they charge, in their words (`KES 0.8000`).
        parts: How many parts they count.
    """

    state: State
    status: str
    reference: str | None = None
    cost: str | None = None
    parts: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """They did not take it.

    Attributes:
        status: Their word or number for why.
        retry: Whether the same later may go well; otherwise it ends in `state`.
        pause: Whether the fault lies with the account or the set-up: no message will go, so the
            route pauses and an operator is told. The message waits.
        state: `failed` or `denied`; what a refusal for good ends in.
        after: Seconds they ask us to wait.
        reference: Their id for it, where they gave one all the same.
    """

    status: str
    retry: bool = False
    pause: bool = False
    state: State = State.FAILED
    after: float | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """The answer does not tell whether they took it: it is `unknown`, never sent blindly again."""

    status: str


Outcome = Accepted | Refused | Unclear


@dataclass(frozen=True, slots=True)
class Became:
    """A message that was ordered under `reference` is `state` now: for those that listen."""

    reference: str
    state: State


@dataclass(frozen=True, slots=True)
class CameIn:
    """A text that arrived here, by whatever way: likewise."""

    sender: str = field(repr=False)
    text: str = field(repr=False)
    at: datetime


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody wants no more messages: likewise."""

    number: str = field(repr=False)


Notice = Became | CameIn | Stopped


class Aggregator:
    """What a plugin in the entry point group `smsgate.aggregators` provides: an instance of this.

    A subclass overrides what its company has; the rest says "not here". `name` is the plugin's
    name, the segment of its webhooks' address and the `source` of its messages (decision 11).

    Attributes:
        name: As above; `[a-z0-9-]+`.
        aliases: Other spellings taken on input, in addresses and in `sms.outgoing_service`.
        credential_prefixes: What comes before `:incoming` and `:outgoing` in credential keys: the
            spelling that is shown first, others after it.
        endpoints: The last parts of the addresses of its webhooks.
        sends: Whether it can be handed messages.
        listens: Whether it wants to be told things (`tell`): it orders texts to be sent.
        content_identity: Whether their ids are not unique to a message, so that the same id with
            another text is expected and no alert (decision 8).
        signs_body: Whether `verify` needs the body, because they sign it. Where it does not, say
            so: the caller is then turned away before the body is read, and `verify` sees an empty
            one.
    """

    name: str
    aliases: tuple[str, ...] = ()
    credential_prefixes: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    sends: bool = True
    listens: bool = False
    content_identity: bool = False
    signs_body: bool = True

    def verify(self, call: Call, secrets: Sequence[Secret], options: Options) -> Denied | None:
        """Is it you? Looks at no more than it must; None lets the call in.

        Args:
            call: the webhook call.
            secrets: the incoming credentials that are valid now: none, one, or two in a rotation.
            options: the settings.
        """
        return Denied(f"{self.name} calls nobody here", 404)

    def read(self, call: Call, options: Options) -> Heard | BadCall:
        """What do you say? For a call that `verify` let in."""
        return BadCall(f"{self.name} calls nobody here", 404)

    def meaning(self, status: str) -> State | None:
        """What does your word mean? None where it is not known; kept, and changes nothing."""
        return None

    def acknowledge(self, call: Call, taken: Taken, options: Options) -> Acknowledgement | BadCall:
        """The answer to a call that was taken in; the CHT's by default."""
        return Acknowledgement.json({"saved": taken.saved})

    def compose(self, push: Push, secret: Secret | None, options: Options) -> Ask | Unready:
        """How do I ask you to send this?

        Args:
            push: the message.
            secret: the outgoing credential, None where none is stored.
            options: the settings, with the route's entry.
        """
        return Unready(f"{self.name} cannot be handed messages")

    def interpret(self, answer: Answer) -> Outcome:
        """What did you answer? Any status, any body."""
        return Unclear(f"HTTP {answer.status}")

    def tell(
        self,
        notice: Notice,
        secret: Secret | None,
        options: Options,
    ) -> Ask | Unready | None:
        """How do I tell you this? None where you need not know."""
        return None

    def told(self, answer: Answer) -> Refused | None:
        """What did you answer to that? None: you know it now."""
        return None

    def inquire(
        self,
        reference: str,
        secret: Secret | None,
        options: Options,
    ) -> Ask | None:
        """How do I ask what became of a message? None where that cannot be asked."""
        return None

    def reported(self, reference: str, answer: Answer) -> Report | Refused | None:
        """What did you say became of it? None: nothing yet. `Refused.after`: no more now."""
        return None


class Family(ABC):
    """Aggregators that no package brings: the settings document describes them.

    An entry point of the group `smsgate.aggregators` may lead to one of these instead. Each member
    is an aggregator like any other, with a name, addresses and credentials of its own.

    Attributes:
        name: The key under `smsgate` in the document where they are described.
    """

    name: str

    @abstractmethod
    def members(self, own: Mapping[str, Any]) -> Sequence[Aggregator]:
        """The aggregators that `own`, the document's `smsgate` object, describes."""

    @abstractmethod
    def faults(self, own: Mapping[str, Any]) -> Sequence[str]:
        """A line for each thing that is wrong with a description: its path, and what is wrong."""
