"""What goes on beside what cannot be read: workers, and runs that have nothing to do with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import expect
from durable_backend import Durable
from flowcraft_core import FlowBuilder, create_flow
from flowcraft_testkit.contracts.interposed import Call
from small_steps import echo, gives


def waits() -> FlowBuilder:
    """A flow that waits, so that its run is there for as long as it is needed."""
    return create_flow("waits").wait("pause").node("after", echo).edge("pause", "after")


@attrs.define
class Beside:
    """Workers, and runs that have nothing to do with what is unreadable."""

    backend: Durable
    received: Counter[str] = attrs.field(factory=Counter)

    async def begin(self) -> None:
        """Start a run that waits, on workers that look at runs often."""

        async def around(operation: str, call: Call) -> Any:
            result = await call()
            if operation == "queue.receive":
                self.received.update(delivery.body for delivery in result)
            return result

        self.backend.around = around
        self.backend.deploy(waits(), create_flow("plain").node("only", gives(1)))
        run = await self.backend.start("waits", run_id="beside")
        expect.status(await run.result(), "awaiting")

    async def pass_minutes(
        self, failed: Iterable[str] = (), letters: Iterable[str] = (), either: Mapping[str, str] | None = None
    ) -> None:
        """Let time pass until all of this has happened; an hour at most.

        Args:
            failed: Runs that must have failed.
            letters: Messages that must be dead letters.
            either: Runs with messages, one of which must be so.
        """
        client = await self.backend.client()
        left, unread, undecided = set(failed), set(letters), dict(either or {})

        async def is_done() -> bool:
            nonlocal left, unread, undecided
            dead = [letter.body or "" for letter in await client.dead_letters()]
            unread = {body for body in unread if not any(is_of(letter, body) for letter in dead)}
            left = {run_id for run_id in left if (await client.status(run_id)).state != "failed"}
            undecided = {
                run_id: body
                for run_id, body in undecided.items()
                if not any(is_of(letter, body) for letter in dead) and (await client.status(run_id)).state != "failed"
            }
            return not (left or unread or undecided)

        if not await self.backend.comes_to_hold(is_done, within=3_600.0, every=60.0):
            messages = [body[:80] for body in sorted([*unread, *undecided.values()])]
            states = [f"{run_id!r} is {(await client.status(run_id)).state}" for run_id in sorted(left)]
            raise AssertionError(f"not in time: {messages} {states}")

    async def all_is_well(self) -> None:
        """Workers and the reconcilers in them go on, and no message comes again and again."""
        backend, client = self.backend, await self.backend.client()
        expect.equal("the workers that have ended", backend.ended, [])
        again: list[str] = []
        before = Counter(self.received)

        async def is_quiet() -> bool:
            nonlocal again, before
            again = [body[:80] for body in self.received - before if _is_odd(body)]
            before = Counter(self.received)
            return not again

        await backend.pass_time(300.0)
        await backend.comes_to_hold(is_quiet, within=1_500.0, every=100.0)
        expect.equal("the messages that still come", again, [])
        await backend.run_of("beside").resume("pause")
        expect.completed(await backend.run_of("beside").result())
        expect.completed(await (await backend.start("plain", run_id="afterwards")).result())
        await backend.leave()
        await client.start("plain", run_id="lost")
        await backend.lose_messages()
        await backend.staff()
        await backend.until_ended("lost")  # only a reconciler knows of it
        expect.equal("the workers that have ended", backend.ended, [])


def is_of(letter: str, body: str) -> bool:
    """Whether a dead letter is a message, or is what became of it when it was passed on."""
    marks = re.findall(r'"(?:id|nodeId)":("[a-z]+[0-9]*")', body)
    return letter == body or any(mark in letter for mark in marks)


def _is_odd(body: str) -> bool:
    return '"beside"' not in body and '"afterwards"' not in body
