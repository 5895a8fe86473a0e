"""`/api/v1/gateways` and `/api/v1/alerts`: how the phones are, and what needs somebody's eye."""

from __future__ import annotations

import shutil
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from smsgate.aggregators.registry import AggregatorRegistry
from smsgate.alerts import PHONES, Alert, Limits, Machine, Scene, judge
from smsgate.clock import to_iso
from smsgate.figures import Ended, Phone, Snapshot, Waiting
from smsgate.permissions import ADMIN
from smsgate.programme import Programme
from smsgate.routing import route_of
from smsgate.store.engine import sqlite_path
from smsgate.web.auth import Caller, caller
from smsgate.web.services import Services
from smsgate.web.sms import PERMISSION as MAY_POLL

VIEW = "can_view_messages"


async def gateways(request: Request) -> Response:
    """Every phone's account: when it was last heard of, and what waits for it."""
    who = await caller(request, VIEW)
    figures = await who.services.figures.snapshot()
    known = {phone.account: phone for phone in figures.phones}
    accounts = _accounts(who, figures)
    shown = [
        _gateway(known.get(account) or _never_heard_of(account), figures)
        for account in sorted(accounts)
    ]
    return JSONResponse({"data": shown, "waiting": _waiting(figures.waiting)})


async def alerts(request: Request) -> Response:
    """What holds now, the urgent first."""
    who = await caller(request, VIEW)
    figures = await who.services.figures.snapshot()
    scene = Scene(
        figures=figures,
        accounts=_accounts(who, figures),
        machine=machine(who.services),
        warnings=who.programme.warnings,
        limits=Limits.from_settings(who.programme.document),
        outgoing=outgoing(who.programme, who.services.aggregators),
    )
    return JSONResponse({"data": [_alert(one) for one in judge(scene)], "at": to_iso(figures.at)})


def outgoing(programme: Programme, registry: AggregatorRegistry) -> str:
    """Where messages go, for people: the name of a route, or `phones`."""
    route = route_of(programme, registry)
    return PHONES if route is None else route.name


def machine(services: Services) -> Machine:
    """The disk and the log of an embedded database; nothing of one that is elsewhere."""
    redirected = services.tally.last_redirected_at
    path = sqlite_path(services.settings.database_url)
    if path is None:
        return Machine(last_redirected_at=redirected)
    usage = shutil.disk_usage(path.parent)
    log = path.with_name(path.name + "-wal")
    return Machine(
        disk_free_bytes=usage.free,
        disk_free_percent=100 * usage.free / usage.total,
        wal_bytes=log.stat().st_size if log.exists() else 0,
        last_redirected_at=redirected,
    )


def _accounts(who: Caller, figures: Snapshot) -> frozenset[str]:
    """The accounts that phones have. An administrator who tried a poll by hand is no phone."""
    apps = {phone.account for phone in figures.phones if phone.app_version is not None}
    return frozenset(
        account.name
        for account in who.services.accounts.known()
        if who.programme.permissions.allow(account.roles, MAY_POLL)
        and (account.name in apps or not account.roles & ADMIN)
    )


def _never_heard_of(account: str) -> Phone:
    return Phone(
        account=account,
        last_poll_at=None,
        app_version=None,
        address=None,
        address_changes=(),
        held=0,
        pinned=Waiting(),
        ended=Ended(),
    )


def _gateway(phone: Phone, figures: Snapshot) -> dict[str, Any]:
    ended = phone.ended
    return {
        "account": phone.account,
        "last_poll": _iso(phone.last_poll_at),
        "app_version": phone.app_version,
        "address": phone.address,
        "address_changes": [to_iso(at) for at in phone.address_changes],
        "held": phone.held,
        "waiting": figures.shared + phone.pinned.count,
        "waiting_for_it_alone": _waiting(phone.pinned),
        "last_hour": {
            "finished": ended.finished,
            "failed": ended.failed,
            "failure_ratio": round(ended.ratio, 4) if ended.finished else None,
        },
    }


def _waiting(waiting: Waiting) -> dict[str, Any]:
    return {"count": waiting.count, "since": _iso(waiting.since)}


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "name": alert.name,
        "severity": alert.severity,
        "subject": alert.subject,
        "since": _iso(alert.since),
        "summary": alert.summary,
        "what_to_do": alert.what_to_do,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else to_iso(moment)
