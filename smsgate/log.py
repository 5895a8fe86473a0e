"""Structured logs that cannot carry personal data.

An event has a name and fields; only fields on the allow-list below are written, so that a phone
number, a text, a token or a query string cannot slip in by being passed along. Lines of other
libraries keep their logger and level; their messages are written only from `WARNING` up, and of
an exception only its type and the places it passed through: messages of database and HTTP errors
quote what they were given.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog

ALLOWED = frozenset(
    {
        "account", "action", "address", "attempt", "code", "count", "database", "duplicates",
        "error", "event", "exception", "field", "file", "form", "forms", "from_version", "key",
        "level", "logger", "method", "ms", "path", "port", "quarantined", "reason", "request_id",
        "revision", "route", "setting", "size", "source", "stage", "state", "status", "stored",
        "timestamp", "to_version", "version", "waiting",
    }
)  # fmt: skip


def keep_allowed(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Drop every field that is not on the allow-list; structlog's own start with `_`."""
    for key in [k for k in event if k not in ALLOWED and not k.startswith("_")]:
        del event[key]
    return event


def name_exceptions(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace `exc_info` by the type and the call path, without the exception's own words."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info if isinstance(info, BaseException) else info[1] if info else None
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        event["exception"] = call_path(error.__traceback__)
    return event


def call_path(trace: TracebackType | None) -> str:
    """The last frames of a traceback as `file:line function`, innermost last, no values."""
    frames = traceback.extract_tb(trace)[-6:]
    return " > ".join(f"{'/'.join(f.filename.split('/')[-2:])}:{f.lineno} {f.name}" for f in frames)


def quiet_strangers(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Of other libraries' lines, whose words we do not choose, keep logger and level alone."""
    record = event.get("_record")
    if record is not None and not record.name.startswith("smsgate"):
        event["event"] = "library message" if record.levelno < logging.ERROR else "library error"
    return event


def configure(level: str, form: str) -> None:
    """Set up logging for this process, to standard error.

    Args:
        level: DEBUG, INFO, WARNING or ERROR; other libraries speak from WARNING up.
        form: `console` for people, `json` for machines.
    """
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_exceptions,
    ]
    last: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                quiet_strangers,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                keep_allowed,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("smsgate").setLevel(level)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; `name` is its `__name__`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
