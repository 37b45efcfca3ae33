from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def quiet() -> Iterator[None]:
    """What is made to fail has much to say."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)
