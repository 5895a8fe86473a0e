"""What an operator should look at, as data (reliability section 5).

Pure: figures and limits in, alerts out. The same conditions stand as Prometheus rules in
`deploy/prometheus/smsgate.rules.yml`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Self

from smsgate.figures import Phone, Snapshot

_TURNS_WITHIN: Final = timedelta(minutes=15)
_REDIRECT_SHOWN: Final = timedelta(hours=1)
_PAUSED_TOO_LONG: Final = timedelta(minutes=5)
PHONES: Final = "phones"


class Severity(StrEnum):
    """How soon somebody must look: during the day, or now."""

    WARN = "warn"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition that holds. `since` is None where nobody knows."""

    name: str
    severity: Severity
    subject: str
    summary: str
    what_to_do: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is an alert; `smsgate.alerts` in the settings document."""

    phone_warn_minutes: float = 10
    phone_page_minutes: float = 30
    queue_warn_minutes: float = 15
    queue_page_minutes: float = 60
    failure_warn_percent: float = 10
    failure_page_percent: float = 30
    failure_least_messages: float = 20
    unknown_outcomes: float = 5
    silence_percent: float = 10
    silence_least_messages: float = 20
    quarantine_page_items: float = 20
    address_changes: float = 4
    disk_free_percent: float = 10
    wal_mib: float = 64
    backup_hours: float = 26

    @classmethod
    def from_settings(cls, document: Mapping[str, Any]) -> Self:
        """Read `smsgate.alerts`; what is no positive number is left at its default."""
        own = document.get("smsgate")
        given = own.get("alerts") if isinstance(own, dict) else None
        if not isinstance(given, dict):
            return cls()
        names = {one.name for one in fields(cls)}
        return cls(**{k: v for k, v in given.items() if k in names and _is_positive(v)})


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e9


@dataclass(frozen=True, slots=True)
class Machine:
    """What this process sees around it; None where it does not apply."""

    disk_free_bytes: int | None = None
    disk_free_percent: float | None = None
    wal_bytes: int | None = None
    last_redirected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that alerts are judged from.

    `accounts` are those that phones may use; `outgoing` is where messages go.
    """

    figures: Snapshot
    accounts: frozenset[str]
    machine: Machine = field(default_factory=Machine)
    warnings: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    outgoing: str = PHONES


def judge(scene: Scene) -> list[Alert]:
    """The alerts that hold, the urgent ones first."""
    found = [
        *_phones(scene),
        *_queue(scene),
        *_routes(scene),
        *_outcomes(scene),
        *_arrivals(scene),
        *_machine(scene),
        *_backup(scene),
        *(_of_settings(line) for line in scene.warnings),
    ]
    return sorted(found, key=lambda one: (one.severity is Severity.WARN, one.name, one.subject))


def _phones(scene: Scene) -> Iterator[Alert]:
    for phone in scene.figures.phones:
        if phone.account not in scene.accounts:
            continue  # removed, or no phone: whatever it was, nobody waits for it
        yield from _silent(phone, scene)
        yield from _shared(phone, scene)


def _silent(phone: Phone, scene: Scene) -> Iterator[Alert]:
    if phone.last_poll_at is None:
        return
    minutes = (scene.figures.at - phone.last_poll_at) / timedelta(minutes=1)
    severity = _severity(minutes, scene.limits.phone_warn_minutes, scene.limits.phone_page_minutes)
    if severity is not None:
        yield Alert(
            "PhoneNotPolling",
            severity,
            phone.account,
            f"The phone was last heard of {_age(minutes)} ago.",
            "Look whether it is on, has power and network, and whether cht-gateway runs on it with"
            " the right address and password. If it is out of use, remove its account.",
            phone.last_poll_at,
        )


def _shared(phone: Phone, scene: Scene) -> Iterator[Alert]:
    recent = [at for at in phone.address_changes if at > scene.figures.at - _TURNS_WITHIN]
    if len(recent) >= scene.limits.address_changes:
        yield Alert(
            "AccountShared",
            Severity.WARN,
            phone.account,
            f"Polls of this account came from changing addresses, {len(recent)} changes within"
            f" {_TURNS_WITHIN // timedelta(minutes=1)} minutes.",
            "Give each phone an account of its own: two that share one may send a message twice."
            " With one phone only, its network gives it a new address all the time: raise"
            " smsgate.alerts.address_changes.",
            recent[0],
        )


def _queue(scene: Scene) -> Iterator[Alert]:
    waiting = scene.figures.waiting
    if waiting.since is None:
        return
    minutes = (scene.figures.at - waiting.since) / timedelta(minutes=1)
    severity = _severity(minutes, scene.limits.queue_warn_minutes, scene.limits.queue_page_minutes)
    if severity is not None:
        yield Alert(
            "OutboundQueueOld",
            severity,
            scene.outgoing,
            f"{waiting.count} messages wait to be handed over, the oldest for {_age(minutes)}.",
            _WHERE_IT_STICKS if scene.outgoing == PHONES else _WHERE_A_ROUTE_STICKS,
            waiting.since,
        )


_WHERE_IT_STICKS: Final = (
    "Look at the phones: they do not poll, or take fewer messages than come in. A message"
    " meant for one phone waits for that one."
)
_WHERE_A_ROUTE_STICKS: Final = (
    "Look at GET /api/v1/routes: the route is paused, or takes fewer messages than come in"
    " (smsgate.routes.<name>.segments_per_second). A message meant for a phone waits for that one."
)


