"""Nepal's Department of Information Technology: texts out, nothing in (protocol section 3.4).

It gives no id and reports nothing: what it took is `sent`, and that is the last that is heard.

A key it does not accept (401) pauses the route, where the CHT fails each message: the fault is the
account's and not the message's (decision 16), and what waits goes out once the key is right. An
answer nobody documented is tried again, as at the CHT, as long as it is readable and says that the
text was not taken; an answer that cannot be read at all may follow a text that was sent, and is
`unknown`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from smsgate import jsontext
from smsgate.aggregators import reading
from smsgate.aggregators.base import (
    Accepted,
    Aggregator,
    Answer,
    Ask,
    Options,
    Outcome,
    Push,
    Refused,
    Secret,
    Unclear,
    Unready,
)
from smsgate.message import State

_COUNTRY: Final = "+977"
_TAKEN: Final = 1  # the only word for success that is documented
_PAUSES: Final[Mapping[int, str]] = {401: "InvalidCredentials", 403: "HTTP 403", 404: "HTTP 404"}
_REFUSES: Final[Mapping[int, str]] = {422: "UnprocessableContent"}


class NepalDoit(Aggregator):
    """See the module."""

    name: str = "nepal-doit"
    aliases: tuple[str, ...] = ("nepal-doit-sms",)
    credential_prefixes: tuple[str, ...] = ("nepal_doit_sms", "nepal-doit")

    def meaning(self, status: str) -> State | None:
        """See `Aggregator.meaning`."""
        return State.SENT if status == str(_TAKEN) else None

    def compose(self, push: Push, secret: Secret | None, options: Options) -> Ask | Unready:
        """See `Aggregator.compose`. Numbers go without the country's code, as the CHT sends them.

        A number abroad goes as it is; DoIT answers it with 422.
        """
        url = _url(options)
        if url is None:
            return Unready("set sms.nepal_doit_sms.url, such as https://sms.doit.gov.np/api/sms")
        if secret is None:
            return Unready("store the credential nepal_doit_sms:outgoing")
        if not reading.fits_a_header(secret):
            return Unready("store nepal_doit_sms:outgoing again, without a line break in it")
        fields = {"mobile": push.recipient.removeprefix(_COUNTRY), "message": push.text}
        return Ask(
            "POST",
            url,
            {
                "authorization": f"Bearer {secret}",
                "accept": "application/json",
                "content-type": "application/json",
            },
            jsontext.write(jsontext.storable_tree(fields)).encode(),
        )

    def interpret(self, answer: Answer) -> Outcome:
        """See `Aggregator.interpret`. A number in the body counts like the HTTP status."""
        said = reading.json_object(answer.body) or {}
        status = reading.whole(said.get("status"))
        if 200 <= answer.status < 300:
            if status == _TAKEN:
                return Accepted(State.SENT, "Processed")
            if "status" not in said:
                return Unclear(f"HTTP {answer.status} without a status")
            return _refusal(status or 0, answer, f"status {'?' if status is None else status}")
        return _refusal(answer.status, answer, f"HTTP {answer.status}")


def _refusal(code: int, answer: Answer, otherwise: str) -> Refused:
    if code in _PAUSES:
        return Refused(_PAUSES[code], pause=True)
    if code in _REFUSES:
        return Refused(_REFUSES[code])
    if 300 <= answer.status < 400:  # the address is another one now
        return Refused(otherwise, pause=True)
    return Refused(otherwise, retry=True, after=answer.retry_after)


def _url(options: Options) -> str | None:
    if "url" in options.route:
        return reading.address(options.route["url"])
    stated = options.sms.get("nepal_doit_sms")
    return reading.address(stated.get("url")) if isinstance(stated, Mapping) else None


aggregator = NepalDoit()
