"""The JSON Schema of a blueprint, made of the very table by which blueprints are read.

It accepts what ``Blueprint.from_json`` accepts, and nothing else: the shape. What a blueprint of that shape cannot mean
is told by ``flowcraft lint``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from . import blueprint as read
from .blueprint import Blueprint, Edge, Node, NodeConfig

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NUMBER = {"type": "number", "minimum": 0}
_STRINGS = {"type": "array", "items": {"type": "string"}}
#: What each reader of a field takes.
_TAKES: Mapping[Callable[..., Any], Mapping[str, Any]] = {
    read._string: {"type": "string"},
    read._identifier: {"type": "string", "minLength": 1},
    read._data: {"type": "object"},
    read._number: _NUMBER,
    read._count: {"type": "integer", "minimum": 0},
    read._flag: {"type": "boolean"},
    read._strings: _STRINGS,
    read._numbers: {"type": "array", "items": _NUMBER},
    read._one_or_more: {"anyOf": [{"type": "string"}, _STRINGS]},
    read._join_strategy: {"anyOf": [{"enum": ["all", "any"]}, {"type": "integer", "minimum": 1}]},
    read._on: {"enum": ["success", "failure", "always"]},
    read._inputs: {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]},
    read._config: {"$ref": "#/$defs/config"},
    read._nodes: {"type": "array", "items": {"$ref": "#/$defs/node"}},
    read._edges: {"type": "array", "items": {"$ref": "#/$defs/edge"}},
}
# What a batch names its results is text; the parameters of a step are its own.
_OUTPUT_KEY: Mapping[str, Any] = {
    "if": {"properties": {"uses": {"enum": sorted(read._WITH_OUTPUT_KEY)}}},
    "then": {"properties": {"params": {"properties": {"outputKey": {"type": ["string", "null"]}}}}},
}


def blueprint_schema() -> dict[str, Any]:
    """The schema, as JSON data."""
    return {
        "$schema": DIALECT,
        "title": "A Flowcraft blueprint",
        **_of(Blueprint),
        "$defs": {"node": {**_of(Node), **_OUTPUT_KEY}, "edge": _of(Edge), "config": _of(NodeConfig)},
    }


def _of(cls: type) -> dict[str, Any]:
    """The schema of one of the classes: fields that it does not know are kept by the reader, and so allowed here."""
    about = _attributes(cls)
    required = read.REQUIRED.get(cls, ())
    properties: dict[str, Any] = {}
    for attribute, name, reader in read.FIELDS[cls]:
        takes = dict(_TAKES[reader])
        if name not in required:  # a null is as if it was not there
            takes = {"anyOf": [*takes["anyOf"], {"type": "null"}]} if "anyOf" in takes else _or_null(takes)
        properties[name] = {"description": about[attribute], **takes}
    summary = (cls.__doc__ or "").partition("\n")[0]
    found: dict[str, Any] = {"description": summary, "type": "object", "properties": properties}
    return {**found, "required": list(required)} if required else found


def _or_null(takes: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [takes, {"type": "null"}]}


def _attributes(cls: type) -> dict[str, str]:
    """What the class says of its attributes, on a line each."""
    listed = (cls.__doc__ or "").partition("Attributes:\n")[2]
    found = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", listed, re.MULTILINE)
    return {name: " ".join(text.split()).replace("``", "") for name, text in found}
