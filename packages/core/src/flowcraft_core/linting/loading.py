"""Flows by reference, for the command line: ``module:name``, ``file.py``, ``file.py:name`` or ``file.json``."""

from __future__ import annotations

import importlib
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..blueprint import Blueprint
from ..definition import FlowDefinition
from ..errors import ConfigurationError, FlowcraftError
from ..failures import reason_of
from ..runtime import FlowRuntime

_KINDS = (FlowDefinition, Blueprint, FlowRuntime)


def load(reference: str) -> list[FlowDefinition | Blueprint | FlowRuntime]:
    """What a reference names: one flow, or all at the top level of a module or file.

    Raises:
        ConfigurationError: There is nothing of that name, or no flow in it.
        FlowcraftError: Describing a flow raised it.
    """
    place, _, name = reference.partition(":")
    if place.endswith(".json"):
        return [Blueprint.from_json(_file(place).read_bytes())]
    there = _imported(place, reference)
    if name:
        there = {name: there.get(name)}
    found = {id(value): value for each, value in there.items() if isinstance(value, _KINDS) and each[:1] != "_"}
    if not found:
        raise ConfigurationError(f"{reference}: there is no Flow, FlowBuilder, Blueprint or FlowRuntime")
    return list(found.values())


def _imported(place: str, reference: str) -> Mapping[str, Any]:
    """What stands at the top level of a file or a module."""
    try:
        if place.endswith(".py"):
            return runpy.run_path(str(_file(place)), run_name=Path(place).stem)
        return vars(importlib.import_module(place))
    except FlowcraftError:
        raise
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{reference}: there is no module {error.name!r}") from error
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"{reference}: it cannot be imported: {reason_of(error)}") from error


def _file(path: str) -> Path:
    if not Path(path).is_file():
        raise ConfigurationError(f"there is no file {path!r}")
    return Path(path)
