"""What is kept of an error: in any case something, that any store takes, and never too much of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flowcraft_core import FlowRuntime, NodeError, NodeResult, SerializationError, create_flow
from flowcraft_core.texts import require_name, safe_text

SURROGATE = json.loads('"\\ud83d"')


class MuteError(Exception):
    def __str__(self) -> str:
        raise SystemExit("no words")

    __repr__ = __str__


class TextlessError(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value] # noqa: PLE0307 - as a class of anybody's may


class _Naming(type):
    @property
    def __name__(cls) -> str:  # type: ignore[override]
        raise LookupError("nameless")


class OddError(Exception, metaclass=_Naming):
    pass


def failure(error: BaseException) -> NodeError:
    def fail(ctx: Any) -> None:
        raise error

    flow = create_flow("f").node("a", fail)
    (told,) = FlowRuntime([flow]).run_sync(flow).errors
    for text in (told.type, told.message, told.traceback or ""):
        assert "\0" not in text
        assert len(text.encode()) < 100_000
    return told


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError(f"cannot read {SURROGATE}"), "ValueError", "cannot read \\ud83d"),
        (ValueError("a\0b"), "ValueError", "a\\x00b"),
        (MuteError(), "MuteError", "(it has no text: its class raised SystemExit)"),
        (TextlessError(), "TextlessError", "(it has no text: its class raised TypeError)"),
        (OddError("here"), "OddError", "here"),
        (ExceptionGroup("many", [MuteError(), ValueError(SURROGATE)]), "ExceptionGroup", "many (2 sub-exceptions)"),
    ],
)
def test_whatever_an_error_is_it_is_told(error: Exception, kind: str, message: str) -> None:
    told = failure(error)
    assert (told.key, told.type, told.message) == ("a", kind, message)


def test_of_a_long_error_the_beginning_and_the_end_are_told() -> None:
    told = failure(ValueError("begin" + "x" * 20_000_000 + "end"))
    assert told.message.startswith("beginx")
    assert told.message.endswith("xend")
    assert "[... of 20000008 characters ...]" in told.message


def test_a_cause_that_cannot_be_told_does_not_hide_the_error() -> None:
    error = ValueError("the error")
    error.__cause__ = MuteError()
    error.add_note(SURROGATE)
    assert failure(error).message == "the error"


def test_text_of_a_class_of_its_own_is_text() -> None:
    class Loud(str):
        __slots__ = ()

        def __len__(self) -> int:
            raise LookupError

    assert safe_text(Loud("abc"), 10) == "abc"
    assert type(safe_text(Loud("abc"), 10)) is str


@pytest.mark.parametrize("name", [SURROGATE, f"a{SURROGATE}b", 5, None, b"a"])
def test_a_name_that_cannot_be_stored_is_refused(name: Any) -> None:
    with pytest.raises(SerializationError, match="the action of node 'a'"):
        require_name(name, "the action of node 'a'")


@pytest.mark.parametrize("action", [SURROGATE, 5])
async def test_an_action_that_cannot_be_stored_fails_its_node(action: Any) -> None:
    flow = create_flow("f").node("a", lambda ctx: NodeResult(1, action=action), retries=3)
    (error,) = (await FlowRuntime([flow]).run(flow)).errors
    assert (error.key, error.type, error.attempts) == ("a", "SerializationError", 1)


async def test_a_name_of_a_value_that_cannot_be_stored_fails_its_node_or_the_call() -> None:
    def put(ctx: Any) -> None:
        ctx.context.set(SURROGATE, 1)

    def remove(ctx: Any) -> None:
        ctx.context.delete(SURROGATE)

    for step in (put, remove):
        flow = create_flow("f").node("a", step)
        (error,) = (await FlowRuntime([flow]).run(flow)).errors
        assert (error.key, error.type) == ("a", "SerializationError")
    with pytest.raises(SerializationError, match="the name of a context value"):
        await FlowRuntime([flow]).run(flow, {SURROGATE: 1})
