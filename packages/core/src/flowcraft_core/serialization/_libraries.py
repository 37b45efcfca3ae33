"""Whose values are stored by modules of their own, each loaded with the first such value or tag.

Importing the serializer loads none of these libraries. What is loaded for a tag is told by this table alone. Time zones
are Python's own, and take longer to load than the whole of the serializer.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

from ._codecs import BUILT_IN, Codec
from ._walking import PartError

#: The module that stores a library's values; its extra has the library's name.
LIBRARIES: Final = {"zoneinfo": "._zoneinfo", "numpy": "._numpy", "pandas": "._pandas", "polars": "._polars"}

#: The library that a tag is of.
TAGS: Final = {
    "zoneinfo": "zoneinfo",
    "numpy.array": "numpy",
    "numpy.scalar": "numpy",
    "pandas.frame": "pandas",
    "pandas.index": "pandas",
    "pandas.series": "pandas",
    "polars.frame": "polars",
    "polars.series": "polars",
}


def codecs_of(library: str) -> tuple[Codec, ...]:
    """How a library's values are stored.

    Raises:
        PartError: It, or what its values are stored with, is not installed.
    """
    try:
        codecs: tuple[Codec, ...] = import_module(LIBRARIES[library], __package__).CODECS
    except ImportError as error:
        remedy = f"pip install 'flowcraft-core[{library}]'"
        raise PartError(f"is of {library}, and to store or read it needs more than is installed: {remedy}") from error
    return codecs


def is_built_in(cls: type) -> bool:
    """Whether a class is one of Python's own that are stored without being registered."""
    return cls in BUILT_IN or is_zone_class(cls)


def is_zone_class(cls: object) -> bool:
    """Whether it is ``ZoneInfo``: whoever has that class has loaded its module."""
    zones = sys.modules.get("zoneinfo")
    return zones is not None and cls is zones.ZoneInfo
