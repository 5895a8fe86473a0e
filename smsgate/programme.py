"""Programme settings: the settings document as one immutable snapshot per request.

The document is the CHT's `app_settings`. Every request sees the newest version: a snapshot is made
anew when, and only when, the store's change counter says so.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from smsgate import log, retention
from smsgate.aggregators.base import Options
from smsgate.aggregators.registry import installed
from smsgate.catalogue import Catalogue
from smsgate.clock import Clock
from smsgate.document import Document, Mode, combine, own_key_warnings
from smsgate.errors import StartError
from smsgate.jsontext import storable_tree, write
from smsgate.optout import OptedOut
from smsgate.permissions import Permissions
from smsgate.places import shipped
from smsgate.reading import ReadingRules
from smsgate.registry import FormSet, load_forms, merge_forms
from smsgate.relaying import Relay
from smsgate.replies import ReplyRules
from smsgate.rules import QueueRules
from smsgate.segments import MOST_PARTS
from smsgate.store import audit, consent, documents
from smsgate.store.database import Store
from smsgate.store.repeats import Limits
from smsgate.store.revisions import CONSENT, SETTINGS
from smsgate.store.transact import Connection
from smsgate.store.writer import Job
from smsgate.xform import XForm

PHONES = "medic-gateway"
_EXPIRES_HOURS = 72.0
_LEASE_MINUTES = 10.0
_PARTS_EVER = 255  # the header that joins parts counts them in one byte
_DIGITS = re.compile(r"[0-9]{1,3}\Z")
_PUBLIC_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#@]*)?\Z", re.ASCII)

logger = log.get(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Programme:
    """One version of the settings, read once."""

    version: int
    document: Document
    reading: ReadingRules
    replies: ReplyRules
    permissions: Permissions
    xforms: Mapping[str, XForm]
    offers_to_phones: bool
    expires_after: timedelta
    lease: timedelta
    most_parts: int
    queue: QueueRules
    relay: Relay
    opted_out: OptedOut
    warnings: Sequence[str]

    @property
    def limits(self) -> Limits:
        """How often replies may repeat themselves."""
        return Limits(self.queue.duplicate_limit, self.queue.replies_an_hour)

    def options(self, route: str = "") -> Options:
        """What an aggregator is told: the parts of the document that concern it.

        Args:
            route: the way out in use, whose entry under `smsgate.routes` goes with them; "" for a
                webhook.
        """
        own = _object(self.document.get("smsgate"))
        return Options(
            sms=_object(self.document.get("sms")),
            own=own,
            route=_object(_object(own.get("routes")).get(route)),
            callback_url=_public_url(own.get("public_url")) or "",
        )


class Programmes:
    """Hands out the snapshot in force."""

    def __init__(self, store: Store, *, forms_dir: Path | None, clock: Clock) -> None:
        """Read from `store`; `forms_dir` None means the forms that smsgate ships."""
        self._store = store
        self._clock = clock
        self._forms_dir = forms_dir or default_forms()
        self._files: FormSet | None = None
        self._seen = (-1, 0)
        self._programme: Programme | None = None
        self._loading = asyncio.Lock()

    async def start(self) -> Programme:
        """Read forms and settings for the first time, logging what is odd about them.

        Raises:
            StartError: a form file cannot be used; every fault of every file is named.
        """
        fatal = [str(fault) for fault in self._read_files().faults if fault.fatal]
        if fatal:
            raise StartError("forms cannot be used:\n  " + "\n  ".join(fatal))
        programme = await self.current(await self._store.revisions())
        for warning in programme.warnings:
            logger.warning("settings", reason=warning)
        logger.info("forms ready", count=len(programme.reading.forms))
        return programme

    @property
    def last(self) -> Programme | None:
        """The snapshot that was handed out last, for while the database is away."""
        return self._programme

    async def current(self, revisions: Mapping[str, int]) -> Programme:
        """The snapshot as of the change counters `revisions`."""
        wanted = revisions.get(SETTINGS, 0), revisions.get(CONSENT, 0)
        if self._programme is None or wanted != self._seen:
            async with self._loading:
                if self._programme is None or wanted != self._seen:
                    self._programme = await self._renewed(*wanted)
                    self._seen = wanted
        return self._programme

    async def _renewed(self, settings: int, consents: int) -> Programme:
        programme = self._programme
        opted_out = programme.opted_out if programme is not None else OptedOut()
        if programme is None or settings != self._seen[0]:
            programme = await self._load()
        if consents != self._seen[1]:
            async with self._store.read() as connection:
                opted_out = await consent.since(connection, opted_out)
        return replace(programme, opted_out=opted_out)

    async def warnings_now(self) -> list[str]:
        """What is odd about the settings in force, a line each."""
        return list((await self.current(await self._store.revisions())).warnings)

    async def _load(self) -> Programme:
        async with self._store.read() as connection:
            row = await documents.newest(connection)
        document = documents.parsed(row)
        return build(
            document,
            version=row["version"] if row else 0,
            files=self._read_files(),
        )

    def _read_files(self) -> FormSet:
        if self._files is None:
            self._files = load_forms(self._forms_dir)
        return self._files


def default_forms() -> Path:
    """The folder of forms where none is named: `./forms`, else those smsgate ships."""
    here = Path("forms")
    return here if here.is_dir() else shipped("forms")


def build(
    document: Document,
    *,
    version: int,
    files: FormSet,
) -> Programme:
    """The snapshot of one settings document over the forms that came as files.

    Nothing in a document makes this fail: what cannot be used is left out, with a warning.
    """
    merged = merge_forms(files, document.get("forms"))
    warnings = [str(fault) for fault in merged.faults]
    warnings += own_key_warnings(document)
    warnings += retention.faults(document)
    warnings += installed().faults(_object(document.get("smsgate")))
    catalogue = Catalogue(document.get("translations"))
    zone = _timezone(document, warnings)
    public_url = _object(document.get("smsgate")).get("public_url")
    if public_url is not None and _public_url(public_url) is None:
        warnings.append(
            "smsgate.public_url must be an address such as https://sms.example.org: it is ignored"
        )
    sms = _object(document.get("sms"))
    service = sms.get("outgoing_service") or PHONES
    if "sms" in document and not sms.get("outgoing_service"):
        warnings.append("sms.outgoing_service is not set: messages are offered to phones")
    own = _object(_object(document.get("smsgate")).get("outbound"))
    country = document.get("default_country_code")
    return Programme(
        version=version,
        document=document,
        reading=ReadingRules(
            forms=merged.forms,
            catalogue=catalogue,
            locale=_text(document.get("locale")) or "en",
            default_country_code=str(country) if country not in (None, "") else None,
            phone_validation=_text(document.get("phone_validation")) or "full",
            forms_only_mode=_truth(document.get("forms_only_mode")),
            timezone=zone,
        ),
        replies=ReplyRules.from_settings(
            document, catalogue=catalogue, forms=merged.forms, timezone=zone
        ),
        permissions=Permissions.from_settings(document),
        xforms=merged.xforms,
        offers_to_phones=service == PHONES,
        expires_after=timedelta(hours=_positive(own.get("expires_hours"), _EXPIRES_HOURS)),
        lease=timedelta(minutes=_positive(own.get("lease_minutes"), _LEASE_MINUTES)),
        queue=QueueRules.from_settings(document, zone=zone, warnings=warnings),
        relay=Relay.from_settings(_object(document.get("smsgate")), warnings=warnings),
        opted_out=OptedOut(),
        most_parts=_parts(document.get("multipart_sms_limit"), warnings),
        warnings=warnings,
    )


def _timezone(document: Document, warnings: list[str]) -> tzinfo:
    name = _object(document.get("smsgate")).get("timezone")
    if name is None:
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, TypeError, KeyError):  # ZoneInfo raises each of them for odd names
        warnings.append("smsgate.timezone names no time zone (such as Africa/Nairobi): UTC is used")
        return UTC


def _public_url(value: Any) -> str | None:
    return value.rstrip("/") if isinstance(value, str) and _PUBLIC_URL.match(value) else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _truth(value: Any) -> bool:
    # The CHT's sample writes booleans as text.
    return value.strip().lower() == "true" if isinstance(value, str) else bool(value)


def _parts(value: Any, warnings: list[str]) -> int:
    if value is None:
        return MOST_PARTS
    # The CHT's documents have numbers as text in places.
    number = int(value) if isinstance(value, str) and _DIGITS.match(value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= _PARTS_EVER:
        warnings.append(
            f"multipart_sms_limit must be a number from 1 to {_PARTS_EVER}: {MOST_PARTS} is used"
        )
        return MOST_PARTS
    return number


def _positive(value: Any, default: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        return default
    return float(value)


@dataclass(frozen=True, slots=True)
class PutSettings(Job[bool]):
    """Combine a document with the one in force; False if that changes nothing."""

    document: Document
    mode: Mode
    by: str
    at: datetime

    async def run(self, connection: Connection) -> bool:
        """See `Job.run`."""
        await documents.take_turn(connection)
        row = await documents.newest(connection)
        before = documents.parsed(row)
        after = storable_tree(combine(before, self.document, self.mode))
        if after == before and list(after) == list(before):
            return False
        version = row["version"] + 1 if row else 1
        await documents.add(
            connection, version=version, document=write(after), by=self.by, at=self.at
        )
        await audit.note(
            connection,
            at=self.at,
            actor=self.by,
            action="settings.put",
            target=str(version),
            details={"mode": self.mode, "keys": _changed_keys(before, after)},
        )
        return True


def _changed_keys(before: Document, after: Document) -> list[str]:
    keys = {**before, **after}
    return [key for key in keys if before.get(key, keys) != after.get(key, keys)]


@dataclass(frozen=True, slots=True)
class FirstSettings(Job[bool]):
    """Give a new installation its first document; False if there is one already."""

    document: Document
    at: datetime

    async def run(self, connection: Connection) -> bool:
        """See `Job.run`."""
        await documents.take_turn(connection)
        if await documents.newest(connection) is not None:
            return False
        await documents.add(
            connection, version=1, document=write(self.document), by="smsgate", at=self.at
        )
        return True
