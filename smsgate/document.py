"""The settings document as a value: how two are combined, and what a new installation starts with.

It is the CHT's `app_settings`, kept key by key as it came. smsgate's own keys live under
`smsgate` (decision 29; `docs/settings.md`).
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Any, Final

from smsgate.permissions import DEFAULT_PERMISSIONS, DEFAULT_ROLES

Document = dict[str, Any]


class Mode(StrEnum):
    """What a document that is put does to the one there is."""

    MERGE = "merge"
    REPLACE = "replace"
    OVERWRITE = "overwrite"


# smsgate's own keys, with the types their values have; an unknown one is warned of.
OWN_KEYS: Final[dict[str, dict[str, type | tuple[type, ...]]]] = {
    "replies": {"form_feedback": bool, "near_misses": bool},
    "outbound": {
        "expires_hours": (int, float),
        "lease_minutes": (int, float),
        "retry_failed": dict,
        "replies_per_hour": (int, float),
    },
    "quiet_hours": {"from": str, "to": str, "timezone": str},
    "consent": {"words": bool},
    "gateways": {},
    "alerts": dict.fromkeys(
        (
            "phone_warn_minutes",
            "phone_page_minutes",
            "queue_warn_minutes",
            "queue_page_minutes",
            "failure_warn_percent",
            "failure_page_percent",
            "failure_least_messages",
            "unknown_outcomes",
            "silence_percent",
            "silence_least_messages",
            "quarantine_page_items",
            "address_changes",
            "disk_free_percent",
            "wal_mib",
            "backup_hours",
        ),
        (int, float),
    ),
    "http": {},
    "public_url": {},
    "rapidpro": {"strict_duplicates": bool},
    "rapidpro_channel": {"url": str, "receive": str, "allow": list},
    "retention": dict.fromkeys(
        ("content_days", "raw_days", "audit_days", "quarantine_days"), (int, float)
    ),
    "routes": {},
    "strict_statuses": {},
    "twilio": {"account_sid": str, "from": str, "messaging_service_sid": str, "url": str},
    "timezone": {},
}


def first_document(today: date) -> Document:
    """What a new installation ships: replies on, the CHT's documented deny rules."""
    return {
        "locale": "en",
        "default_country_code": "",
        "forms_only_mode": False,
        "gateway_number": "",
        "sms": {"outgoing_service": "medic-gateway"},
        "default_responses": {"start_date": today.isoformat()},
        "outgoing_deny_shorter_than": 6,
        "outgoing_deny_with_alphas": True,
        "roles": {name: dict(role) for name, role in DEFAULT_ROLES.items()},
        "permissions": {name: list(roles) for name, roles in DEFAULT_PERMISSIONS.items()},
        "smsgate": {
            "replies": {"form_feedback": True, "near_misses": True},
            # The defaults, spelled out so that nobody is surprised by them.
            "retention": {
                "content_days": 365,
                "raw_days": 30,
                "audit_days": 730,
                "quarantine_days": 90,
            },
        },
    }


def combine(old: Document, new: Document, mode: Mode) -> Document:
    """The document that results from putting `new` onto `old`.

    Merging is deep for objects, and replaces anything else, `null` included; replacing exchanges
    each top-level key of `new` whole; overwriting drops what `new` lacks, but for smsgate's own
    keys, which a CHT document cannot know. Permissions smsgate needs are filled in afterwards.
    """
    if mode is Mode.MERGE:
        return _fill_permissions(_merge(old, new))
    if mode is Mode.REPLACE:
        return _fill_permissions({**old, **new})
    own = {"smsgate": old["smsgate"]} if "smsgate" in old and "smsgate" not in new else {}
    return _fill_permissions({**new, **own})


def _merge(old: Document, new: Document) -> Document:
    result = dict(old)
    for key, value in new.items():
        before = result.get(key)
        both = isinstance(before, dict) and isinstance(value, dict)
        result[key] = _merge(before, value) if both else value  # type: ignore[arg-type]  # `both` says before is a dict
    return result


def _fill_permissions(document: Document) -> Document:
    stated = document.get("permissions")
    kept = stated if isinstance(stated, dict) else {}
    missing = {name: list(r) for name, r in DEFAULT_PERMISSIONS.items() if name not in kept}
    return {**document, "permissions": {**kept, **missing}} if missing else document


def own_key_warnings(document: Document) -> list[str]:
    """A line for each key under `smsgate` that is unknown or holds the wrong kind of value."""
    own = document.get("smsgate", {})
    if not isinstance(own, dict):
        return ["smsgate must be an object: its settings are ignored"]
    warnings = []
    for key, value in own.items():
        if key not in OWN_KEYS:
            warnings.append(f"smsgate.{key} is not known and has no effect")
            continue
        if not OWN_KEYS[key]:
            continue
        if not isinstance(value, dict):
            warnings.append(f"smsgate.{key} must be an object: it is ignored")
            continue
        for name, inner in value.items():
            kind = OWN_KEYS[key].get(name)
            if kind is None:
                warnings.append(f"smsgate.{key}.{name} is not known and has no effect")
            elif not isinstance(inner, kind) or (kind is not bool and isinstance(inner, bool)):
                warnings.append(f"smsgate.{key}.{name} has the wrong type and is ignored")
    return warnings


# Every key of the CHT's that smsgate acts on; others are kept untouched.
EFFECTIVE: Final = frozenset(
    {
        "default_country_code",
        "default_responses",
        "forms",
        "forms_only_mode",
        "gateway_number",
        "locale",
        "locale_outgoing",
        "multipart_sms_limit",
        "outgoing_deny_list",
        "outgoing_deny_shorter_than",
        "outgoing_deny_with_alphas",
        "permissions",
        "phone_validation",
        "roles",
        "schedule_evening_hours",
        "schedule_evening_minutes",
        "schedule_morning_hours",
        "schedule_morning_minutes",
        "smsgate",
        "translations",
    }
)
EFFECTIVE_SMS: Final = frozenset(
    {
        "africas_talking",
        "duplicate_limit",
        "nepal_doit_sms",
        "outgoing_service",
        "rapidpro",
        "reply_to",
    }
)


def without_effect(document: Document) -> list[str]:
    """The keys of a document that smsgate keeps but does not act on, for the operator to know."""
    names = [key for key in document if key not in EFFECTIVE and key != "sms"]
    sms = document.get("sms")
    if isinstance(sms, dict):
        names += [f"sms.{key}" for key in sms if key not in EFFECTIVE_SMS]
    return sorted(names)
