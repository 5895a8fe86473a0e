"""How a described service is asked to send: the `send` object, read and put to use."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote, urlencode

from smsgate import jsontext, segments
from smsgate.aggregators import reading
from smsgate.aggregators.base import Ask, Options, Push, Secret, Unready
from smsgate.aggregators.http.sheet import Sheet
from smsgate.aggregators.http.template import Template, Tree, fill_tree, names_in, parse_tree

Method = Literal["GET", "POST", "PUT", "PATCH"]
METHODS: Final[tuple[Method, ...]] = ("GET", "POST", "PUT", "PATCH")
ENCODINGS: Final = ("gsm-7", "ucs-2")
# What a template may name, besides the service's own `values`.
OF_THE_MESSAGE: Final = frozenset(
    {"to", "to_no_plus", "text", "id", "segments", "encoding", "minutes", "seconds"}
)
PLACEHOLDERS: Final = OF_THE_MESSAGE | {"secret", "callback"}
_IN_ADDRESS: Final = frozenset({"to", "to_no_plus", "id"})
_IN_HEADERS: Final = frozenset({"id", "secret"})
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
_ADDRESS: Final = re.compile(r"https?://[^\s/?#@{}]+(?:/[^\s?#@]*)?\Z", re.ASCII)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}\Z")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]*\Z")
_NOT_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class Request:
    """The request that hands over a message. `body` is of the kind `kind`, "" for none."""

    method: Method
    url: Template
    query: Mapping[str, Template]
    headers: Mapping[str, Template]
    kind: Literal["", "form", "json"]
    body: Tree
    user: str | None
    encoding: Mapping[str, str]
    values: Mapping[str, str]

    @property
    def _names(self) -> frozenset[str]:
        trees: list[Tree] = [self.url, dict(self.query), dict(self.headers), self.body]
        return names_in(trees)

    def ask(
        self,
        name: str,
        push: Push,
        secret: Secret | None,
        callback: str | Unready,
        instead: str | None = None,
    ) -> Ask | Unready:
        """The request for `push`.

        Args:
            name: the service's, for what an operator is told.
            push: the message.
            secret: the outgoing credential.
            callback: where to report (`callback_for`).
            instead: another address than the described one: the route's `url`.
        """
        if self.user is not None or "secret" in self._names:
            if secret is None:
                return Unready(f"store the credential {name}:outgoing")
            if not reading.fits_a_header(secret):
                return Unready(f"store {name}:outgoing again, without a line break in it")
        if isinstance(callback, Unready):
            if "callback" in self._names:
                return callback
            callback = ""
        values = {
            **self.values,
            **self._of(push),
            "secret": secret,
            "callback": callback or None,
        }
        url = instead or self.url.fill(values, _in_path) or ""
        query = _filled(self.query, values)
        if query:
            url = f"{url}?{urlencode(query, errors='replace')}"
        headers = {
            key.lower(): text
            for key, template in self.headers.items()
            if (text := template.fill(values)) is not None
        }
        if self.user is not None:
            pair = f"{self.user}:{secret}".encode("utf-8", "surrogatepass")
            headers.setdefault("authorization", f"Basic {base64.b64encode(pair).decode()}")
        return Ask(self.method, url, self._typed(headers), self._written(values))

    def _of(self, push: Push) -> dict[str, str | None]:
        left = push.seconds_left
        return {
            "to": push.recipient,
            "to_no_plus": push.recipient.removeprefix("+"),
            "text": push.text,
            "id": push.id,
            "segments": str(push.segments),
            "encoding": self.encoding[segments.count(push.text).encoding],
            "seconds": None if left is None else str(max(left, 1)),
            "minutes": None if left is None else str(max(left // 60, 1)),
        }

    def _typed(self, headers: dict[str, str]) -> dict[str, str]:
        media = {"form": "application/x-www-form-urlencoded", "json": "application/json"}
        return {"content-type": media[self.kind], **headers} if self.kind else headers

    def _written(self, values: Mapping[str, str | None]) -> bytes:
        if not self.kind:
            return b""
        filled = fill_tree(self.body, values)
        if self.kind == "json":
            return jsontext.write(jsontext.storable_tree(filled)).encode()
        return urlencode(filled, errors="replace").encode()


def _in_path(value: str) -> str:
    return quote(value, safe="", errors="replace")


def _filled(templates: Mapping[str, Template], values: Mapping[str, str | None]) -> dict[str, str]:
    filled = {key: template.fill(values) for key, template in templates.items()}
    return {key: text for key, text in filled.items() if text is not None}


def callback_for(
    name: str, endpoint: str, parameter: str | None, options: Options
) -> str | Unready:
    """`{callback}`: where to report, ready for `&name=value`; "" where no address is public.

    Args:
        name: The service's.
        endpoint: The last part of the address.
        parameter: The parameter that carries the incoming secret, None where none does.
        options: The settings.
    """
    if not options.callback_url:
        return ""
    address = f"{options.callback_url}/api/v1/sms/{name}/{endpoint}?"
    if parameter is None:
        return address
    if options.incoming is None:
        return Unready(f"store the credential {name}:incoming, which {{callback}} carries")
    return address + urlencode({parameter: str(options.incoming)}, errors="replace")


def read_values(sheet: Sheet) -> dict[str, str]:
    """The service's own constants: `values`."""
    found = {}
    for key in sheet.keys:
        if not _NAME.match(key):
            sheet.fault(key, "must be lower-case letters, digits and _, beginning with a letter")
        elif key in PLACEHOLDERS:
            sheet.fault(key, f"is taken: {{{key}}} has a meaning of its own")
        elif (value := sheet.word(key)) is not None:
            found[key] = value
    return found


