"""A payload codec that encrypts: what a run stores of its values can be read with the key only.

What stays readable are the names: run ids, instance keys, names of context values and blueprints' ids, the states, the
reasons of failures, and the jobs on the queue, which carry ids only.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flowcraft_core.errors import SerializationError
from flowcraft_core.payloads import CompressingCodec

_NONCE_BYTES = 12


class AesCodec:
    """Compresses, then encrypts with AES-GCM; each record is bound to its place, so it cannot be moved to another."""

    def __init__(self, key: bytes) -> None:
        """Take the key.

        Args:
            key: 16, 24 or 32 bytes. Every client, worker and reconciler of a backend needs the same one.
        """
        self._cipher = AESGCM(key)
        self._inner = CompressingCodec()

    def encode(self, data: bytes, *, place: str) -> bytes:
        """The bytes to store."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, self._inner.encode(data, place=place), place.encode())

    def decode(self, data: bytes, *, place: str) -> bytes:
        """The bytes that were encoded for this place.

        Raises:
            SerializationError: They were encoded for another place or with another key, or changed since.
        """
        nonce, ciphertext = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
        try:
            plain = self._cipher.decrypt(nonce, ciphertext, place.encode())
        except (InvalidTag, ValueError) as error:
            raise SerializationError(f"record {place!r} cannot be decrypted: another key, or it was changed") from error
        return self._inner.decode(plain, place=place)
