"""Services of other companies, as small as tests need them: each judges what it is asked by its own
documentation, and can report on what it took.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
from collections.abc import Iterable
from urllib.parse import urlencode

import httpx2

from smsgate.fakes.faults import Answer
from smsgate.fakes.service import Request, Service

SECRET = "the outgoing secret"


class Kannel(Service):
    """`GET /cgi-bin/sendsms`: 202 with a number and words; no id; reports by GET."""

    def __init__(self) -> None:
        super().__init__()
        self.dlr_urls: list[str] = []

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        query = dict(request.query)
        return [(query.get("to", ""), query.get("text", ""))]

    def answer(self, request: Request) -> Answer:
        query = dict(request.query)
        if (query.get("username"), query.get("password")) != ("smsgate", SECRET):
            return Answer.text("Authorization failed for sendsms", 403)
        if request.method != "GET" or not query.get("to"):
            return Answer.text("Missing receiver number, rejected", 400)
        self.taken.update(self.sends(request))
        self.dlr_urls.append(query["dlr-url"])
        return Answer.text("0: Accepted for delivery", 202)

    async def report(self, client: httpx2.AsyncClient, word: str) -> httpx2.Response:
        return await client.get(self.dlr_urls[-1].replace("%d", word))


class Jasmin(Service):
    """`POST /send`: `Success "id"`; reports as forms, which it repeats unless told `ACK/Jasmin`."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        form = request.form
        return [(form.get("to", ""), form.get("content", ""))]

    def answer(self, request: Request) -> Answer:
        form = request.form
        if (form.get("username"), form.get("password")) != ("smsgate", SECRET):
            return Answer.text('Error "Authentication failure for username:smsgate"', 403)
        if form.get("coding") not in ("0", "8") or form.get("dlr-level") != "3":
            return Answer.text('Error "Argument [coding] has an invalid value"', 400)
        self.taken.update(self.sends(request))
        id_ = f"07033084-{len(self.sent)}"
        self.sent.append((id_, form["dlr-url"]))
        return Answer.text(f'Success "{id_}"', 200)

    async def report(self, client: httpx2.AsyncClient, word: str) -> httpx2.Response:
        id_, url = self.sent[-1]
        fields = {"id": id_, "message_status": word, "level": "3", "err": "000"}
        response = await client.post(url, data=fields)
        assert response.text.strip() == "ACK/Jasmin"
        return response


class Vendor(Service):
    """A JSON API: several messages in one request, and in one report."""

    def __init__(self) -> None:
        super().__init__()
        self._ids = itertools.count(1)
        self.sent: list[tuple[int, str]] = []

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        messages = (request.json or {}).get("messages", [])
        return [(each["to"], each["text"]) for each in messages]

    def answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {SECRET}":
            return Answer.json({"error": "unauthorised"}, 401)
        self.taken.update(self.sends(request))
        number = next(self._ids)
        self.sent.append((number, request.json["callback_url"]))
        item = {"id": number, "status": {"code": "QUEUED"}, "price": "0.80", "parts": 1}
        return Answer.json({"messages": [item]})

    async def report(self, client: httpx2.AsyncClient, word: str) -> httpx2.Response:
        number, url = self.sent[-1]
        item = {"id": number, "status": {"code": word, "text": "reported"}}
        return await client.post(url, json={"reports": [item]})


class Twilio(Service):
    """`POST …/Messages.json` with Basic; reports that are signed over the address and the form."""

    def __init__(self, account: str) -> None:
        super().__init__()
        self.account = account
        self.sent: list[tuple[str, str]] = []

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        form = request.form
        return [(form.get("To", ""), form.get("Body", ""))]

    def answer(self, request: Request) -> Answer:
        form = request.form
        pair = base64.b64encode(f"{self.account}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            return Answer.json({"code": 20003, "message": "Authenticate", "status": 401}, 401)
        if request.path != f"/2010-04-01/Accounts/{self.account}/Messages.json":
            return Answer.json({"code": 20404, "status": 404}, 404)
        if form["To"].endswith("21610"):
            return Answer.json({"code": 21610, "status": 400}, 400)
        self.taken.update(self.sends(request))
        sid = f"SM{len(self.sent):032x}"
        self.sent.append((sid, form["StatusCallback"]))
        return Answer.json({"sid": sid, "status": "queued", "num_segments": "1"}, 201)

    async def report(self, client: httpx2.AsyncClient, word: str) -> httpx2.Response:
        sid, url = self.sent[-1]
        return await signed(client, url, {"MessageSid": sid, "MessageStatus": word})


async def signed(
    client: httpx2.AsyncClient, url: str, fields: dict[str, str], token: str = SECRET
) -> httpx2.Response:
    """A call as Twilio makes it."""
    told = url + "".join(name + fields[name] for name in sorted(fields))
    digest = hmac.digest(token.encode(), told.encode(), hashlib.sha1)
    return await client.post(
        url,
        content=urlencode(fields),
        headers={
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": base64.b64encode(digest).decode(),
        },
    )


class NepalDoit(Service):
    """`POST /api/sms` with a bearer token: `status` 1, and nothing ever after."""

    def sends(self, request: Request) -> Iterable[tuple[str, str]]:
        said = request.json or {}
        return [(said.get("mobile", ""), said.get("message", ""))]

    def answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {SECRET}":
            return Answer.json({"status": 401}, 401)
        if not request.json["mobile"].isdigit():
            return Answer.json({"status": 422}, 422)
        self.taken.update(self.sends(request))
        return Answer.json({"status": 1})
