"""An example of each rule: a flow that breaks it, and one that does not. Texts, which are run by the tests.

They begin all alike, with ``PRELUDE``, and each ends with a ``flow``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from ...rules import RULES
from . import constructs, data, decorated, flows, graphs, standing_in, steps

#: With what each example begins.
PRELUDE = inspect.cleandoc(
    """
    from typing import Any, TypedDict

    from flowcraft_core import Blueprint, Flow, FlowRuntime, NodeConfig, NodeResult, SyncNodeContext, create_flow
    from flowcraft_core.blueprint import Edge, Node


    def step(ctx):
        return ctx.input
    """
)
_MODULES = (flows, graphs, constructs, standing_in, data, steps, decorated)
_GIVEN = {rule: pair for module in _MODULES for rule, pair in module.EXAMPLES.items()}

#: By the rule's code: a flow that breaks it and no other, and one that breaks none.
EXAMPLES: Mapping[str, tuple[str, str]] = {
    code: (inspect.cleandoc(_GIVEN[rule][0]), inspect.cleandoc(_GIVEN[rule][1]))
    for code, rule in RULES.items()
    if rule in _GIVEN
}
