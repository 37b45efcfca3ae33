"""Programs that let limits be exceeded, keep places for ever, or say nothing of what waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowcraft_core.durable import reconciler as reconciler_module
from flowcraft_core.durable.describing import reading as reading_module
from flowcraft_core.durable.limits import FleetLimits, Places

from ...contracts import BackendContract
from ..mutant import replaces


@replaces(
    (FleetLimits, "take"),
    caught_by=BackendContract.test_no_more_attempts_are_under_way_than_a_limit_says,
    name="limiting.Unlimited",
)
async def unlimited(original: Any, self: FleetLimits, names: Sequence[str], **options: Any) -> Places:
    """Begins without a place where there is none."""
    return await original(self, names, **options) or Places(names)


@replaces(
    (FleetLimits, "renew"),
    caught_by=BackendContract.test_an_attempt_that_takes_long_keeps_its_place,
    name="limiting.NeverRenewed",
)
async def never_renewed(original: Any, self: FleetLimits, places: Places) -> None:
    """Lets places lapse under a step that takes long."""


@replaces(
    (FleetLimits, "give_back"),
    caught_by=BackendContract.test_no_place_is_held_between_attempts,
    name="limiting.NeverGivenBack",
)
async def never_given_back(original: Any, self: FleetLimits, places: Places) -> None:
    """Keeps a place until its time is over."""


@replaces(
    (reconciler_module, "limited_key"),
    caught_by=BackendContract.test_what_waits_for_a_place_is_seen_and_left_alone,
    name="limiting.RevivesWhatWaits",
)
def revives_what_waits(original: Any, record: Any, key: str) -> str:
    """Sends a job again that looks for a place by itself."""
    return f"{original(record, key)}:elsewhere"


@replaces(
    (reading_module, "limited_key"),
    caught_by=BackendContract.test_what_waits_for_a_place_is_seen_and_left_alone,
    name="limiting.Untold",
)
def untold(original: Any, record: Any, key: str) -> str:
    """Shows what waits for a place as if it waited for a worker."""
    return f"{original(record, key)}:elsewhere"


@replaces(
    (FleetLimits, "_first"),
    caught_by=BackendContract.test_the_place_of_a_killed_worker_is_free_after_its_time,
    name="limiting.HeldForEver",
)
async def held_for_ever(original: Any, self: FleetLimits, keys: Sequence[str], places: Places, ttl: float) -> str:
    """Takes places for so long that nobody lives to see their end."""
    found: str = await original(self, keys, places, 1_000 * ttl)
    return found
