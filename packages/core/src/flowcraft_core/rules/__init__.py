"""The rules that flows are held to, each with a code. One list: whatever refuses a flow names a rule of it.

``flowcraft_core.linting`` looks at a flow by all of them, and has an example of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType

from . import constructs, data, decorated, flows, graphs, standing_in, steps
from .rule import Problem, Rule, Severity

__all__ = ["RULES", "TOPICS", "Problem", "Rule", "Severity"]

#: What the codes of a hundred are about, and the module that has their rules.
TOPICS: Mapping[str, ModuleType] = {
    "FC0": flows,
    "FC1": graphs,
    "FC2": constructs,
    "FC3": standing_in,
    "FC4": data,
    "FC5": steps,
    "FC6": decorated,
}


def _rules() -> Iterator[Rule]:
    for module in TOPICS.values():
        yield from (value for value in vars(module).values() if isinstance(value, Rule))


#: Every rule, by its code.
RULES: Mapping[str, Rule] = {rule.code: rule for rule in sorted(_rules(), key=lambda rule: rule.code)}
