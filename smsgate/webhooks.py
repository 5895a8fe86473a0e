"""The use case of a webhook call: into the database, or, while that is away, into the spool.

Senders of webhooks do not repeat themselves, and wait 15 seconds at most; so what the database does
not take at once is kept in a file of this machine, and the call is answered (reliability B7).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote, quote_plus

from smsgate import hearing, log
from smsgate.aggregators.base import Aggregator, Call, Heard, Secret, Taken, any_matches
from smsgate.errors import SmsgateError, StoreUnavailable
from smsgate.hearing import HeardJob
from smsgate.programme import Programme, Programmes
from smsgate.store.database import Store
from smsgate.store.spool import Spool
from smsgate.tally import Tally

_SETTINGS_SECONDS: Final = 2.0
_WRITE_SECONDS: Final = 5.0
_AWAY_SECONDS: Final = 2.0  # for so long nothing is asked of a database that did not answer
_PRIVATE_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
# Shorter ones are no secrets; blanking them would spoil texts that happen to hold the same.
_SHORTEST_SECRET: Final = 8
_BLANK: Final = b"***"

logger = log.get(__name__)


class Webhooks:
    """Takes in what webhook calls say."""

    def __init__(
        self, store: Store, programmes: Programmes, tally: Tally, spool: Spool | None
    ) -> None:
        """Write to `store`; without a `spool`, what it does not take is refused."""
        self._store = store
        self._programmes = programmes
        self._tally = tally
        self._spool = spool
        self._away_until = 0.0

    async def programme(self) -> Programme:
        """The settings in force, or the last known ones while the database is away.

        Raises:
            StoreBusy, StoreUnavailable: there is no spool, or no settings were ever read.
        """
        if self._spool is None:
            return await self._programmes.current(await self._store.revisions())
        if time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(_SETTINGS_SECONDS):
                    return await self._programmes.current(await self._store.revisions())
            except (SmsgateError, OSError) as error:  # of which TimeoutError is one
                self._is_away(error)
        last = self._programmes.last
        if last is None:
            raise StoreUnavailable("the settings cannot be read")
        return last

    async def take_in(
        self,
        aggregator: Aggregator,
        call: Call,
        heard: Heard,
        *,
        programme: Programme,
        secrets: Sequence[Secret],
    ) -> Taken:
        """Have what a call says on disk, one way or the other.

        Args:
            aggregator: whose call it is.
            call: the call, for keeping.
            heard: what it says.
            programme: the settings in force.
            secrets: the credentials that let it in, which are kept nowhere.

        Raises:
            StoreBusy, StoreUnavailable: it is not on disk: the sender must come again.
        """
        heard = heard_without_secrets(heard, secrets)
        job = HeardJob(heard, aggregator, at=call.at, programme=programme)
        if self._spool is None:
            return self._counted(job, await self._store.write(job))
        if time.monotonic() >= self._away_until:
            try:
                # A write that outlives this wait does no harm: the same call later is a repeat.
                async with asyncio.timeout(_WRITE_SECONDS):
                    return self._counted(job, await self._store.write(job))
            except (SmsgateError, OSError) as error:
                self._is_away(error)
            except Exception as error:  # nobody foresaw it: kept, and set aside when it drains
                logger.error("call kept", source=aggregator.name, exc_info=error)
        await self._spool.append(aggregator.name, without_secrets(call, secrets))
        return hearing.promised(heard)

    def _counted(self, job: HeardJob, outcome: hearing.Outcome) -> Taken:
        hearing.count(self._tally, job.source, outcome)
        return outcome.taken

    def _is_away(self, error: Exception) -> None:
        logger.warning("the database is away: calls are kept", exc_info=error)
        self._away_until = time.monotonic() + _AWAY_SECONDS


def without_secrets(call: Call, secrets: Sequence[Secret]) -> Call:
    """A call that was let in, as it is kept: without what let it in."""
    return replace(
        call,
        url=call.url.partition("?")[0],
        query=[pair for pair in call.query if not any_matches(secrets, pair[1])],
        headers={
            name: value
            for name, value in call.headers.items()
            if name not in _PRIVATE_HEADERS and not any_matches(secrets, value)
        },
        body=_blanked(call.body, secrets),
    )


def heard_without_secrets(heard: Heard, secrets: Sequence[Secret]) -> Heard:
    """What a call says, where what is set aside does not tell what let the call in."""
    aside = [replace(one, raw=_blanked(one.raw, secrets)) for one in heard.unreadable]
    return replace(heard, unreadable=aside)


def _blanked(raw: bytes, secrets: Sequence[Secret]) -> bytes:
    """`raw` without the secrets, as they are or as JSON, a form or an address writes them."""
    for secret in secrets:
        if len(secret) < _SHORTEST_SECRET:
            continue
        as_json = (json.dumps(secret), json.dumps(secret, ensure_ascii=False))
        in_address = (quote_plus(secret, errors="replace"), quote(secret, "", errors="replace"))
        forms = {str(secret), *(text[1:-1] for text in as_json), *in_address}
        for form in sorted(forms, key=len, reverse=True):
            raw = raw.replace(form.encode("utf-8", "replace"), _BLANK)
    return raw
