"""Every path there is, in one table."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from smsgate.web import (
    consent,
    credentials,
    forms,
    health,
    messages,
    metrics,
    monitoring,
    quarantine,
    records,
    reports,
    settings,
    sms,
    steering,
    watch,
)

ROUTES: list[BaseRoute] = [
    # Answered before it comes here, by `sms.PhoneLane`; listed, because it is a route like others.
    Route(sms.PATH, sms.poll, methods=["POST"]),
    Route(sms.PATH, sms.verify, methods=["GET"]),
    Route("/", health.front_door, methods=["GET"]),
    Route("/healthz", health.healthz, methods=["GET"]),
    Route("/readyz", health.readyz, methods=["GET"]),
    Route("/api/info", health.info, methods=["GET"]),
    Route("/api/v1/records", records.create_v1, methods=["POST"]),
    Route("/api/v2/records", records.create_v2, methods=["POST"]),
    Route("/api/v1/forms", forms.list_, methods=["GET"]),
    Route("/api/v1/forms/validate", forms.validate, methods=["POST"]),
    Route("/api/v1/forms/{name}", forms.show, methods=["GET"]),
    Route("/api/v1/messages", messages.list_, methods=["GET"]),
    Route("/api/v1/messages", messages.send, methods=["POST"]),
    Route("/api/v1/consent", consent.list_, methods=["GET"]),
    Route("/api/v1/consent/{number}", consent.put, methods=["PUT"]),
    Route("/api/v1/messages/bulk", steering.bulk, methods=["POST"]),
    Route("/api/v1/messages/{id}", messages.show, methods=["GET"]),
    Route("/api/v1/messages/{id}/retry", steering.retry, methods=["POST"]),
    Route("/api/v1/messages/{id}/cancel", steering.cancel, methods=["POST"]),
    Route("/api/v1/messages/{id}/mute", steering.mute, methods=["POST"]),
    Route("/api/v1/messages/{id}/unmute", steering.unmute, methods=["POST"]),
    Route("/api/v1/credentials", credentials.list_, methods=["GET"]),
    Route("/api/v1/credentials/{key}", credentials.put, methods=["PUT"]),
    Route("/api/v1/quarantine", quarantine.list_, methods=["GET"]),
    Route("/api/v1/quarantine/{id}/replay", quarantine.replay, methods=["POST"]),
    Route("/api/v1/quarantine/{id}/discard", quarantine.discard, methods=["POST"]),
    Route("/api/v1/gateways", watch.gateways, methods=["GET"]),
    Route("/api/v1/alerts", watch.alerts, methods=["GET"]),
    Route("/api/v1/monitoring", monitoring.v1, methods=["GET"]),
    Route("/api/v2/monitoring", monitoring.v2, methods=["GET"]),
    Route("/api/v1/express-metrics", metrics.express, methods=["GET"]),
    Route("/api/v1/express-metrics.json", metrics.express_json, methods=["GET"]),
    Route("/metrics", metrics.metrics, methods=["GET"]),
    Route("/api/v1/report/{id}", reports.show, methods=["GET"]),
    Route("/api/v1/settings", settings.show, methods=["GET"]),
    Route("/api/v1/settings", settings.put, methods=["PUT"]),
]