def read_request(sheet: Sheet, values: Mapping[str, str]) -> Request:
    """The `send` object, but for `answer`; what is wrong is noted in the sheet."""
    constants = frozenset(values)
    everywhere = PLACEHOLDERS | constants
    url = sheet.text("url", required=True) or ""
    if url and not _ADDRESS.match(url):
        sheet.fault(
            "url", "must be an address such as https://host/path; parameters belong in query"
        )
    body_kinds: list[Literal["form", "json"]] = ["form", "json"]
    given = [kind for kind in body_kinds if sheet.take(kind) is not None]
    if len(given) == 2:
        sheet.fault("json", "cannot go with form: a request has one body")
    kind: Literal["", "form", "json"] = given[0] if given else ""
    method = sheet.choice("method", METHODS, METHODS[1] if kind else METHODS[0])
    if kind and method == "GET":
        sheet.fault(kind, "cannot go with the method GET")
    request = Request(
        method=method,
        url=sheet.template("url", _IN_ADDRESS | constants),
        query=sheet.templates("query", everywhere),
        headers=_headers(sheet, constants, values),
        kind=kind,
        body=_body(sheet, kind, everywhere),
        user=_user(sheet, values),
        encoding=_encoding(sheet),
        values=dict(values),
    )
    _must_carry(sheet, request)
    return request


def _headers(
    sheet: Sheet, constants: frozenset[str], values: Mapping[str, str]
) -> dict[str, Template]:
    found = sheet.templates("headers", _IN_HEADERS | constants)
    for name, template in found.items():
        path = f"headers.{name}"
        if not _HEADER_NAME.match(name) or name.lower() in _NOT_OURS:
            sheet.fault(path, "is no header that can be set")
        texts = [text for text, _ in template.pieces]
        texts += [values[key] for key in template.names if key in values]
        if not all(_HEADER_VALUE.match(text) for text in texts):
            sheet.fault(path, "must hold ASCII characters only, without line breaks")
    return found


def _body(sheet: Sheet, kind: str, allowed: frozenset[str]) -> Tree:
    if kind == "form":
        return dict(sheet.templates("form", allowed))
    if kind == "json":
        return parse_tree(sheet.take("json"), allowed, sheet.fault, "json")
    return None


def _user(sheet: Sheet, values: Mapping[str, str]) -> str | None:
    if sheet.take("basic") is None:
        return None
    return sheet.template("basic", frozenset(values)).fill(values)


def _encoding(sheet: Sheet) -> dict[str, str]:
    inner = sheet.object("encoding")
    found: dict[str, str] = {name: name for name in ENCODINGS}
    for name in ENCODINGS:
        if name in inner.keys:
            found[name] = inner.word(name) or name
        inner.take(name)
    inner.close()
    return found


def _must_carry(sheet: Sheet, request: Request) -> None:
    trees: list[Tree] = [request.url, dict(request.query), request.body]
    used = names_in(trees)
    if "text" not in used:
        sheet.fault("", "sends no text: {text} is in none of query, form, json")
    if not used & {"to", "to_no_plus"}:
        sheet.fault("", "names no recipient: {to} or {to_no_plus} is in none of its parts")
