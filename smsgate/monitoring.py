"""The CHT's monitoring document: its keys and its arithmetic (protocol 10.2, rest-api 15).

Its `due` counts everything that is neither scheduled nor muted, so what was delivered and what
failed is counted there and in its own key again: dashboards subtract it. Figures that mean what
they say are under `smsgate`. A figure that could not be had is -1, a text `""`; what only CouchDB
has is so always.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from smsgate import __version__
from smsgate.clock import to_ms
from smsgate.figures import GROUPS, Review, Snapshot
from smsgate.message import State
from smsgate.store.sizes import TABLES

UNKNOWN: Final = -1
CONNECTED_DAYS: Final = 7

_MUTED: Final = (State.MUTED, State.CLEARED, State.DENIED, State.DUPLICATE)
_DELIVERED: Final = (State.SENT, State.DELIVERED)
# States of ours that the CHT does not have are told only where there are any.
_ALWAYS: Final = frozenset(State) - {State.UNKNOWN, State.EXPIRED}
_KEYS: Final = ("due", "scheduled", "muted", "failed", "delivered")


@dataclass(frozen=True, slots=True)
class Sources:
    """What the document is made of; None for what could not be had."""

    at: datetime
    started_at: datetime
    figures: Snapshot | None
    review: Review | None


def midnight_a_week_ago(now: datetime, zone: tzinfo) -> datetime:
    """When the CHT's seven days begin: local midnight, seven days ago."""
    day = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day - timedelta(days=7)).astimezone(now.tzinfo)


def v1(sources: Sources, *, connected_days: float = CONNECTED_DAYS) -> dict[str, Any]:
    """`GET /api/v1/monitoring`."""
    state = {"state": _arithmetic(sources.figures.by_state if sources.figures else None)}
    return _document(sources, state, connected_days)


def v2(sources: Sources, *, connected_days: float = CONNECTED_DAYS) -> dict[str, Any]:
    """`GET /api/v2/monitoring`."""
    review = sources.review
    outgoing = {
        "total": _arithmetic(sources.figures.by_state if sources.figures else None),
        "seven_days": _arithmetic(review.seven_days if review else None),
        "last_hundred": {
            group: _hundred(states, review.last_hundred[group] if review else None)
            for group, states in GROUPS.items()
        },
    }
    document = _document(sources, outgoing, connected_days)
    return {**document, "replication_failure": {"count": 0}}


def _document(
    sources: Sources, outgoing: Mapping[str, Any], connected_days: float
) -> dict[str, Any]:
    figures, review = sources.figures, sources.review
    return {
        "version": {
            "app": __version__,
            "node": "",
            "couchdb": "",
            "python": platform.python_version(),
            "database": review.sizes.version if review else "",
        },
        "couchdb": {
            name: _couchdb(name, review) for name in ("medic", "sentinel", "usersmeta", "users")
        },
        "date": {
            "current": to_ms(sources.at),
            "uptime": (sources.at - sources.started_at).total_seconds(),
        },
        # What a text causes is done in the transaction that stores it: nothing is left to do.
        "sentinel": {"backlog": 0},
        "messaging": {"outgoing": outgoing},
        "outbound_push": {"backlog": 0},
        "feedback": {"count": 0},
        "conflict": {"count": 0},
        "replication_limit": {"count": 0},
        "connected_users": {"count": _connected(figures, connected_days)},
        "smsgate": _own(figures, review),
    }


def _arithmetic(counts: Mapping[State, int] | None) -> dict[str, int]:
    if counts is None:
        return dict.fromkeys(_KEYS, UNKNOWN)
    scheduled = counts.get(State.SCHEDULED, 0)
    muted = sum(counts.get(state, 0) for state in _MUTED)
    return {
        "due": sum(counts.values()) - scheduled - muted,
        "scheduled": scheduled,
        "muted": muted,
        "failed": counts.get(State.FAILED, 0),
        "delivered": sum(counts.get(state, 0) for state in _DELIVERED),
    }


def _hundred(states: tuple[State, ...], counts: Mapping[State, int] | None) -> dict[str, int]:
    return {
        state.value: UNKNOWN if counts is None else counts[state]
        for state in states
        if state in _ALWAYS or (counts is not None and counts[state])
    }


def _couchdb(name: str, review: Review | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": name if name == "medic" else "",
        "update_sequence": UNKNOWN,
        "doc_count": UNKNOWN,
        "doc_del_count": UNKNOWN,
        "fragmentation": UNKNOWN,
        "sizes": {"active": UNKNOWN, "file": UNKNOWN},
        "view_indexes": [],
        "nouveau_indexes": [],
    }
    if name == "medic" and review is not None:
        sizes = review.sizes
        told["doc_count"] = sizes.rows["records"]
        told["doc_del_count"] = 0  # a record is never deleted
        told["fragmentation"] = sizes.on_disk / sizes.in_use if sizes.in_use else UNKNOWN
        told["sizes"] = {"active": sizes.in_use, "file": sizes.on_disk}
    return told


def _connected(figures: Snapshot | None, days: float) -> int:
    if figures is None:
        return UNKNOWN
    seen = [phone.last_poll_at for phone in figures.phones if phone.last_poll_at is not None]
    return sum(figures.at - at <= timedelta(days=days) for at in seen)


def _own(figures: Snapshot | None, review: Review | None) -> dict[str, Any]:
    return {
        "outgoing": {
            "by_state": {
                state.value: figures.by_state[state] if figures else UNKNOWN for state in State
            },
            "waiting": figures.waiting.count if figures else UNKNOWN,
            "oldest_waiting_seconds": _waited(figures),
            "last_hour": {
                "finished": figures.ended.finished if figures else UNKNOWN,
                "failed": figures.ended.failed if figures else UNKNOWN,
            },
        },
        "quarantine": {"count": figures.quarantined if figures else UNKNOWN},
        "orphan_reports": {"count": figures.orphans if figures else UNKNOWN},
        "phones": {"count": len(figures.phones) if figures else UNKNOWN},
        "database": {
            "dialect": review.sizes.version.partition(" ")[0] if review else "",
            "size_bytes": review.sizes.on_disk if review else UNKNOWN,
            "tables": {
                table.name: review.sizes.rows[table.name] if review else UNKNOWN for table in TABLES
            },
        },
    }


def _waited(figures: Snapshot | None) -> float:
    if figures is None:
        return UNKNOWN
    since = figures.waiting.since
    return 0.0 if since is None else (figures.at - since).total_seconds()
