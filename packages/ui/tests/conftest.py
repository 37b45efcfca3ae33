from collections.abc import AsyncIterator

import pytest

from .helpers import Place, working


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with working() as opened:
        yield opened
