"""Names of documents: any text becomes an id and a partition key that Cosmos DB takes, and no two become one."""

from __future__ import annotations

import hashlib
import re
import string

#: Cosmos DB allows 1,023 bytes; some of its tools and SDKs stop at 255 characters.
MAX_ID = 255

#: A container whose partition key is of the first version hashes only the first 101 bytes of a value.
MAX_PARTITION_BYTES = 100

# An id may not have / \ ? #, and whatever must be quoted in a URL is quoted, signed and unquoted on its way. So all
# but these is written as ~ and two hexadecimal digits per byte.
_SAFE = frozenset((string.ascii_letters + string.digits + "_-.:,").encode())
_READABLE = 100


def document_id(kind: str, key: str = "") -> str:
    """The id of a document of a kind, by its key in the run; what is too long keeps its beginning and gets a hash."""
    escaped = "".join(chr(byte) if byte in _SAFE else f"~{byte:02x}" for byte in key.encode())
    if len(kind) + 1 + len(escaped) > MAX_ID:
        # Two tildes in a row are in no escaped text. Half an escape at the end is left out.
        escaped = f"{re.sub('~.?$', '', escaped[:_READABLE])}~~{hashlib.sha256(key.encode()).hexdigest()}"
    return f"{kind}:{escaped}" if key else kind


def is_hashed(id_: str) -> bool:
    """Whether the key cannot be read from the id."""
    return "~~" in id_


def key_of(id_: str) -> str:
    """The key that an id was made of; not for one that is hashed."""
    escaped = id_.partition(":")[2]
    return re.sub(rb"~([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), escaped.encode()).decode()


def may_be_id(text: str) -> bool:
    """Whether Cosmos DB takes a text as the id of a document, as people give them."""
    return not re.search(r"[/\\?#]| $", text) and 0 < len(text.encode()) <= 1_023


def partition_key(name: str) -> str:
    """The partition key value of a run, which is its id unless that is too long."""
    encoded = name.encode()
    if len(encoded) <= MAX_PARTITION_BYTES and not name.startswith("~"):
        return name
    return f"~{hashlib.sha256(encoded).hexdigest()}"
