"""Listens to what the engine logs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Heard(logging.Handler):
    """Keeps the engine's records.

    Attributes:
        records: All of them, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)

    def of(self, *events: str, **fields: Any) -> list[Any]:
        """The records of events, in order, with these values in their fields."""
        return [
            record
            for record in self.records
            if (given := vars(record)).get("event") in events
            and all(given.get(name) == value for name, value in fields.items())
        ]

    def one(self, event: str, **fields: Any) -> Any:
        """The only record of an event with these values.

        Raises:
            AssertionError: There is none, or more than one.
        """
        found = self.of(event, **fields)
        assert len(found) == 1, f"{event} of {fields} was told {len(found)} times, not once"
        return found[0]

    def story(self, run_id: str) -> list[str]:
        """The events of a run, in order, at INFO and above."""
        found = [record for record in self.records if record.levelno >= logging.INFO]
        return [vars(record)["event"] for record in found if vars(record).get("run_id") == run_id]


@contextmanager
def listening() -> Iterator[Heard]:
    """Hear all that the engine logs from INFO on, whatever else is done with it."""
    heard, logger = Heard(), logging.getLogger("flowcraft")
    level = logger.level
    logger.addHandler(heard)
    logger.setLevel(logging.INFO)
    try:
        yield heard
    finally:
        logger.setLevel(level)
        logger.removeHandler(heard)
