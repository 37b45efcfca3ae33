"""Parts of outputs that expressions and inputs name, held to what steps are annotated to give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_origin

from ..annotations import UNKNOWN, bare, hints_of_class, item_of, part_of, read_fields_of, type_name
from ..expressions import Expression
from .subject import Subject, words_of

# What has no members at all, to an expression.
_PLAIN = (int, float, bool, bytes, type(None))


def has_part(given: Any, key: str) -> bool:
    """Whether a value of a type may have a part of that name, to ``inputs``: a key, an index of a list, or a field."""
    cls = get_origin(given) or given
    if is_typed_dict(cls):
        return key in hints_of_class(cls)
    if not isinstance(cls, type) or cls is object or issubclass(cls, Mapping):
        return True
    fields = read_fields_of(cls)
    if issubclass(cls, (list, tuple)):
        return (key.isascii() and key.isdigit()) or key in (fields or ())
    return fields is None or key in fields


def part_named(given: Any, key: str) -> Any:
    """The type of a part, as ``inputs`` name it."""
    return part_of(given, int(key) if key.isdigit() and item_of(given) is not UNKNOWN else key)


def is_typed_dict(given: Any) -> bool:
    """Whether a type is a ``TypedDict``."""
    return hasattr(given, "__required_keys__")


# --- expressions ------------------------------------------------------------------------------------------------------


def wrong_parts(subject: Subject, expression: Expression, of: str | None) -> Iterator[str]:
    """What an expression reads of outputs that their types have not.

    Args:
        subject: The flow.
        expression: The expression.
        of: The node whose output is its ``input``; None if that is not known.
    """
    node_ids = {node.id for node in subject.graph.blueprint.nodes}
    set_here = {word for step in subject.steps for word in words_of(step.step)} | (subject.context or frozenset())
    told: set[tuple[str | int, ...]] = set()
    for path in sorted(expression.paths, key=len):
        if any(path[: len(shorter)] == shorter for shorter in told):
            continue
        node, begins = None, 1
        match path:
            case ("result", "output", *_):
                node, begins = of, 2
            case ("input", *_):
                node = of
            case ("_outputs", str(name), *_):
                node, begins = name, 2
            case ("context", str(name), *_) if name not in set_here:
                node, begins = name, 2
            case (str(name), *_) if name not in set_here:
                node = name
        if node in node_ids and len(path) > begins and (why := _missing(subject.fitting.output_of(node), path, begins)):
            told.add(path)
            yield why


def _missing(given: Any, path: tuple[str | int, ...], begins: int) -> str | None:
    for place, key in enumerate(path[begins:], begins):
        if not _may_have(given, key):
            return f"reads {_shown(path)}; {_shown(path[:place])} is {type_name(given)}, which has no part {key!r}"
        given = part_of(given, key)
    return None


def _may_have(given: Any, key: str | int) -> bool:
    """Whether a value of a type may have a member, to an expression."""
    cls = get_origin(bare(given)) or bare(given)
    if is_typed_dict(cls):
        return key in hints_of_class(cls)
    if not isinstance(cls, type) or cls is object or issubclass(cls, Mapping):
        return True
    fields = read_fields_of(cls)
    if issubclass(cls, (list, tuple, str)):
        return isinstance(key, int) or key == "length" or key in (fields or ())
    return cls not in _PLAIN and (fields is None or key in fields)


def _shown(path: tuple[str | int, ...]) -> str:
    return str(path[0]) + "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path[1:])
