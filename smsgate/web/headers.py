"""Request headers, looked up by name: made once a request, because every part of one asks."""

from __future__ import annotations

from starlette.requests import HTTPConnection

_KEY = "smsgate.headers"


def header(connection: HTTPConnection, name: bytes, default: str = "") -> str:
    """The first header called `name` (lower case), or `default`."""
    found = connection.scope.get(_KEY)
    if found is None:
        found = connection.scope[_KEY] = dict(reversed(connection.scope["headers"]))
    value = found.get(name)
    return default if value is None else value.decode("latin-1")
