"""What is counted, as Prometheus families (names: reliability section 5, rest-api section 16)."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256

from prometheus_client import GCCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector, CollectorRegistry

from smsgate import __version__
from smsgate.alerts import PHONES, Machine
from smsgate.clock import to_ms
from smsgate.figures import Snapshot
from smsgate.store.writer import Writer
from smsgate.tally import Tally
from smsgate.web.traffic import CHT_SECONDS, OWN_SECONDS, SIZES, Traffic

_DIGITS_OF_A_NUMBER = 7


class Families(Collector):
    """Families that are ready, for one scrape."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        return self._families


def own(
    figures: Snapshot | None,
    traffic: Traffic,
    tally: Tally,
    writer: Writer,
    machine: Machine,
    *,
    outgoing: str = PHONES,
    spooled: int = 0,
) -> Iterator[Metric]:
    """What smsgate tells of itself; those of the database are missing where it cannot be asked."""
    yield _labelled(
        GaugeMetricFamily(
            "smsgate_build_info", "Which smsgate this is.", labels=["version", "python"]
        ),
        [((__version__, platform.python_version()), 1)],
    )
    yield from _requests(traffic)
    yield from _counted(tally, writer)
    yield from _around(machine)
    yield GaugeMetricFamily(
        "smsgate_spool_items", "Webhook calls kept until the database is back.", value=spooled
    )
    if figures is not None:
        yield from _stored(figures, outgoing)
        yield from _phones(figures)
    yield from _process("")


def express(traffic: Traffic) -> Iterator[Metric]:
    """What the CHT's API server tells of itself, under its names."""
    labels = ["method", "route", "code"]
    duration = HistogramMetricFamily(
        "cht_api_http_request_duration_seconds", "Duration of HTTP requests.", labels=labels
    )
    asked = HistogramMetricFamily(
        "cht_api_http_request_size_bytes", "Size of HTTP requests.", labels=labels
    )
    said = HistogramMetricFamily(
        "cht_api_http_response_size_bytes", "Size of HTTP responses.", labels=labels
    )
    for (method, route, status), answers in sorted(traffic.answers.items()):
        at = [method, route, str(status)]
        seconds = answers.seconds
        duration.add_metric(at, list(seconds.cumulated(CHT_SECONDS)), sum_value=seconds.sum)
        asked.add_metric(at, list(answers.asked.cumulated(SIZES)), sum_value=answers.asked.sum)
        said.add_metric(at, list(answers.said.cumulated(SIZES)), sum_value=answers.said.sum)
    yield from (duration, asked, said)
    version = (*__version__.split("."), "", "", "")[:3]
    yield _labelled(
        GaugeMetricFamily(
            "cht_api_app_version",
            "The service version.",
            labels=["version", "major", "minor", "patch"],
        ),
        [((__version__, *version), 1)],
    )
    yield from _process("cht_api")


def _requests(traffic: Traffic) -> Iterator[Metric]:
    total = CounterMetricFamily(
        "smsgate_http_requests", "Requests answered.", labels=["route", "method", "code"]
    )
    seconds = HistogramMetricFamily(
        "smsgate_http_request_seconds",
        "Time to answer a request.",
        labels=["route", "method", "code"],
    )
    for (method, route, status), answers in sorted(traffic.answers.items()):
        at = [route, method, str(status)]
        total.add_metric(at, answers.seconds.total)
        seconds.add_metric(
            at, list(answers.seconds.cumulated(OWN_SECONDS)), sum_value=answers.seconds.sum
        )
    yield from (total, seconds)
    yield GaugeMetricFamily(
        "smsgate_http_inflight", "Requests being answered.", value=traffic.inflight
    )


def _counted(tally: Tally, writer: Writer) -> Iterator[Metric]:
    yield _labelled(
        CounterMetricFamily(
            "smsgate_inbound_messages",
            "Texts that came in, by what became of them.",
            labels=["source", "result"],
        ),
        sorted(tally.inbound.items()),
    )
    yield _labelled(
        CounterMetricFamily(
            "smsgate_outbound_state_changes",
            "Outbound messages that went from one state to another.",
            labels=["from", "to"],
        ),
        sorted(writer.changes.moved.items()),
    )
    yield _labelled(
        CounterMetricFamily(
            "smsgate_outbound_reports_ignored",
            "Reports on outbound messages that moved none, by why.",
            labels=["reason"],
        ),
        [((reason,), count) for reason, count in sorted(writer.changes.ignored.items())],
    )
    yield _labelled(
        CounterMetricFamily(
            "smsgate_auth_failures", "Requests that were not let in.", labels=["kind"]
        ),
        [((kind,), count) for kind, count in sorted(tally.auth_failures.items())],
    )
    yield CounterMetricFamily(
        "smsgate_suspected_redirected_polls",
        "Polls that seem to have become a GET on their way: their texts are lost.",
        value=tally.redirected_polls,
    )
    yield from _pushes(tally)
    commits = HistogramMetricFamily(
        "smsgate_db_commit_seconds", "Time of a writing transaction, its commit included."
    )
    commits.add_metric([], list(writer.commits.cumulated()), sum_value=writer.commits.sum)
    yield commits
    yield GaugeMetricFamily(
        "smsgate_db_writer_queue", "Writes that wait for a transaction.", value=writer.waiting
    )
    yield CounterMetricFamily(
        "smsgate_db_busy", "Writes that the database or a full queue refused.", value=writer.refused
    )


