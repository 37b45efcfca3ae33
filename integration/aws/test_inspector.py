"""The inspector over SQS and DynamoDB."""

from __future__ import annotations

from aws_emulators import Place
from looked_at import looked_at


async def test_every_view_is_shown_on_aws(place: Place) -> None:
    async with place.backend() as backend:
        await looked_at(backend)