def _routes(scene: Scene) -> Iterator[Alert]:
    for route in scene.figures.routes:
        if route.paused_at is None:
            continue
        by_itself = route.paused_until is not None
        late = scene.figures.at - route.paused_at >= _PAUSED_TOO_LONG
        yield Alert(
            "RoutePaused",
            Severity.PAGE if by_itself and late else Severity.WARN,
            route.name,
            f"No message goes by this route: {route.reason or f'paused by {route.paused_by}'}.",
            "It tries again by itself. Mend what the reason names (credit, credential, settings),"
            " then resume it: smsgate route resume, or POST /api/v1/routes/<name>/resume."
            if by_itself
            else "Resume it when it may go on: smsgate route resume, or"
            " POST /api/v1/routes/<name>/resume.",
            route.paused_at,
        )


def _outcomes(scene: Scene) -> Iterator[Alert]:
    limits = scene.limits
    subjects = [("all", scene.figures.ended)]
    subjects += [(one.account, one.ended) for one in scene.figures.phones]
    for subject, ended in subjects:
        severity = _severity(
            ended.ratio * 100, limits.failure_warn_percent, limits.failure_page_percent
        )
        if severity is not None and ended.finished >= limits.failure_least_messages:
            yield Alert(
                "FailureRatio",
                severity,
                subject,
                f"{ended.failed} of the {ended.finished} messages that ended within the last hour"
                " failed or were denied.",
                "Look at their state_details. Often the SIM card has no credit, the phone no"
                " signal, or the numbers are wrong.",
            )
    unknown = scene.figures.ended.unknown
    if unknown > limits.unknown_outcomes:
        yield Alert(
            "UnknownOutcomes",
            Severity.WARN,
            "all",
            f"Of {unknown} messages within the last hour nobody knows whether they were sent.",
            "Look at them before you send them again: some may have arrived.",
        )


def _arrivals(scene: Scene) -> Iterator[Alert]:
    figures, limits = scene.figures, scene.limits
    polling = any(
        phone.account in scene.accounts
        and phone.last_poll_at is not None
        and figures.at - phone.last_poll_at < timedelta(minutes=limits.phone_warn_minutes)
        for phone in figures.phones
    )
    before = figures.arrived_last_week
    silent = figures.arrived * 100 < before * limits.silence_percent
    if polling and silent and before >= limits.silence_least_messages:
        yield Alert(
            "InboundSilence",
            Severity.WARN,
            "all",
            f"Phones poll, but only {figures.arrived} texts arrived within three hours; in the same"
            f" hours last week there were {before}.",
            "Send a text to the programme's number. Look whether cht-gateway is still the phone's"
            " app for SMS, and whether the SIM card still works.",
        )
    if figures.quarantined:
        page = figures.quarantined >= limits.quarantine_page_items
        yield Alert(
            "Quarantine",
            Severity.PAGE if page else Severity.WARN,
            "all",
            f"{figures.quarantined} items could not be taken in and wait for a decision.",
            "Read them at GET /api/v1/quarantine, then replay or discard each.",
            figures.quarantined_since,
        )
    if figures.conflicts:
        yield Alert(
            "IdConflict",
            Severity.WARN,
            "all",
            f"{figures.conflicts} messages within the last day came under the id of another text.",
            "Nothing was lost, both texts are kept. Find out who repeats ids: a phone whose data"
            " was reset, or a flow that sends one id for each run.",
            figures.last_conflict_at,
        )


def _machine(scene: Scene) -> Iterator[Alert]:
    machine, limits, now = scene.machine, scene.limits, scene.figures.at
    redirected = machine.last_redirected_at
    if redirected is not None and now - redirected < _REDIRECT_SHOWN:
        yield Alert(
            "SuspectedRedirect",
            Severity.PAGE,
            "all",
            "A poll seems to have arrived as a GET, as it does after a redirect: the texts it"
            " carried are lost without a trace.",
            "Run smsgate doctor with the very address that the phone uses, and take the redirect"
            " out of the proxy.",
            redirected,
        )
    free = machine.disk_free_percent
    if free is not None and free < limits.disk_free_percent:
        yield Alert(
            "DiskLow",
            Severity.PAGE if free < limits.disk_free_percent / 2 else Severity.WARN,
            "disk",
            f"{free:.1f} % of the disk with the database is free.",
            "Make room. Under 5 % smsgate says that it is not ready.",
        )
    wal = machine.wal_bytes
    if wal is not None and wal > limits.wal_mib * 2**20:
        yield Alert(
            "WalBig",
            Severity.WARN,
            "database",
            f"SQLite's log has {wal / 2**20:.0f} MiB and is not being folded in.",
            "Look for a program that holds the database open, such as a copy under way.",
        )


def _backup(scene: Scene) -> Iterator[Alert]:
    figures = scene.figures
    # Who never made one has had as long for it as there has been anything to lose.
    since = figures.backup_at or figures.installed_at
    if since is None:
        return
    minutes = (figures.at - since) / timedelta(minutes=1)
    if minutes > scene.limits.backup_hours * 60:
        yield Alert(
            "BackupOld",
            Severity.WARN,
            "database",
            f"The last backup is {_age(minutes)} old."
            if figures.backup_at is not None
            else f"No backup was ever made, and there are texts here since {_age(minutes)}.",
            "Run smsgate backup, and look at what should run it every day. If the database is"
            " copied in another way, raise smsgate.alerts.backup_hours.",
            since,
        )


def _of_settings(line: str) -> Alert:
    return Alert(
        "SettingsWarning",
        Severity.WARN,
        "settings",
        line,
        "Mend the settings document, or the form it names.",
    )


def _severity(value: float, warn: float, page: float) -> Severity | None:
    if value >= page:
        return Severity.PAGE
    return Severity.WARN if value >= warn else None


def _age(minutes: float) -> str:
    if minutes < 120:
        return f"{minutes:.0f} minutes"
    return f"{minutes / 60:.0f} hours" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days"
