"""Passwords: made, hashed with Argon2id, and checked.

A phone polls every 30 seconds. `smsgate.accounts` remembers for five minutes what was right, as a
hash under a key that never leaves the process, so polling costs microseconds, not hashes.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import string
import time
from collections.abc import Callable

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

# OWASP's parameters for Argon2id: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1, type=Type.ID)
_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 20
REMEMBER_SECONDS = 300.0
# Two hashes at once fill both cores of a small server; more would only take its memory.
_AT_ONCE = 2


def generate() -> str:
    """A password for a device: letters and digits, which survive any URL and any keyboard."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))


def hash_password(password: str) -> str:
    """The Argon2id hash to store. Takes some 15 ms: not for the event loop."""
    return _HASHER.hash(password.encode("utf-8", "surrogatepass"))


class Verifier:
    """Checks passwords against hashes, two at a time, counting what it costs."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._key = os.urandom(32)
        self.now = monotonic
        self._slots = asyncio.Semaphore(_AT_ONCE)
        # Verified when there is no such account, so that the answer takes as long as for one.
        self._nobody = hash_password(generate())
        self.hashes = 0

    def token(self, secret: str) -> bytes:
        """What stands for a secret in memory: useless outside this process."""
        told = secret.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(told, digest_size=32, key=self._key).digest()

    async def verify(self, password: str, stored: str | None) -> bool:
        """Whether `password` fits the hash `stored`; None, for no such account, never fits."""
        async with self._slots:
            self.hashes += 1
            fits = await asyncio.to_thread(_fits, stored or self._nobody, password)
        return fits and stored is not None


def _fits(stored: str, password: str) -> bool:
    try:
        return _HASHER.verify(stored, password.encode("utf-8", "surrogatepass"))
    except (VerificationError, InvalidHashError):
        return False
