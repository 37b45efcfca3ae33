"""Every set-up on Azure that is broken on purpose is named rightly, and the one that is not is left in peace."""

from __future__ import annotations

import pytest
from azure_breakages import BREAKAGES
from breakage import Breakage, wrong_about, wrong_about_health
from flowcraft_azure.symptoms import SYMPTOMS
from places import Place


@pytest.mark.parametrize("breakage", BREAKAGES.all, ids=lambda each: each.name)
async def test_it_is_named_rightly(breakage: Breakage, lasting_place: Place) -> None:
    assert await wrong_about(breakage, lasting_place) == ""


@pytest.mark.parametrize("redis", [True, False])
async def test_what_is_healthy_has_no_findings(place: Place, redis: bool) -> None:
    assert await wrong_about_health(place.backend(redis=redis)) == ""


async def test_a_client_that_was_given_unopened_can_be_opened_after(place: Place) -> None:
    """SDK clients cannot be opened twice: one that the doctor had closed would be of no use any more."""
    backend = place.backend(redis=False)
    queue, cosmos = place.emulators.queue_client(place.name), place.emulators.cosmos_client()
    given = type(backend)(queue_client=queue, cosmos_client=cosmos, cosmos_database_name=place.name)
    assert await wrong_about_health(given) == ""
    async with given:
        assert await wrong_about_health(given) == ""
        assert await given.status.get("nobody") is None


def test_every_finding_has_a_breakage() -> None:
    """But for what the services say of which nobody has thought."""
    shown = {breakage.code for breakage in BREAKAGES.all}
    assert {symptom.code for symptom in SYMPTOMS} - shown == {"AZURE-UNUSABLE"}
