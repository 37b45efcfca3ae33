"""Between a record's text and what a store holds: compression, encryption, or whatever else a codec does."""

from __future__ import annotations

import zlib
from typing import Protocol

import attrs

from .errors import SerializationError

_PLAIN = b"\x00"
_DEFLATED = b"\x01"


class PayloadCodec(Protocol):
    """Turns a record's bytes into those that are stored, and back.

    ``place`` names the run, the key and the kind of the record. A codec that encrypts must bind it, as associated data,
    so that one record's ciphertext is of no use in another's place.
    """

    def encode(self, data: bytes, *, place: str) -> bytes:
        """The bytes to store."""

    def decode(self, data: bytes, *, place: str) -> bytes:
        """The bytes that were encoded for this place.

        Raises:
            SerializationError: They were not, or were changed since.
        """


@attrs.frozen
class CompressingCodec:
    """The default: deflates what is large and shrinks, leaves the rest readable behind one byte.

    Attributes:
        threshold: Records below this many bytes are stored as they are.
        max_bytes: No record is inflated beyond this, whatever was stored.
    """

    threshold: int = 16_384
    max_bytes: int = 256 * 1024 * 1024

    def encode(self, data: bytes, *, place: str) -> bytes:
        """The bytes to store."""
        if len(data) >= self.threshold:
            deflated = zlib.compress(data, 1)
            if len(deflated) < len(data):
                return _DEFLATED + deflated
        return _PLAIN + data

    def decode(self, data: bytes, *, place: str) -> bytes:
        """The bytes that were encoded.

        Raises:
            SerializationError: They are damaged, or larger than ``max_bytes``.
        """
        mark, rest = data[:1], data[1:]
        if mark == _PLAIN:
            return rest
        if not mark:
            raise SerializationError(f"record {place!r} is empty: its store has written a half of it, or cut it off")
        if mark != _DEFLATED:
            raise SerializationError(f"record {place!r} was stored by another codec: give this program the same one")
        inflater = zlib.decompressobj()
        try:
            inflated = inflater.decompress(rest, self.max_bytes)
        except zlib.error as error:
            raise SerializationError(f"record {place!r} is damaged: {error}") from error
        if inflater.unconsumed_tail or not inflater.eof:
            raise SerializationError(f"record {place!r} is damaged, or inflates to more than {self.max_bytes} bytes")
        return inflated
