"""Data as YAML text and back, by PyYAML, which is imported once somebody writes YAML.

PyYAML reads YAML 1.1, in which ``on`` is true and ``12:30`` is 750. Here words mean what they mean in YAML 1.2's core
schema, which is JSON's and little more; what JSON has no form for (dates, bytes, tags, keys that are no text) is
refused by its line. Nothing but plain data is ever made of a text.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable
from typing import Any

import attrs

from .errors import ConfigurationError

_TAG = "tag:yaml.org,2002:"
# Plain words that are no text: what they are, by which letters they begin.
_WORDS = (
    ("null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"), list("tTfF")),
    ("int", re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"), list("-+0123456789")),
    (
        "float",
        re.compile(r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|nan)|\.Inf|\.NaN)\Z"),
        list("-+0123456789."),
    ),
)
#: So many values a text may stand for: aliases can make a short one stand for more than fits into memory.
MOST_VALUES = 200_000


class _NotPlainError(ValueError):
    """A text is YAML, and stands for more than data."""

    def __init__(self, node: Any, problem: str) -> None:
        super().__init__(f"line {node.start_mark.line + 1}: {problem}")


@attrs.define
class Lines:
    """On which line of a text each field stands.

    Attributes:
        by_name: By the field's name, as in ``blueprint.nodes[3].config``; counted from 1.
    """

    by_name: dict[str, int] = attrs.field(factory=dict)

    def prefix(self, name: str) -> str:
        """What is said before a problem with a field."""
        return f"line {self.by_name[name]}: " if name in self.by_name else ""


def read_yaml(source: str | bytes, lines: Lines) -> Any:
    """The data that a text stands for.

    Args:
        source: The text.
        lines: Takes the lines of its fields.

    Raises:
        ValueError: It is no YAML, or more than data; the message names the line.
        ConfigurationError: PyYAML is missing.
    """
    yaml = _yaml()
    try:
        root = yaml.compose(source, Loader=_loader(yaml))
        if root is None:
            raise ValueError("it is empty")
        return _Reader(lines).read(root, "blueprint")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise ValueError(f"{where}{error.problem or error.context}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError:
        raise ValueError("it is nested too deeply, or in itself") from None


def write_yaml(data: Any) -> str:
    """Data as text, in the order in which it is.

    Raises:
        ConfigurationError: PyYAML is missing.
    """
    yaml = _yaml()
    text: str = yaml.dump(data, Dumper=_dumper(yaml), sort_keys=False, allow_unicode=True, width=120)
    return text


@attrs.define
class _Reader:
    lines: Lines
    _values: int = 0

    def read(self, node: Any, name: str) -> Any:
        self._values += 1
        if self._values > MOST_VALUES:
            raise _NotPlainError(node, f"it stands for more than {MOST_VALUES:,} values")
        self.lines.by_name.setdefault(name, node.start_mark.line + 1)
        kind = node.tag.removeprefix(_TAG)
        if kind == "seq":
            return [self.read(item, f"{name}[{place}]") for place, item in enumerate(node.value)]
        if kind == "map":
            return self._mapping(node, name)
        if kind not in _SCALARS:
            raise _NotPlainError(node, f"{name} has the tag {node.tag!r}, which stands for no plain data")
        value = _SCALARS[kind](node.value)
        if isinstance(value, float) and not math.isfinite(value):
            raise _NotPlainError(node, f"{name} is {node.value}, a number that JSON has not")
        return value

    def _mapping(self, node: Any, name: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key.value, str):
                raise _NotPlainError(key, f"a key in {name} is a list or a mapping, where JSON has text alone")
            if key.tag != f"{_TAG}str":
                raise _NotPlainError(key, f"a key in {name} is no text: put {key.value!r:.80} in quotes")
            if key.value in found:
                raise _NotPlainError(key, f"{name} has {key.value!r:.80} twice")
            found[key.value] = self.read(value, f"{name}.{key.value}")
        return found


def _int(text: str) -> int:
    return int(text[2:], 8) if text.startswith("0o") else int(text[2:], 16) if text.startswith("0x") else int(text)


def _float(text: str) -> float:
    return float(text.replace(".inf", "inf").replace(".Inf", "inf").replace(".nan", "nan").replace(".NaN", "nan"))


_SCALARS: dict[str, Callable[[str], Any]] = {
    "str": str,
    "null": lambda _: None,
    "bool": lambda text: text.lower() == "true",
    "int": _int,
    "float": _float,
}


def _yaml() -> Any:
    try:
        return importlib.import_module("yaml")
    except ImportError as error:
        raise ConfigurationError("YAML needs the package PyYAML: pip install 'flowcraft-core[yaml]'") from error


def _loader(yaml: Any) -> Any:
    loader: Any = type("_Loader", (yaml.SafeLoader,), {"yaml_implicit_resolvers": {}})
    for kind, pattern, first in _WORDS:
        loader.add_implicit_resolver(f"{_TAG}{kind}", pattern, first)
    return loader


def _dumper(yaml: Any) -> Any:
    """One that puts in quotes whatever is no text in either version: others may read it by the older one."""
    dumper: Any = type("_Dumper", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})
    for kind, pattern, first in _WORDS:
        dumper.add_implicit_resolver(f"{_TAG}{kind}", pattern, first)
    dumper.add_representer(str, _as_text)
    return dumper


def _as_text(dumper: Any, text: str) -> Any:
    # PyYAML writes some ends of lines as they are, and takes them for a blank when it reads them.
    style = '"' if re.search("[\x85\u2028\u2029]", text) else None
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)
