"""Names of a package that are fetched from their modules when they are asked for (PEP 562).

A package whose names are asked for one by one lists its imports for type checkers only, and the same names here, by
module: what a program does not use, it does not import.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def on_demand(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]], Mapping[str, str]]:
    """The ``__getattr__`` and ``__dir__`` of a package, and the module of each of its names.

    Args:
        package: Its name.
        modules: The names by module, the latter relative to the package: ``{"graph.facts": "NodeError Outcome"}``.
    """
    module_of = {name: module for module, names in modules.items() for name in names.split()}
    known = vars(sys.modules[package])

    def fetch(name: str) -> object:
        module = module_of.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = known[name] = getattr(import_module(f".{module}", package), name)
        return value

    def names() -> list[str]:
        return sorted({*known, *module_of})

    return fetch, names, module_of
