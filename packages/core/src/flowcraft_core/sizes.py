"""Amounts of memory and of data, as settings give them: bytes, or text such as ``"256MiB"``."""

from __future__ import annotations

import re
from typing import TypeAlias

from .errors import ConfigurationError

_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_TEXT = re.compile(r"(\d{1,12}(?:\.\d{1,9})?) ?(B|kB|MB|GB|KiB|MiB|GiB)", re.ASCII)

# More than any machine has.
_MOST = 2**50

#: How Python code gives an amount of data: bytes, or text such as ``"256MiB"``.
Size: TypeAlias = int | str


def parse_bytes(name: str, value: object, *, least: int = 0) -> int:
    """The bytes that a setting stands for.

    Args:
        name: What the setting is called, with whom it belongs to: ``Worker: memory``.
        value: A number of bytes, or text with a unit: ``"256MiB"``, ``"1.5GB"``.
        least: The smallest number of bytes that it may be.

    Raises:
        ConfigurationError: It is no amount of that size; the message names the setting.
    """
    size = -1
    if isinstance(value, str) and (match := _TEXT.fullmatch(value)):
        size = int(float(match[1]) * _BYTES[match[2]])
    elif isinstance(value, int) and not isinstance(value, bool):
        size = value
    if not least <= size <= _MOST:
        raise ConfigurationError(
            f"{name} must be a number of bytes of at least {least}, or text like '64MiB', '1GiB', '500MB', "
            f"not {value!r:.80}"
        )
    return size
