"""Every set-up on AWS that is broken on purpose is named rightly, and the one that is not is left in peace."""

from __future__ import annotations

import pytest
from aws_breakages import BREAKAGES
from aws_emulators import Place
from breakage import Breakage, wrong_about, wrong_about_health
from flowcraft_aws.symptoms import SYMPTOMS


@pytest.fixture
def place(localstack: str, moto: str) -> Place:
    """A queue and tables as they should be."""
    return Place.provisioned(sqs=localstack, dynamodb=moto)


@pytest.mark.parametrize("breakage", BREAKAGES.all, ids=lambda each: each.name)
async def test_it_is_named_rightly(breakage: Breakage, place: Place) -> None:
    assert await wrong_about(breakage, place) == ""


async def test_what_is_healthy_has_no_findings(place: Place) -> None:
    assert await wrong_about_health(place.backend()) == ""
    assert await wrong_about_health(place.backend(queue_url=place.queue_url.rpartition("/")[2])) == "", "by its name"


def test_what_no_emulator_can_show_is_known() -> None:
    """Their tables are there at once; the package's own tests play what comes before."""
    shown = {breakage.code for breakage in BREAKAGES.all}
    unshown = {"AWS-INDEX-NOT-ACTIVE", "AWS-TABLE-NOT-ACTIVE", "AWS-UNUSABLE"}
    assert {symptom.code for symptom in SYMPTOMS} - shown == unshown
