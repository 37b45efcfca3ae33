"""What the steps of a described flow do, as answers and as functions for the registry."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from flowcraft_core import Gathered, NodeContext, NodeResult, RetryAfter
from flowcraft_core.steps import Step as Function

from .flows import Batch, Flow, Step, Turn, Wait

#: The name of what reminds in the registry.
REMINDER = "remind"

#: The name of what reduces the results of batches.
REDUCER = "reduce"


class ScriptedError(Exception):
    """A step fails because its turn says so."""


@attrs.frozen
class Answer:
    """What an attempt at a step gives.

    Attributes:
        output: Its output.
        action: Its action.
        sets: The context values that it sets.
        deletes: The names of those that it deletes.
    """

    output: Any
    action: str | None
    sets: dict[str, Any]
    deletes: tuple[str, ...]


class Script:
    """Gives the results of steps from what they are and what they are given, never from when they run."""

    def __init__(self, flow: Flow) -> None:
        self.turns: dict[str, tuple[Turn, ...]] = dict(turns_of(flow))

    def turn(self, uses: str, key: str) -> Turn:
        """What a step does at an instance's key."""
        turns = self.turns[uses]
        return turns[sum(_indexes(key)) % len(turns)]

    def __call__(self, uses: str, key: str, value: Any, read: Mapping[str, Any], attempt: int) -> Answer:
        """What an attempt comes to.

        Raises:
            ScriptedError: It fails.
        """
        turn = self.turn(uses, key)
        if turn.fails or attempt <= turn.flaky:
            raise ScriptedError(f"{uses} fails at attempt {attempt}")
        said = json.dumps([uses, key, plain(value), plain(dict(read))], sort_keys=True)
        seen = hashlib.sha256(said.encode()).hexdigest()[:8]
        n = 0 if any(index >= 2 for index in _indexes(key)) else turn.n
        output = {"v": seen, "n": n, "l": [seen, n, 7][: turn.items]}
        return Answer(output, turn.action, {name: {"v": key, "n": n} for name in turn.sets}, turn.deletes)

    def answer(self, uses: str, ctx: NodeContext[Any, Any], value: Any, read: Mapping[str, Any]) -> Answer:
        """What the attempt comes to that a context is for."""
        if ctx.deferrals < self.turn(uses, ctx.key).defers:
            raise RetryAfter(2, counts=False)
        return self(uses, ctx.key, value, read, ctx.attempt)

    def registry(self) -> dict[str, Function]:
        """The steps by name."""
        return {REMINDER: _remind, REDUCER: _reduce, **UNDOS, **{uses: self._function(uses) for uses in self.turns}}

    def _function(self, uses: str) -> Function:
        async def scripted(ctx: NodeContext[Any, Any]) -> NodeResult[Any]:
            turn = self.turn(uses, ctx.key)
            read = {name: await ctx.context.get(name) for name in turn.reads}
            if turn.takes:
                await asyncio.sleep(turn.takes)
            answer = self.answer(uses, ctx, await _at_hand(ctx.input), read)
            for name, value in answer.sets.items():
                await ctx.context.set(name, value)
            for name in answer.deletes:
                await ctx.context.delete(name)
            return NodeResult(answer.output, answer.action)

        return scripted


async def _remind(ctx: NodeContext[Any, Any]) -> None:
    if ctx.attempt % 2:
        raise ScriptedError("what reminds fails, too, and that is no failure of the run's")


async def _reduce(ctx: NodeContext[Any, Any]) -> list[Any]:
    return [*(ctx.input["value"] or ()), ctx.input["results"]]


async def _undo(ctx: NodeContext[Any, Any]) -> None:
    _check_undo(ctx)


async def _undo_later(ctx: NodeContext[Any, Any]) -> None:
    _check_undo(ctx)
    if ctx.attempt < 2:
        raise ScriptedError("not yet")


async def _undo_never(ctx: NodeContext[Any, Any]) -> None:
    raise ScriptedError("what undoes fails, too, and stops no other")


def _check_undo(ctx: NodeContext[Any, Any]) -> None:
    if not ctx.idempotency_key.endswith(":undo") or not (ctx.output is None or "v" in ctx.output):
        raise AssertionError(f"what undoes {ctx.key!r} was given {ctx.output!r}, under {ctx.idempotency_key!r}")


#: What undoes steps, by its name in the registry.
UNDOS: dict[str, Function] = {"undo": _undo, "undo later": _undo_later, "undo never": _undo_never}


async def _at_hand(value: Any) -> Any:
    """An input with all results of batches that come in as they are."""
    if isinstance(value, Gathered):
        return [result async for result in value]
    return {name: await _at_hand(part) for name, part in value.items()} if isinstance(value, dict) else value


def _indexes(key: str) -> list[int]:
    return [int(number) for number in re.findall(r"\[(\d+)\]", key)]


def plain(value: Any) -> Any:
    """A value in which errors have no text, and in the place of a batch's result just the failed instance's key."""
    if isinstance(value, Mapping):
        if value.keys() == {"error"} and isinstance(value["error"], Mapping):
            return {"error": {"node": value["error"]["node"]}}
        if value.keys() == {"node", "type", "message", "attempts"}:
            return {name: value[name] for name in ("node", "type", "attempts")}
        return {name: plain(inner) for name, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def uses_of(node_id: str) -> str:
    """The name of a node's step in the registry."""
    return f"do {node_id}"


def worker_of(batch_id: str) -> str:
    """The name of a batch's worker in the registry."""
    return f"{batch_id} work"


def turns_of(flow: Flow) -> Iterator[tuple[str, tuple[Turn, ...]]]:
    """All turns inside a flow, by the names of their steps."""
    for graph in flow.walk():
        for node_id, turns in graph.fallbacks.items():
            yield uses_of(node_id), turns
        for node in graph.nodes:
            match node:
                case Step() | Wait():
                    yield uses_of(node.id), node.turns
                case Batch(worker=tuple() as turns):
                    yield worker_of(node.id), turns
