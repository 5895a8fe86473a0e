"""Exchanging the key that seals credentials, beside running servers.

The new key is put into the file before anything is sealed with it, and the old one is dropped after
nothing is sealed with it any more: whatever ends it in between, every credential opens.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime

from smsgate.cipher import Ring
from smsgate.credentials import ResealAll
from smsgate.errors import CommandError
from smsgate.sealing import Sealer, Unusable
from smsgate.store import credentials
from smsgate.store.database import Store


async def rotate(
    store: Store, sealer: Sealer, *, by: str, at: datetime, keep_file: bool = False
) -> AsyncGenerator[str, None]:
    """Rotate step by step, saying after each what was done.

    Args:
        store: an open store.
        sealer: the keys.
        by: who asked.
        at: when.
        keep_file: seal with the first key of the file as it is, and leave the file alone.

    Raises:
        CommandError: a step cannot be done; what was done before it stays as it is.
    """
    async with store.read() as connection:
        needed = await credentials.key_ids(connection)
    _must(sealer.ring(needed))
    with sealer.rotating() as alone:
        if not alone:
            raise CommandError("another rotate-key is under way: wait for it")
        if not keep_file:
            ring = _must(sealer.add_newest())
            yield f"added the key {ring.newest.id} to {sealer.path}"
        done = await store.write(ResealAll(sealer, by, at))
        if isinstance(done, Unusable):
            raise CommandError(done.reason)
        yield f"sealed {done.count} with the key {done.key_id}"
        if not keep_file:
            _must(sealer.keep_newest())
            yield f"dropped the keys before it from {sealer.path}"


def _must(ring: Ring | Unusable) -> Ring:
    if isinstance(ring, Unusable):
        raise CommandError(ring.reason)
    return ring
