"""The blueprint: a graph as plain data, in Flowcraft's JSON field names.

``Blueprint.from_json(text).to_json()`` gives back what was read: fields that this version does not know are kept in
``extra`` at every level. Durations in a blueprint are milliseconds, as the TypeScript builder writes them; the Python
builder takes seconds and converts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args

import attrs

from .errors import BlueprintError
from .rules import Problem, flows

if TYPE_CHECKING:
    from .changes import Change

#: How many of a node's edges it waits for: all of them, any one, or so many of different sources.
JoinStrategy = Literal["all", "any"] | int
#: After what an edge may be taken.
On = Literal["success", "failure", "always"]

# What the engine itself implements; a registry cannot redefine these names.
LOOP_CONTROLLER = "loop-controller"
BATCH = "batch"
BATCH_SCATTER = "batch-scatter"
BATCH_GATHER = "batch-gather"
SUBFLOW = "subflow"
WAIT = "wait"
SLEEP = "sleep"
# The TypeScript builder writes a class's name where one of its built-in classes is passed to `node`.
ALIASES = {
    "SubflowNode": SUBFLOW,
    "WaitNode": WAIT,
    "SleepNode": SLEEP,
    "BatchScatterNode": BATCH_SCATTER,
    "BatchGatherNode": BATCH_GATHER,
}
BUILT_IN_USES = frozenset({LOOP_CONTROLLER, BATCH, BATCH_SCATTER, BATCH_GATHER, SUBFLOW, WAIT, SLEEP})

# The constructs that have a value named after their results.
_WITH_OUTPUT_KEY = frozenset({BATCH, BATCH_SCATTER, BATCH_GATHER, "BatchScatterNode", "BatchGatherNode"})

# How many lists and objects may nest in one another.
_MAX_DEPTH: Final = 100
# Python neither writes nor reads numbers of more than some 4,300 digits.
_MAX_BITS: Final = 14_000
_NESTED: Final = (dict, list)

T = TypeVar("T")


# --- data -------------------------------------------------------------------------------------------------------------
# Read back, it must be what it was: a blueprint has a hash, by which other processes know it.


def fault_in(value: Any, depth: int = 0) -> tuple[str, str] | None:
    """What of a value is no JSON data, as the way to the part and what is wrong with it; None if all of it is.

    A tuple counts as a list. Keys have to be text: others would come back as text, and in another order.
    """
    if value is None or isinstance(value, (str, bool)):
        return None
    if isinstance(value, int):
        return ("", "must be JSON data, and is a number of too many digits") if value.bit_length() > _MAX_BITS else None
    if isinstance(value, float) and math.isfinite(value):
        return None
    if not isinstance(value, (Mapping, list, tuple)):
        return "", f"must be JSON data, not {_shown(value)}"
    if depth >= _MAX_DEPTH:
        return "", f"nests more than {_MAX_DEPTH} levels deep, or contains itself: flatten it"
    is_object = isinstance(value, Mapping)
    for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
        if is_object and not isinstance(key, str):
            return "", f"must be JSON data, whose keys are text, and has the key {_shown(key)}"
        fault = fault_in(item, depth + 1)
        if fault is not None:
            return f"{f'.{key}' if is_object else f'[{key}]'}{fault[0]}", fault[1]
    return None


def _shown(value: object) -> str:
    try:
        return f"{value!r:.80}"
    except Exception:
        return f"a {type(value).__name__}"


def plain(value: Any) -> Any:
    """A copy of JSON data, as it would be read back: of nothing but JSON's own types."""
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, Mapping):
        return {str.__str__(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value]


def owned(value: Any) -> Any:
    """A copy of what is given, if it is JSON data; anything else as it is, for others to refuse."""
    return value if fault_in(value) is not None else plain(value)


def copy_of(value: Any) -> Any:
    """A copy of what ``plain`` has made: cheaper, and of all that can be changed."""
    if type(value) is dict:
        return {key: copy_of(item) if type(item) in _NESTED else item for key, item in value.items()}
    return [copy_of(item) if type(item) in _NESTED else item for item in value]


def _owned(value: dict[str, Any]) -> dict[str, Any]:
    """A copy, so that nobody changes a blueprint whose hash is known already."""
    return owned(value) if value else value


def _owned_or_none(value: dict[str, Any] | None) -> dict[str, Any] | None:
    return value if value is None else owned(value)


@attrs.frozen
class NodeConfig:
    """How a node is tried, bounded and joined.

    Attributes:
        max_retries: Attempts in all, the first included (Flowcraft's meaning); at least 1.
        retry_delay: Milliseconds before the second attempt.
        retry_backoff: Factor by which the delay grows with each further attempt.
        retry_max_delay: Longest delay between two attempts, milliseconds.
        retry_jitter: Share of the delay that is spread, 0 to 1.
        retry_delays: Milliseconds before each further attempt, one by one, instead of those three.
        retry_if: Name of the function that says of an error whether it is worth another attempt.
        max_deferrals: How often a step may ask to be tried again without that being an attempt.
        non_retryable_errors: Names of exception classes (or their bases) that end the attempts at once.
        timeout: Milliseconds that one attempt, or a wait, may take.
        fallback: Id of the node, or name of the implementation, that stands in when all attempts have failed.
        undo: Id of the node, or name of the implementation, that takes back what the node has done, if its run fails.
        undo_unsure: Ask for its undo also where its step was cut off, and may have acted or not.
        join_strategy: ``all`` (default), ``any``, or how many edges of different sources are to be taken, from 1.
        lease: Ask for a lease, so that two workers rarely execute the node at the same time.
        queue: Name of the queue whose workers run it, or what is inside of it.
        limit: Name of the limit that it, or what is inside of it, keeps to, with a key behind it if wanted; or several.
        extra: Fields that this version does not know, kept as they were.
    """

    max_retries: int | None = None
    retry_delay: float | None = None
    retry_backoff: float | None = None
    retry_max_delay: float | None = None
    retry_jitter: float | None = None
    retry_delays: tuple[float, ...] | None = None
    retry_if: str | None = None
    max_deferrals: int | None = None
    non_retryable_errors: tuple[str, ...] | None = None
    timeout: float | None = None
    fallback: str | None = None
    undo: str | None = None
    undo_unsure: bool | None = None
    join_strategy: JoinStrategy | None = None
    lease: bool | None = None
    queue: str | None = None
    limit: str | tuple[str, ...] | None = None
    extra: dict[str, Any] = attrs.field(factory=dict, converter=_owned, kw_only=True)


@attrs.frozen
class Node:
    """A step of the graph.

    Attributes:
        id: Unique in its blueprint.
        uses: Name of the implementation in the registry, or one of ``BUILT_IN_USES``.
        params: Static parameters, JSON data, handed to the implementation; copied, as all data here is.
        inputs: Where the input comes from instead of the edges: a name, a dotted path, or a map of those.
        config: Retries, timeout, join and fallback.
        extra: Fields that this version does not know, kept as they were.
    """

    id: str
    uses: str
    params: dict[str, Any] | None = attrs.field(default=None, converter=_owned_or_none)
    inputs: str | dict[str, str] | None = None
    config: NodeConfig | None = None
    extra: dict[str, Any] = attrs.field(factory=dict, converter=_owned, kw_only=True)


@attrs.frozen
class Edge:
    """A dependency of one node on another.

    Attributes:
        source: Id of the node that comes first.
        target: Id of the node that follows.
        action: Taken only if the source's result has this action.
        condition: Taken only if this expression is true.
        transform: Expression that gives the value that the edge carries, instead of the source's output.
        on: After what it may be taken: ``success`` (the default), ``failure``, or ``always`` after either.
        extra: Fields that this version does not know, kept as they were.
    """

    source: str
    target: str
    action: str | None = None
    condition: str | None = None
    transform: str | None = None
    on: On | None = None
    extra: dict[str, Any] = attrs.field(factory=dict, converter=_owned, kw_only=True)


@attrs.frozen
class Blueprint:
    """A whole graph.

    Attributes:
        id: Name under which flows and subflows refer to it.
        nodes: The steps.
        edges: The dependencies.
        metadata: Free data; ``version`` names a deployment.
        queue: Name of the queue of its nodes, unless they, or the run, name another.
        extra: Fields that this version does not know, kept as they were.
    """

    id: str
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    metadata: dict[str, Any] | None = attrs.field(default=None, converter=_owned_or_none)
    queue: str | None = None
    extra: dict[str, Any] = attrs.field(factory=dict, converter=_owned, kw_only=True)

    @classmethod
    def from_json(cls, source: str | bytes | Mapping[str, Any]) -> Blueprint:
        """Read a blueprint from JSON text or from the object that the text stands for.

        Raises:
            BlueprintError: The text is no JSON, or a field has the wrong shape; the message names the field.
        """
        if isinstance(source, (str, bytes)):
            try:
                source = json.loads(source)
            except (ValueError, RecursionError) as error:
                raise BlueprintError("?", [flows.NOT_JSON.at(None, f"the text is not JSON: {error}")]) from error
        return cls._from_data(source)

    @classmethod
    def from_yaml(cls, source: str | bytes) -> Blueprint:
        """Read a blueprint from YAML text, with the same fields. It needs the extra ``yaml``.

        Words mean what they mean in YAML 1.2: ``on``, ``yes`` and ``no`` are text, and only ``true`` and ``false`` are
        not.

        Raises:
            BlueprintError: The text is no YAML, or a field has the wrong shape; the message names line and field.
            ConfigurationError: PyYAML is missing.
        """
        from .yaml_text import Lines, read_yaml  # noqa: PLC0415 # for those who write YAML

        lines = Lines()
        try:
            data = read_yaml(source, lines)
        except ValueError as error:
            raise BlueprintError("?", [flows.NOT_JSON.at(None, f"the text is not YAML: {error}")]) from error
        return cls._from_data(data, lines.prefix)

    @classmethod
    def _from_data(cls, source: Any, prefix: Callable[[str], str] = lambda _: "") -> Blueprint:
        """Read the data that a text stands for.

        Args:
            source: The data.
            prefix: What is said before a problem with the field of that name.
        """
        if not isinstance(source, Mapping):
            text = f"a blueprint is a JSON object, not {type(source).__name__}"
            raise BlueprintError("?", [flows.NOT_JSON.at(None, text)])
        try:
            return _read(Blueprint, source, "blueprint")
        except _ShapeError as error:
            text = f"{prefix(error.where)}{error}"
            raise BlueprintError(str(source.get("id")), [flows.WRONG_SHAPE.at(None, text)]) from None

    def to_yaml(self) -> str:
        """The blueprint as YAML text, for people. It needs the extra ``yaml``.

        Raises:
            ConfigurationError: PyYAML is missing.
        """
        from .yaml_text import write_yaml  # noqa: PLC0415 # for those who write YAML

        return write_yaml(self.to_dict())

    def diff(self, other: Blueprint) -> tuple[Change, ...]:
        """In what another blueprint differs from this one, field by field; each change is a line for people, as text.

        That something is null, and that it is not there, mean the same, and are no change.
        """
        from .changes import changes  # noqa: PLC0415 # for those who compare

        return tuple(changes(self.to_dict(), other.to_dict()))

    def to_dict(self) -> dict[str, Any]:
        """The blueprint as a JSON object in Flowcraft's field names."""
        return _write(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """The blueprint as JSON text in Flowcraft's field names."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    def content_hash(self) -> str:
        """SHA-256 (hex) of the content, whatever the order of its fields; a run is pinned to its blueprint by it."""
        canonical = json.dumps(self.to_dict(), ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        import hashlib  # noqa: PLC0415 # for those who store it

        return hashlib.sha256(canonical.encode()).hexdigest()


class _ShapeError(ValueError):
    """A field of the JSON has the wrong shape; becomes a BlueprintError once the blueprint's id is known."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where} {problem}")
        self.where = where


def _string(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise _ShapeError(where, f"must be a string, not {value!r:.80}")
    return value


def _identifier(value: Any, where: str) -> str:
    if not _string(value, where):
        raise _ShapeError(where, "must not be empty")
    return str(value)


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _ShapeError(where, f"must be an object, not {value!r:.80}")
    return dict(value)


def _data(value: Any, where: str) -> dict[str, Any]:
    data = _object(value, where)
    _any(value, where)
    return data


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise _ShapeError(where, f"must be a number of at least 0, not {value!r:.80}")
    return value


def _count(value: Any, where: str) -> int:
    # JavaScript has one kind of number: 3.0 is a count too.
    number = _number(value, where)
    if int(number) != number:
        raise _ShapeError(where, f"must be a whole number, not {value!r:.80}")
    return int(number) if isinstance(number, float) else number


def _flag(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise _ShapeError(where, f"must be true or false, not {value!r:.80}")
    return value


def _strings(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise _ShapeError(where, f"must be an array of strings, not {value!r:.80}")
    return tuple(_string(item, f"{where}[{position}]") for position, item in enumerate(value))


def _one_or_more(value: Any, where: str) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else _strings(value, where)


def _numbers(value: Any, where: str) -> tuple[float, ...]:
    if not isinstance(value, (list, tuple)):
        raise _ShapeError(where, f"must be an array of numbers, not {value!r:.80}")
    return tuple(_number(item, f"{where}[{position}]") for position, item in enumerate(value))


def _join_strategy(value: Any, where: str) -> JoinStrategy:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as in _count
    if not is_join_strategy(value):
        raise _ShapeError(where, f"must be 'all', 'any' or a whole number from 1, not {value!r:.80}")
    return value  # type: ignore[no-any-return]


def is_join_strategy(value: Any) -> bool:
    """Whether it says how several edges are joined."""
    return value in ("all", "any") or (type(value) is int and value >= 1)


def _on(value: Any, where: str) -> On:
    if value not in get_args(On):
        raise _ShapeError(where, f"must be 'success', 'failure' or 'always', not {value!r:.80}")
    return value  # type: ignore[no-any-return]


def _inputs(value: Any, where: str) -> str | dict[str, str]:
    if isinstance(value, str):
        return value
    return {str(key): _string(item, f"{where}.{key}") for key, item in _object(value, where).items()}


def _config(value: Any, where: str) -> NodeConfig:
    return _read(NodeConfig, value, where)


def _nodes(value: Any, where: str) -> tuple[Node, ...]:
    return _list_of(Node, value, where)


def _edges(value: Any, where: str) -> tuple[Edge, ...]:
    return _list_of(Edge, value, where)


def _list_of(cls: type[T], value: Any, where: str) -> tuple[T, ...]:
    if not isinstance(value, (list, tuple)):
        raise _ShapeError(where, f"must be an array, not {value!r:.80}")
    return tuple(_read(cls, item, f"{where}[{position}]") for position, item in enumerate(value))


#: Per class: attribute, its name in the JSON, how it is read. Written in this order.
FIELDS: dict[type, tuple[tuple[str, str, Callable[[Any, str], Any]], ...]] = {
    NodeConfig: (
        ("max_retries", "maxRetries", _count),
        ("retry_delay", "retryDelay", _number),
        ("retry_backoff", "retryBackoff", _number),
        ("retry_max_delay", "retryMaxDelay", _number),
        ("retry_jitter", "retryJitter", _number),
        ("retry_delays", "retryDelays", _numbers),
        ("retry_if", "retryIf", _string),
        ("max_deferrals", "maxDeferrals", _count),
        ("non_retryable_errors", "nonRetryableErrors", _strings),
        ("timeout", "timeout", _number),
        ("fallback", "fallback", _string),
        ("undo", "undo", _string),
        ("undo_unsure", "undoUnsure", _flag),
        ("join_strategy", "joinStrategy", _join_strategy),
        ("lease", "lease", _flag),
        ("queue", "queue", _string),
        ("limit", "limit", _one_or_more),
    ),
    Node: (
        ("id", "id", _identifier),
        ("uses", "uses", _identifier),
        ("params", "params", _data),
        ("inputs", "inputs", _inputs),
        ("config", "config", _config),
    ),
    Edge: (
        ("source", "source", _identifier),
        ("target", "target", _identifier),
        ("action", "action", _string),
        ("condition", "condition", _string),
        ("transform", "transform", _string),
        ("on", "on", _on),
    ),
    Blueprint: (
        ("id", "id", _identifier),
        ("nodes", "nodes", _nodes),
        ("edges", "edges", _edges),
        ("metadata", "metadata", _data),
        ("queue", "queue", _string),
    ),
}
#: The names of the fields in the JSON of a blueprint, a node, an edge, and a node's settings.
FIELD_NAMES: Mapping[type, tuple[str, ...]] = {
    cls: tuple(name for _, name, _ in fields) for cls, fields in FIELDS.items()
}
#: The names of those that must be there.
REQUIRED: Mapping[type, tuple[str, ...]] = {
    Node: ("id", "uses"),
    Edge: ("source", "target"),
    Blueprint: ("id", "nodes"),
}


def _read(cls: type[T], source: Any, where: str) -> T:
    data = _object(source, where)
    for name in REQUIRED.get(cls, ()):
        if data.get(name) is None:
            raise _ShapeError(where, f"has no {name!r}")
    arguments: dict[str, Any] = {}
    for attribute, name, read in FIELDS[cls]:
        # A null stays in `data`, and so in `extra`: it is written back as the null that it was.
        if data.get(name) is not None:
            arguments[attribute] = read(data.pop(name), f"{where}.{name}")
    arguments["extra"] = _data(data, where)
    if cls is Node:
        _check_output_key(arguments, where)
    return cls(**arguments)


def _check_output_key(node: Mapping[str, Any], where: str) -> None:
    key = (node.get("params") or {}).get("outputKey")
    if key is not None and node["uses"] in _WITH_OUTPUT_KEY:
        _string(key, f"{where}.params.outputKey")


def _named(value: Any, where: str) -> None:
    _inputs(value, where)
    for key in value:
        _string(key, f"{where}: a name in it")


def _any(value: Any, where: str) -> None:
    fault = fault_in(value)
    if fault is not None:
        raise _ShapeError(where + fault[0], fault[1])


def _setting(value: Any, where: str) -> None:
    if type(value) is bool:
        return
    _any(value, where)
    try:
        json.dumps(value)
    except TypeError as error:  # it was not copied: a mapping that is no dict is left
        raise _ShapeError(where, f"must be JSON data, not {value!r:.80}") from error


# What is held to its shape also where no JSON was read; all else has rules of its own, and has only to be data.
_HELD: Mapping[str, Callable[[Any, str], object]] = {
    **dict.fromkeys(("id", "uses", "source", "target", "action", "condition", "transform"), _string),
    **dict.fromkeys(("retry_if", "fallback", "undo"), _string),
    **dict.fromkeys(("params", "metadata", "extra"), _data),
    "inputs": _named,
}
# Per class: what is looked at, its name for messages, and how. It is done for each node twice, so it is laid out here.
_LOOKS: Mapping[type, tuple[tuple[str, str, Callable[[Any, str], object]], ...]] = {
    cls: tuple(
        (attribute, name, _HELD.get(attribute, _setting))
        for attribute, name in (*((attribute, name) for attribute, name, _ in fields), ("extra", "extra"))
        if attribute not in {"nodes", "edges", "config"}
    )
    for cls, fields in FIELDS.items()
}


def shape_problem(item: Node | NodeConfig | Edge | Blueprint) -> str | None:
    """What one of these, made in Python, holds that no blueprint can: the field, and what is wrong with it."""
    try:
        for attribute, name, look in _LOOKS[type(item)]:
            value = getattr(item, attribute)
            kind = type(value)
            if value is not None and not (kind is str and look is not _data) and not (kind is dict and not value):
                look(value, name)
        if isinstance(item, Node) and item.params:
            _check_output_key({"params": item.params, "uses": item.uses}, "")
    except _ShapeError as error:
        return str(error).lstrip(".")
    return None


def shape_problems(blueprint: Blueprint) -> list[Problem]:
    """What a blueprint that was made in Python holds and cannot hold, each with its node or edge."""
    problems: list[Problem] = []
    if (problem := shape_problem(blueprint)) is not None:
        problems.append(flows.WRONG_SHAPE.at(None, f"its {problem}"))
    for node in blueprint.nodes:
        problem = shape_problem(node)
        if problem is None and node.config is not None and (inside := shape_problem(node.config)) is not None:
            problem = f"config.{inside}"
        if problem is not None:
            problems.append(flows.WRONG_SHAPE.at(str(node.id), f"node {node.id!r:.80}: {problem}"))
    for edge in blueprint.edges:
        if (problem := shape_problem(edge)) is not None:
            problems.append(flows.WRONG_SHAPE.along(edge.source, edge.target, f": {problem}"))
    return problems


def _write(item: Any) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for attribute, name, _ in FIELDS[type(item)]:
        value = getattr(item, attribute)
        if value is None:
            continue
        if isinstance(value, tuple):
            value = [_write(member) if type(member) in FIELDS else member for member in value]
        elif isinstance(value, NodeConfig):
            value = _write(value)
        data[name] = value
    return {**data, **item.extra}
