"""Queues by name that are one, or each client's own, or that nobody hears of."""

# ruff: noqa: D102 - a class says what is wrong with it, and the port what its methods are to do
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...contracts import BackendContract
from ...memory.queue import InMemoryJobQueue
from .port import BrokenPort, caught_by, private_backend


class BrokenQueues(BrokenPort):
    """Queues by name."""

    name = "queues"


@caught_by(BackendContract.test_what_is_sent_to_a_queue_is_received_from_no_other)
class OneForAll(BrokenQueues):
    """Has one queue, by whatever name."""

    def named(self, name: str) -> Any:
        return self._port.named("bulk")


@caught_by(BackendContract.test_what_is_sent_to_a_queue_is_received_from_no_other)
class QueuesOfTheClient(BrokenQueues):
    """Keeps the messages of queues by name in the memory of the client that sent them."""

    def __init__(self, port: Any) -> None:
        super().__init__(private_backend().queues)


@caught_by(BackendContract.test_queues_that_have_messages_are_named)
class NamesUnknown(BrokenQueues):
    """Names no queue, however many messages it has."""

    async def names(self) -> Sequence[str]:
        return []


@caught_by(BackendContract.test_queues_that_have_messages_are_named)
class DepthOfTheDefault(BrokenQueues):
    """Tells of each queue how many messages the default one has."""

    def named(self, name: str) -> Any:
        queue = self._port.named(name)
        store = self._port._table.of("nobody's")
        queue.depth = InMemoryJobQueue(self._port._connection, store).depth
        return queue
