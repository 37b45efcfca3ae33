"""Parts of values, as data: what expressions, the inputs of nodes and the keys of limits may name of them.

Of a record (a named tuple, an attrs class, a dataclass, a pydantic model) that is a declared field without a leading
underscore, of a member of an enum its ``name`` and its ``value``. No code of the application's runs: a property is no
part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, Final

import attrs

#: In the place of a part that a value has not.
NO_PART: Final = object()


def field_of(owner: object, name: str) -> Any:
    """A field of a value, or ``NO_PART``."""
    cls: type = type(owner)
    if name not in (data_fields(cls) or ()):
        extra: Mapping[str, Any] | None = getattr(owner, "__pydantic_extra__", None) if is_model(cls) else None
        return NO_PART if extra is None or name.startswith("_") else extra.get(name, NO_PART)
    if isinstance(owner, Enum) and name in ("name", "value"):
        return owner._name_ if name == "name" else owner._value_
    return getattr(owner, name, None)


@lru_cache(maxsize=1024)
def data_fields(cls: type) -> frozenset[str] | None:
    """The fields that values of a class have for certain; None of a class that is no record."""
    names: Iterable[str] = ()
    if attrs.has(cls):
        names = (field.name for field in attrs.fields(cls))
    elif hasattr(cls, "__dataclass_fields__"):
        import dataclasses  # noqa: PLC0415 # whoever has such a class has imported it

        names = (field.name for field in dataclasses.fields(cls))
    elif is_named_tuple(cls):
        names = cls._fields  # type: ignore[attr-defined]
    elif is_model(cls):
        names = cls.__pydantic_fields__  # type: ignore[attr-defined]
    elif not issubclass(cls, Enum):
        return None
    if issubclass(cls, Enum):
        names = (*names, "name", "value")
    return frozenset(name for name in names if not name.startswith("_"))


def are_all(cls: type) -> bool:
    """Whether values of a record's class have no other fields than those that it declares."""
    config = getattr(cls, "model_config", None) if is_model(cls) else None
    return not isinstance(config, Mapping) or config.get("extra") != "allow"


def is_model(cls: type) -> bool:
    """Whether a class is a pydantic model, told without importing pydantic."""
    is_known = isinstance(getattr(cls, "__pydantic_fields__", None), Mapping)
    return is_known and callable(getattr(cls, "model_validate", None))


def is_named_tuple(cls: type) -> bool:
    """Whether a class is a named tuple."""
    return issubclass(cls, tuple) and hasattr(cls, "_fields")
