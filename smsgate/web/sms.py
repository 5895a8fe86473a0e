"""`/api/sms`: where phones running cht-gateway poll (protocol section 1)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from smsgate import log, wire
from smsgate.gateway import Answer
from smsgate.heartbeat import app_version
from smsgate.tally import Tally
from smsgate.web import body
from smsgate.web.auth import caller
from smsgate.web.headers import header
from smsgate.web.problems import Problem

logger = log.get(__name__)

PATH = "/api/sms"
PERMISSION = "can_access_gateway_api"


class PhoneLane:
    """Answers polls before routing: of all that is asked here, nearly everything is a poll.

    Errors go up to `Envelope`, which answers them as it does all others.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a poll, or pass the request on."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        scope["lane"] = PATH
        response = await poll(Request(scope, receive))
        await response(scope, receive, send)


class _Answer(Response):
    """A 200 with JSON, made without what most answers need and this one does not."""

    def __init__(self, body: bytes) -> None:  # not super().__init__: it costs as much as the poll
        self.status_code = 200
        self.background = None
        self.body = body
        self.raw_headers = [
            (b"content-type", b"application/json; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
        ]


async def verify(request: Request) -> Response:
    """The settings screen's check: is this the server the phone thinks it is?"""
    who = await caller(request, PERMISSION)
    if _looks_redirected(request):
        tally = who.services.tally
        tally.redirected_polls += 1
        tally.last_redirected_at = who.at
        logger.warning("a poll seems to have been redirected", account=who.account.name)
    return JSONResponse({"medic-gateway": True})


async def poll(request: Request) -> Response:
    """One poll: texts and reports in, messages out. 200 with an object, whatever an item holds."""
    body.require_json(request)
    # A thousand phones ask twice a minute, mostly for nothing: no look at the database for that.
    who = await caller(request, PERMISSION, exact=False)
    who.services.heartbeats.beat(
        who.account.name, agent=header(request, b"user-agent"), address=_address(request), at=who.at
    )
    said = wire.read_poll(
        await body.read(request, body.SMS_LIMIT), gateway=who.account.name, at=who.at
    )
    if isinstance(said, wire.BadBody):
        raise Problem(400, said.message)
    answer = await who.services.gateway.poll(
        said,
        account=who.account.name,
        at=who.at,
        programme=who.programme,
        revisions=who.revisions,
    )
    if answer.stored or answer.duplicates or answer.quarantined:
        _count(who.services.tally, answer)
    offers = [(offer.id, offer.recipient, offer.text) for offer in answer.offers]
    return _Answer(wire.write_answer(offers))


def _looks_redirected(request: Request) -> bool:
    # What the settings screen asks carries a content type; a poll that a redirect turned into a
    # GET has lost it with its body, and kept what only polls carry (reliability A10).
    return (
        not header(request, b"content-type")
        and header(request, b"cache-control") == "no-cache"
        and app_version(header(request, b"user-agent")) is not None
    )


def _address(request: Request) -> str | None:
    client = request.scope.get("client")
    return client[0] if client else None


def _count(tally: Tally, answer: Answer) -> None:
    for result, number in (
        ("stored", answer.stored - answer.conflicts),
        ("conflict", answer.conflicts),
        ("duplicate", answer.duplicates),
        ("quarantined", answer.quarantined),
    ):
        if number:
            tally.inbound[wire.SOURCE, result] += number
