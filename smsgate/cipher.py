"""Sealing a text with one of several keys: AES-256-GCM, pure.

A sealed text says which key it needs and is bound to what it is about: a seal that was moved to
another row, changed in any byte or made with another key does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
# What a sealed text begins with: the format. Then the nonce, the ciphertext and its tag.
_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12  # what GCM is made for (NIST SP 800-38D, 8.2)
_SHORTEST: Final = len(_FORMAT) + _NONCE_BYTES + 16


@dataclass(frozen=True, slots=True)
class Key:
    """A key and its name. The name is made of the key, and does not tell it."""

    id: str
    octets: bytes = field(repr=False)

    @classmethod
    def of(cls, octets: bytes) -> Key:
        """The key of 32 bytes.

        Raises:
            ValueError: there are more or fewer.
        """
        if len(octets) != KEY_BYTES:
            raise ValueError("a key has 32 bytes")
        return cls(hmac.digest(octets, b"smsgate key id", hashlib.sha256).hex()[:16], octets)

    @classmethod
    def new(cls) -> Key:
        """A key nobody had before."""
        return cls.of(os.urandom(KEY_BYTES))

    @classmethod
    def read(cls, text: str) -> Key | None:
        """The key in a line of a key file: base64 or hexadecimal; None where it is neither."""
        try:
            octets = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else _base64(text)
            return cls.of(octets)
        except ValueError:
            return None

    def written(self) -> str:
        """As a line of a key file."""
        return base64.b64encode(self.octets).decode()


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


@dataclass(frozen=True, slots=True)
class Sealed:
    """A text that only the key `key_id` opens. The repr shows no byte of it."""

    key_id: str
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Shut:
    """A sealed text that did not open, and why."""

    reason: str


class Ring:
    """Keys, the newest first: that one seals, any of them opens."""

    __slots__ = ("_by_id", "keys")

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys: Sequence[Key] = tuple(keys)
        self._by_id = {key.id: key for key in self.keys}

    def __repr__(self) -> str:
        return f"Ring({', '.join(key.id for key in self.keys)})"

    @property
    def newest(self) -> Key:
        """The key that seals."""
        return self.keys[0]

    def lacks(self, ids: Iterable[str]) -> list[str]:
        """Which of `ids` it does not have."""
        return sorted(set(ids) - set(self._by_id))

    def seal(self, text: str, about: str) -> Sealed:
        """`text` sealed with the newest key.

        Args:
            text: any text.
            about: what it belongs to; it opens for the same only.
        """
        key, nonce = self.newest, os.urandom(_NONCE_BYTES)
        secret = text.encode("utf-8", "surrogatepass")
        locked = AESGCM(key.octets).encrypt(nonce, secret, _bound(key.id, about))
        return Sealed(key.id, _FORMAT + nonce + locked)

    def open(self, sealed: Sealed, about: str) -> str | Shut:
        """The text, where the key is here and nothing was changed since."""
        key = self._by_id.get(sealed.key_id)
        if key is None:
            return Shut(f"it is sealed with the key {sealed.key_id}, which is not in the key file")
        octets = sealed.octets
        if len(octets) < _SHORTEST or not octets.startswith(_FORMAT):
            return Shut("it is damaged")
        nonce, locked = octets[1 : 1 + _NONCE_BYTES], octets[1 + _NONCE_BYTES :]
        try:
            secret = AESGCM(key.octets).decrypt(nonce, locked, _bound(key.id, about))
        except InvalidTag:
            return Shut("it was changed after it was sealed")
        return secret.decode("utf-8", "surrogatepass")


def _bound(key_id: str, about: str) -> bytes:
    return f"smsgate\0{_FORMAT.hex()}\0{key_id}\0{about}".encode("utf-8", "surrogatepass")
