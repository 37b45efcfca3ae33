"""How time zones with names are stored: by name, for another machine has its own rules for each."""

from __future__ import annotations

from typing import Final
from zoneinfo import ZoneInfo

from ._codecs import Codec

CODECS: Final = (
    # Looked up on the way out too: a zone without a key, or of a file of its own, could not be found again.
    Codec("zoneinfo", ZoneInfo, lambda zone: ZoneInfo(zone.key).key, ZoneInfo, str),
)
