"""Whose values are stored beside Python's own: by modules here, each loaded with the first such value or tag.

Importing the serializer loads none of these libraries. What is loaded for a tag is told by this table alone.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from ._codecs import Codec
from ._walking import PartError

#: The module that stores a library's values; its extra has the library's name.
LIBRARIES: Final = {"numpy": "._numpy", "pandas": "._pandas", "polars": "._polars"}

#: The library that a tag is of.
TAGS: Final = {
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
