"""Between a record's text and what a store holds: compression, encryption, or whatever else a codec does."""

from __future__ import annotations

import zlib
from typing import Literal, Protocol, TypeAlias
from urllib.parse import quote

import attrs

from .errors import SerializationError

#: The longest record's text, bytes: nobody writes a longer one, so none is unpacked any further.
MAX_RECORD_BYTES = 32 * 1024 * 1024

_PLAIN = b"\x00"
_DEFLATED = b"\x01"


#: What a record is: a fact, or a context value.
RecordKind: TypeAlias = Literal["fact", "value"]


def place_of(run_id: str, key: str, kind: RecordKind) -> str:
    """What a record's place is called: another text for each run, key and kind, whatever characters they have."""
    return f"{_quoted(run_id)}/{_quoted(key)}/{kind}"


def _quoted(part: str) -> str:
    """A part of a place, without slashes and spaces of its own."""
    if part.isascii():  # by little: each outcome has another key
        return part.replace("%", "%25").replace("/", "%2F").replace(" ", "%20")
    return quote(part, safe="", errors="surrogatepass")


def old_place_of(run_id: str, key: str) -> str:
    """What it was called before: one text for several places, none of which has that name any more."""
    return f"{run_id} {key}"


class PayloadCodec(Protocol):
    """Turns a record's bytes into those that are stored, and back.

    ``place`` names the run, the key and the kind of the record, each place by another text. A codec that encrypts must
    bind it, as associated data, so that one record's ciphertext is of no use in another's place. What it refuses in its
    place is tried once more under the name that places had before they had one each (the run's id, a space, the key),
    which no place has now: so what was written then can be read, and what is written now fits nowhere else.
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
    max_bytes: int = MAX_RECORD_BYTES

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
            raise SerializationError(
                f"record {place!r} is damaged, or was stored by another codec: then give this program the same one"
            )
        inflater = zlib.decompressobj()
        try:
            inflated = inflater.decompress(rest, self.max_bytes)
        except zlib.error as error:
            raise SerializationError(f"record {place!r} is damaged: {error}") from error
        if inflater.unconsumed_tail or not inflater.eof:
            raise SerializationError(f"record {place!r} is damaged, or inflates to more than {self.max_bytes} bytes")
        return inflated