def _pushes(tally: Tally) -> Iterator[Metric]:
    yield _labelled(
        CounterMetricFamily(
            "smsgate_push_attempts",
            "Attempts to hand a message to an aggregator, by how they ended.",
            labels=["route", "outcome"],
        ),
        sorted(tally.pushes.items()),
    )
    seconds = HistogramMetricFamily(
        "smsgate_push_seconds", "Time to hand a message to an aggregator.", labels=["route"]
    )
    for route, taken in sorted(tally.push_seconds.items()):
        seconds.add_metric([route], list(taken.cumulated()), sum_value=taken.sum)
    yield seconds


def _around(machine: Machine) -> Iterator[Metric]:
    if machine.disk_free_bytes is not None and machine.disk_free_percent is not None:
        yield GaugeMetricFamily(
            "smsgate_disk_free_bytes",
            "What is free of the disk with the database.",
            value=machine.disk_free_bytes,
        )
        yield GaugeMetricFamily(
            "smsgate_disk_free_ratio",
            "The share of that disk that is free.",
            value=machine.disk_free_percent / 100,
        )
    if machine.wal_bytes is not None:
        yield GaugeMetricFamily(
            "smsgate_sqlite_wal_bytes",
            "Size of SQLite's write-ahead log.",
            value=machine.wal_bytes,
        )


def _stored(figures: Snapshot, outgoing: str) -> Iterator[Metric]:
    yield _labelled(
        GaugeMetricFamily(
            "smsgate_outbound_messages", "Outbound messages there are.", labels=["state"]
        ),
        [((state.value,), count) for state, count in figures.by_state.items()],
    )
    waiting = figures.waiting
    yield _labelled(
        GaugeMetricFamily(
            "smsgate_outbound_oldest_seconds",
            "How long the oldest message waits that is due and was given to nobody.",
            labels=["route"],
        ),
        [((outgoing,), _age(figures.at, waiting.since))],
    )
    yield _labelled(
        GaugeMetricFamily(
            "smsgate_route_paused", "Whether nothing goes by a route.", labels=["route"]
        ),
        [((row.name,), row.paused_at is not None) for row in figures.routes],
    )
    yield _labelled(
        GaugeMetricFamily(
            "smsgate_outbound_ended_messages",
            "Messages that came to an end within the last hour.",
            labels=["outcome"],
        ),
        [
            (("ok",), figures.ended.finished - figures.ended.failed),
            (("failed",), figures.ended.failed),
            (("unknown",), figures.ended.unknown),
        ],
    )
    for name, text, value in (
        ("quarantine_items", "Items that wait for a decision.", figures.quarantined),
        ("orphan_reports", "Reports on messages that are not known.", figures.orphans),
        ("inbound_conflicts", "Ids that came with a second text within a day.", figures.conflicts),
    ):
        yield GaugeMetricFamily(f"smsgate_{name}", text, value=value)
    yield GaugeMetricFamily(
        "smsgate_backup_last_success_timestamp_seconds",
        "As of when the last backup is; 0 where none was ever made.",
        value=to_ms(figures.backup_at) / 1000 if figures.backup_at is not None else 0,
    )
    yield _labelled(
        CounterMetricFamily(
            "smsgate_purged_rows", "Rows that retention blanked or deleted.", labels=["kind"]
        ),
        [((kind,), number) for kind, number in sorted(figures.purged.items())],
    )
    yield _labelled(
        GaugeMetricFamily(
            "smsgate_inbound_arrived_messages",
            "Texts that arrived within three hours, now and a week ago.",
            labels=["when"],
        ),
        [(("now",), figures.arrived), (("last_week",), figures.arrived_last_week)],
    )


def _phones(figures: Snapshot) -> Iterator[Metric]:
    named = [(_phone_label(phone.account), phone) for phone in figures.phones]
    yield _labelled(
        GaugeMetricFamily(
            "smsgate_phone_last_poll_timestamp_seconds",
            "When a phone last polled.",
            labels=["phone"],
        ),
        [
            ((name,), to_ms(phone.last_poll_at) / 1000)
            for name, phone in named
            if phone.last_poll_at is not None
        ],
    )
    yield _labelled(
        GaugeMetricFamily(
            "smsgate_phone_held_messages",
            "Messages a phone was given and has not acknowledged.",
            labels=["phone"],
        ),
        [((name,), phone.held) for name, phone in named],
    )


def _process(namespace: str) -> Iterator[Metric]:
    # Registered nowhere: each scrape has a registry of its own.
    yield from ProcessCollector(namespace=namespace, registry=None).collect()
    if not namespace:
        yield from GCCollector(registry=CollectorRegistry()).collect()


def _labelled(
    family: CounterMetricFamily | GaugeMetricFamily, values: Iterable[tuple[Iterable[str], float]]
) -> Metric:
    for labels, value in values:
        family.add_metric(list(labels), value)
    return family


def _age(now: datetime, since: datetime | None) -> float:
    return 0.0 if since is None else max((now - since).total_seconds(), 0.0)


def _phone_label(account: str) -> str:
    """An account's name, unless it looks like a phone number: those belong into no metric."""
    if sum(character.isdigit() for character in account) < _DIGITS_OF_A_NUMBER:
        return account
    return "phone-" + sha256(account.encode()).hexdigest()[:8]
