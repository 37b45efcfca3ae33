"""Engines that mistake the end of a step for something else, or their own failure for the step's."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
from flowcraft_core import calling as calling_module
from flowcraft_core import contexts as contexts_module
from flowcraft_core import execution as execution_module
from flowcraft_core import failures as failures_module
from flowcraft_core.contexts import BaseContext
from flowcraft_core.durable import storage as storage_module
from flowcraft_core.durable.engine import Engine
from flowcraft_core.durable.poison import PoisonCount
from flowcraft_core.errors import StepEndedError
from flowcraft_core.execution import Executor
from flowcraft_core.threads import StepThreads

from ...contracts import BackendContract
from ..mutant import replaces, sets

# --- whose end it is --------------------------------------------------------------------------------------------------


@replaces(
    (calling_module, "_end_of"),
    caught_by=BackendContract.test_whatever_a_step_raises_is_a_failed_attempt,
    name="engine.OnlyExceptionsFail",
)
def gets_through(original: Any, ended: BaseException, **what: bool) -> Any:
    """Lets what an async step raises out of the engine, if it is no ordinary exception."""
    if not isinstance(ended, (Exception, asyncio.CancelledError)):
        raise ended
    return original(ended, **what)


@replaces(
    (StepThreads, "run"),
    caught_by=BackendContract.test_whatever_a_step_raises_is_a_failed_attempt,
    name="engine.OnlyExceptionsOfThreadsFail",
)
async def gets_out_of_threads(original: Any, self: Any, function: Any, began: Any = None) -> Any:
    """Lets what a plain step raises out of the engine, if it is no ordinary exception."""
    try:
        return await original(self, function, began)
    except StepEndedError as error:
        raise (error.__cause__ or error) from None


@replaces(
    (calling_module, "_end_of"),
    caught_by=BackendContract.test_a_step_that_cancels_itself_has_failed_and_is_tried_again,
    name="engine.EveryCancellationIsTheEngines",
)
def cut_off(original: Any, ended: BaseException, **what: bool) -> Any:
    """Takes a step that cancelled itself for one that the engine has cut off."""
    if isinstance(ended, asyncio.CancelledError):
        raise ended
    return original(ended, **what)


@replaces(
    (calling_module, "_end_of"),
    caught_by=BackendContract.test_a_step_that_cancels_itself_has_failed_and_is_tried_again,
    name="engine.LateCancellationIsLost",
)
def all_is_well(original: Any, ended: BaseException, **what: bool) -> Any:
    """Takes a step that cancelled its task just before it returned for one that has completed."""
    return original(ended, **{**what, "missed": False})


@replaces(
    (calling_module, "_end_of"),
    caught_by=BackendContract.test_what_ends_a_worker_is_no_failure_of_its_steps,
    name="engine.EveryErrorIsTheSteps",
)
def blamed(original: Any, ended: BaseException, **what: bool) -> Any:
    """Takes what a step makes of the worker's end for a failure of its own."""
    return original(ended, **{**what, "others": False})


# --- what is told -----------------------------------------------------------------------------------------------------


@replaces(
    (failures_module, "safe_text"),
    caught_by=BackendContract.test_a_failure_that_cannot_be_told_fails_its_node_by_name,
    name="engine.ErrorsAsTheyAre",
)
def as_it_is(original: Any, text: str, limit: int) -> str:
    """Stores the text of errors as it is."""
    return text


@replaces(
    (failures_module, "safe_text"),
    caught_by=BackendContract.test_a_failure_that_cannot_be_told_fails_its_node_by_name,
    name="engine.ErrorsOfAnyLength",
)
def at_length(original: Any, text: str, limit: int) -> str:
    """Stores errors of any length."""
    told: str = original(text, 1 << 60)
    return told


@replaces(
    (failures_module, "text_of"),
    caught_by=BackendContract.test_a_failure_that_cannot_be_told_fails_its_node_by_name,
    name="engine.ErrorsMustHaveWords",
)
def in_its_own_words(original: Any, error: BaseException) -> str:
    """Asks an error for its text, and does not expect that this may fail."""
    str(error)
    told: str = original(error)
    return told


@replaces(
    (execution_module, "require_name"),
    (contexts_module, "require_name"),
    caught_by=BackendContract.test_a_name_that_cannot_be_stored_fails_its_node_by_name,
    name="engine.AnyName",
)
def any_name(original: Any, name: Any, what: str) -> Any:
    """Takes actions and names of context values as they come."""
    return name


# --- the engine's own failures ----------------------------------------------------------------------------------------


@replaces(
    (Engine, "_in_trouble"),
    caught_by=BackendContract.test_an_engine_that_fails_at_a_node_fails_that_node_in_the_end,
    name="engine.ItsOwnFailuresDoNotCount",
)
async def comes_back(original: Any, self: Any, error: Exception) -> Any:
    """Counts a delivery at which the engine failed among those that came to a good end."""
    await self._poison.come_back()
    raise error


@replaces(
    (PoisonCount, "trouble"),
    caught_by=BackendContract.test_an_engine_that_fails_at_a_node_fails_that_node_in_the_end,
    name="engine.BlamesTheProcess",
)
async def unknown(original: Any, self: Any, incarnation: str, key: str) -> None:
    """Forgets with what the engine has failed, and says that the step ends its process."""


@replaces(
    (PoisonCount, "note_trouble"),
    caught_by=BackendContract.test_an_engine_that_cannot_go_on_from_a_node_fails_the_run_in_the_end,
    name="engine.StuckForEver",
)
async def first_time(original: Any, self: Any, incarnation: str, job: str, key: str, what: str) -> int:
    """Takes each failure of the engine for the first one."""
    return 1


# --- fallbacks --------------------------------------------------------------------------------------------------------


@replaces(
    (Executor, "attempt"),
    caught_by=BackendContract.test_a_fallback_knows_what_failed_and_has_a_key_of_its_own,
    name="engine.FallbackKnowsNothing",
)
async def uninformed(original: Any, self: Any, instance: Any, number: int = 1, **options: Any) -> Any:
    """Does not tell a fallback why it is needed."""
    return await original(self, instance, number, **{**options, "primary_error": None})


@replaces(
    (storage_module, "suspension_to_record"),
    caught_by=BackendContract.test_a_fallback_knows_what_failed_and_has_a_key_of_its_own,
    name="storage.RetriedFallbackForgets",
)
def forgetful(original: Any, suspension: Any) -> Any:
    """Does not keep, between the attempts of a fallback, why it is needed."""
    return original(attrs.evolve(suspension, primary_error=None))


sets(
    BaseContext,
    "idempotency_key",
    property(lambda self: f"{self.run_id}:{self._instance.identity}"),
    caught_by=BackendContract.test_a_fallback_knows_what_failed_and_has_a_key_of_its_own,
    name="engine.FallbackSharesTheKey",
    defect="Gives a fallback the idempotency key of what it stands in for.",
)
