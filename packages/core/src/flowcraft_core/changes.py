"""In what two blueprints differ: typed changes, which people can read. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import attrs

ChangeKind: TypeAlias = Literal["added", "removed", "changed", "moved"]
Data: TypeAlias = Mapping[str, Any]

_SHOWN = 200
_SIGNS: Mapping[ChangeKind, str] = {"added": "+", "removed": "-", "changed": "~", "moved": "~"}
# Of these each part is a field of its own.
_OPENED = ("config", "inputs", "metadata", "params")


@attrs.frozen
class Change:
    """One thing in which the second blueprint differs from the first.

    Attributes:
        kind: ``added``, ``removed``, ``changed`` (one field), or ``moved`` (nodes or edges stand in another order:
            that decides what comes first where nothing else does).
        what: What it is about.
        at: The node's id, or ``source -> target`` of an edge; empty for the blueprint itself.
        field: Of what changed the name in the JSON: ``uses``, ``config.maxRetries``; None for the whole of it.
        before: What was there, as JSON data; None if nothing was.
        after: What is there now, likewise.
    """

    kind: ChangeKind
    what: Literal["blueprint", "node", "edge"]
    at: str
    field: str | None
    before: Any
    after: Any

    def __str__(self) -> str:
        name = f"{_SIGNS[self.kind]} {self.what}{f' {self.at}' if self.at else ''}"
        if self.kind == "moved":
            return f"{name}s stand in another order"
        if self.field is not None:
            return f"{name}: {self.field}: {_shown(self.before)} -> {_shown(self.after)}"
        whole = self.before if self.after is None else self.after
        rest = {field: value for field, value in whole.items() if field not in ("id", "source", "target")}
        return f"{name}: {_shown(rest)}" if rest else name


def _shown(value: Any) -> str:
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def changes(first: Data, second: Data) -> Iterator[Change]:
    """The blueprint's own fields, then its nodes, then its edges.

    Args:
        first: A blueprint, as JSON data.
        second: The other.
    """
    lists = ("nodes", "edges")
    one, other = [{name: value for name, value in each.items() if name not in lists} for each in (first, second)]
    for name, before, after in _fields(one, other):
        yield Change("changed", "blueprint", "", name, before, after)
    yield from _listed("node", lambda node: str(node["id"]), first["nodes"], second["nodes"])
    yield from _listed("edge", _ends, first.get("edges") or (), second.get("edges") or ())


def _ends(edge: Data) -> str:
    return f"{edge['source']} -> {edge['target']}"


def _listed(
    what: Literal["node", "edge"], name_of: Callable[[Data], str], first: Sequence[Data], second: Sequence[Data]
) -> Iterator[Change]:
    pairs = _paired(name_of, first, second)
    partner = {one: other for one, other in pairs if one is not None and other is not None}
    for one, other in pairs:
        before, after = None if one is None else first[one], None if other is None else second[other]
        if before is None and after is not None:
            yield Change("added", what, name_of(after), None, None, after)
        elif after is None and before is not None:
            yield Change("removed", what, name_of(before), None, before, None)
        elif before is not None and after is not None:
            for field, was, is_ in _fields(before, after):
                yield Change("changed", what, name_of(before), field, was, is_)
    # Those that both have, in the order of the first: where they stand in the second.
    places = [partner[one] for one in sorted(partner)]
    if places != sorted(places):
        yield Change("moved", what, "", None, None, None)


def _paired(
    name_of: Callable[[Data], str], first: Sequence[Data], second: Sequence[Data]
) -> list[tuple[int | None, int | None]]:
    """Which is which, by their places: of one name those first that are alike in all, then the others in order."""
    names: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, items in enumerate((first, second)):
        for place, item in enumerate(items):
            names[name_of(item)][side].append(place)
    pairs: list[tuple[int | None, int | None]] = []
    for left, right in names.values():
        for one in list(left):
            same = next((other for other in right if not list(_fields(first[one], second[other]))), None)
            if same is not None:
                pairs.append((one, same))
                left.remove(one)
                right.remove(same)
        both = min(len(left), len(right))
        pairs += zip(left[:both], right[:both], strict=True)
        pairs += [(one, None) for one in left[both:]]
        pairs += [(None, other) for other in right[both:]]
    return sorted(pairs, key=lambda pair: (pair[0] is None, pair[0] or 0, pair[1] or 0))


def _fields(first: Data, second: Data, opened: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The fields that differ, with what is in each."""
    for name in dict.fromkeys((*first, *second)):
        before, after = first.get(name), second.get(name)
        if _canonical(before) == _canonical(after):
            continue
        if not opened and name in _OPENED and before and after and isinstance(before, dict) and isinstance(after, dict):
            yield from _fields(before, after, f"{name}.")
        else:
            yield f"{opened}{name}", before, after


def _canonical(value: Any) -> str:
    # Python takes 1, 1.0 and True for the same; whoever reads JSON does not.
    return json.dumps(value, sort_keys=True)
