"""Whether stored values are the same: told by what is stored of them, and not by what their classes call equal.

By Python's ``==`` a 1 is ``True`` and 1.0, noon in one time zone is 1 p.m. in another, a nan is not itself, and an
array says nothing at all. What is stored tells types and ways of writing apart. Its order alone means nothing where
there is none: among the members of a set, and among the keys of a dict. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from ._walking import TAG

# The tags under which members are stored in some order that means nothing.
_UNORDERED: Final = frozenset({"set", "frozenset", "dict"})


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same, as JSON data from ``Serializer.to_data``."""
    return _text(one) == _text(other)


def are_same(some: Mapping[str, Any], others: Mapping[str, Any]) -> bool:
    """Whether values by name are the same under the same names, each as JSON data from ``Serializer.to_data``."""
    return some.keys() == others.keys() and all(is_same(data, others[name]) for name, data in some.items())


def _text(data: Any) -> str:
    """Text that is the same for the same value, and for no other."""
    if type(data) is list:
        return f"[{','.join(map(_text, data))}]"
    if type(data) is dict:
        tag = data.get(TAG)
        text = _in_any_order if type(tag) is str and tag in _UNORDERED else _text
        return f"{{{','.join(f'{json.dumps(name)}:{text(data[name])}' for name in sorted(data))}}}"
    return json.dumps(data)


def _in_any_order(data: Any) -> str:
    return f"[{','.join(sorted(map(_text, data)))}]" if type(data) is list else _text(data)
