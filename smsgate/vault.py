"""The credentials that are in force: read, opened, and kept at hand.

A change by any process is seen on the next request. While the database is away the last known
credentials go on to be used: a webhook that comes then must be told from a stranger's all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from smsgate import clock as clocks
from smsgate import log
from smsgate.aggregators.base import Aggregator, Secret
from smsgate.cipher import Sealed, Shut
from smsgate.clock import Clock
from smsgate.errors import SecretUnreadable, StoreBusy, StoreUnavailable
from smsgate.sealing import Sealer, about
from smsgate.settings import Settings
from smsgate.store import credentials
from smsgate.store.credentials import CURRENT, Row
from smsgate.store.database import Store
from smsgate.store.revisions import CREDENTIALS

_KEY_FILE = "secret.key"
# Seconds a request waits for the database before it goes by what was known.
_PATIENCE = 2.0

logger = log.get(__name__)


def sealer_of(settings: Settings) -> Sealer:
    """The keys that `settings` name."""
    if settings.secret_key_file is not None:
        return Sealer(settings.secret_key_file, named=True)
    return Sealer(settings.data_dir / _KEY_FILE)


@dataclass(slots=True)
class _Held:
    """A stored credential: sealed until it is first asked for, and open from then on."""

    name: str
    slot: int
    sealed: Sealed
    bound_to: str
    valid_until: datetime | None
    secret: Secret | None = None


class Vault:
    """Hands out credentials."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        *,
        clock: Clock = clocks.now,
        patience: float = _PATIENCE,
    ) -> None:
        """Read from `store`, open with `sealer`.

        Args:
            store: an open store.
            sealer: the keys.
            clock: what time it is: former credentials end.
            patience: seconds to wait for the database before the last known ones are used.
        """
        self._store = store
        self.sealer = sealer
        self._clock = clock
        self._patience = patience
        self._revision = -1
        self._held: Mapping[str, Sequence[_Held]] | None = None
        self._away = False
        self._loading = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Vault({sorted(self._held or ())})"

    async def start(self) -> None:
        """Make sure that what is stored can be opened, making the first key where nothing is.

        Raises:
            StartError: it cannot; the text says what to do.
            StoreUnavailable, StoreBusy: the database cannot be asked.
        """
        async with self._store.read() as connection:
            needed = await credentials.key_ids(connection)
        self.sealer.ready(needed)
        await self._current()

    async def incoming(self, aggregator: Aggregator) -> Sequence[Secret]:
        """The credentials that `aggregator` may show: none, one, or two during a rotation.

        Raises:
            SecretUnreadable: there is one, and it does not open.
            StoreUnavailable: the database is away and was never read.
        """
        return await self._secrets(aggregator, "incoming")

    async def outgoing(self, aggregator: Aggregator) -> Secret | None:
        """The credential to show to `aggregator`, None where none is stored.

        Raises:
            SecretUnreadable, StoreUnavailable: as `incoming`.
        """
        secrets = await self._secrets(aggregator, "outgoing")
        return secrets[0] if secrets else None

    @property
    def up_to_date(self) -> bool:
        """Whether what was handed out last was what is stored, and not the last that was known."""
        return not self._away

    async def _secrets(self, aggregator: Aggregator, use: str) -> list[Secret]:
        known = await self._current()
        now = self._clock()
        held = [
            one
            for prefix in aggregator.credential_prefixes
            for one in known.get(f"{prefix}:{use}", ())
            if one.slot == CURRENT or (one.valid_until is not None and now < one.valid_until)
        ]
        secrets = [secret for one in held if (secret := self._opened(one)) is not None]
        if held and not secrets:
            raise SecretUnreadable(
                f"the credential {held[0].name} cannot be opened: see `smsgate doctor`"
            )
        return secrets

    def _opened(self, held: _Held) -> Secret | None:
        if held.secret is None:
            text = self.sealer.open(held.sealed, held.bound_to)
            if isinstance(text, Shut):
                logger.error("a credential cannot be opened", key=held.name, reason=text.reason)
                return None
            held.secret = Secret(text)
        return held.secret

    async def _current(self) -> Mapping[str, Sequence[_Held]]:
        try:
            async with asyncio.timeout(self._patience):
                held = await self._renewed()
        except (StoreUnavailable, StoreBusy, TimeoutError) as error:
            if self._held is None:
                raise StoreUnavailable("the credentials cannot be read") from error
            if not self._away:
                logger.warning("the database is away: the last known credentials are used")
            self._away = True
            return self._held
        self._away = False
        return held

    async def _renewed(self) -> Mapping[str, Sequence[_Held]]:
        revision = (await self._store.revisions()).get(CREDENTIALS, 0)
        if self._held is None or revision != self._revision:
            async with self._loading:
                if self._held is None or revision != self._revision:
                    async with self._store.read() as connection:
                        rows = await credentials.all_of_them(connection)
                    # Opened at once, while the keys are at hand: the file may be away with the
                    # database when they are asked for.
                    self._held = self._sorted(rows)
                    self._revision = revision
        return self._held

    def _sorted(self, rows: Sequence[Row]) -> Mapping[str, Sequence[_Held]]:
        found: dict[str, list[_Held]] = {}
        for row in rows:
            held = _Held(
                name=row["name"],
                slot=row["slot"],
                sealed=Sealed(row["key_id"], row["sealed"]),
                bound_to=about(row["name"], row["created_at"]),
                valid_until=row["valid_until"],
            )
            self._opened(held)
            found.setdefault(held.name, []).append(held)
        return found
