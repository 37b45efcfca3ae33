"""Programs that leave out, or mistake, what stands around their steps."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from flowcraft_core import dependencies as dependencies_module
from flowcraft_core import execution as execution_module
from flowcraft_core import middleware as middleware_module

from ...contracts import BackendContract
from ..mutant import replaces

# What the program has that was there first.
_FIRST: dict[str, Any] = {}


@replaces(
    (middleware_module, "around"),
    caught_by=BackendContract.test_what_stands_around_steps_is_around_each_call,
    name="surrounding.NobodyStandsThere",
)
def nobody(original: Any, middleware: Any, call: Any, begin: Any) -> Awaitable[Any]:
    """Calls its steps by itself."""
    made: Awaitable[Any] = begin()
    return made


@replaces(
    (middleware_module, "around"),
    caught_by=BackendContract.test_what_stands_around_steps_is_around_each_call,
    name="surrounding.UndosByThemselves",
)
def undos_by_themselves(original: Any, middleware: Any, call: Any, begin: Any) -> Awaitable[Any]:
    """Undoes what was done without what stands around steps."""
    made: Awaitable[Any] = begin() if call.role == "undo" else original(middleware, call, begin)
    return made


@replaces(
    (middleware_module, "role_of"),
    caught_by=BackendContract.test_what_stands_around_steps_is_around_each_call,
    name="surrounding.AllAreSteps",
)
def all_steps(original: Any, role: str) -> str:
    """Tells of a fallback and an undo as of the step itself."""
    return "step"


@replaces(
    (dependencies_module, "dependencies_of"),
    caught_by=BackendContract.test_what_a_program_provides_is_given_to_the_steps_that_it_executes,
    name="surrounding.FirstProgramProvides",
)
def first_provides(original: Any, given: Any) -> Any:
    """Gives its steps what another program has that was there before."""
    if given is None:
        return original(given)
    return _FIRST.setdefault("provided", original(given))


@replaces(
    (execution_module, "copy_of"),
    caught_by=BackendContract.test_what_a_step_does_to_its_params_stays_with_its_attempt,
    name="surrounding.ParamsOfTheBlueprint",
)
def params_of_the_blueprint(original: Any, value: Any) -> Any:
    """Gives its steps the parameters of the blueprint themselves."""
    return value
