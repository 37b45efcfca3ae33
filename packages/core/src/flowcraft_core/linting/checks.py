"""The checks: each finds what some rules warn of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from ..graph.missed import failures_missed
from ..rules import Problem
from .about_actions import lost_actions, unknown_actions
from .about_calls import endless_waits, several_ends
from .about_loops import unchanging_loops
from .about_names import misspelt_fields, misspelt_inputs, misspelt_outputs, unknown_names
from .about_ways import dicts_of_branches, edges_drawn_twice, joins_that_never_fire, orphans, unreachable
from .subject import Subject

Check: TypeAlias = Callable[[Subject], Iterable[Problem]]

#: Every check. They take a flow that can be compiled: the errors are those of building it.
CHECKS: Sequence[Check] = (
    misspelt_fields,
    orphans,
    unreachable,
    joins_that_never_fire,
    dicts_of_branches,
    edges_drawn_twice,
    lambda subject: failures_missed(subject.graph) if subject.is_drawn else (),  # what is wired waits for what it needs
    unknown_actions,
    lost_actions,
    endless_waits,
    several_ends,
    unknown_names,
    unchanging_loops,
    misspelt_inputs,
    misspelt_outputs,
)
