"""Every method of the ports, under every kind of fault: a value that is right, a transient error, or a named one.

Each operation is prepared past the proxies, then called through them while a kind of fault hits every request, and what
it gave is compared with what is stored, again past the proxies. So a read that says "there is none", a write that says
"done" and is not, and an error that no port knows are all found.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from flowcraft_core.errors import BackendError
from flowcraft_core.ports import Backend, Fact, Message, PositionedValue, RunStatus

#: A time that is over, and one that is not.
_PAST, _TTL = 1_000.0, 600.0


@attrs.frozen
class Operation:
    """A call, and what is true before and after it.

    Attributes:
        name: The port and method.
        call: The call itself, for a run; given what ``before`` has found.
        before: What is done first, where nothing goes wrong.
        right: Whether an answer is right, asked where nothing goes wrong.
    """

    name: str
    call: Callable[[Any, str, Any], Awaitable[Any]]
    right: Callable[[Any, str, Any], Awaitable[bool]]
    before: Callable[[Any, str], Awaitable[Any]] | None = None


FACT = Fact(b"x" * 300, "writer", "job")
VALUE = PositionedValue("m", b"v" * 300)


def _status(run_id: str) -> RunStatus:
    return RunStatus(run_id=run_id, state="running", blueprint_id="flow", created=5.0, updated=5.0, next_check=_PAST)


async def _facts(backend: Any, run_id: str) -> None:
    for key in ("a", "b"):
        await backend.context.put(run_id, key, FACT)
    await backend.context.apply(run_id, {"a": VALUE, "b": VALUE})


async def _has_status(backend: Any, run_id: str) -> None:
    await backend.status.create(_status(run_id))


async def _hints(backend: Any, run_id: str) -> None:
    await backend.coordination.set_if_absent(f"lease:{run_id}", "me", ttl=_TTL)
    await backend.coordination.add_members(f"set:{run_id}", "a", "b", ttl=_TTL)
    await backend.coordination.increment(f"sum:{run_id}", ttl=_TTL)


async def _held(backend: Any, run_id: str) -> Any:
    await backend.queue.send([Message(run_id, run_id)])
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for delivery in await backend.queue.receive(max_messages=10, wait=1, visibility=60):
            if delivery.body == run_id:
                return delivery
            await backend.queue.acknowledge([delivery])
    raise AssertionError("a message that was sent does not come")


async def _comes(backend: Any, run_id: str) -> bool:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        taken = await backend.queue.receive(max_messages=10, wait=1, visibility=60)
        await backend.queue.acknowledge(taken)
        if any(delivery.body == run_id for delivery in taken):
            return True
    return False


async def _found(backend: Any, run_id: str, **question: Any) -> Any:
    """Whether a run is found, through all pages."""
    cursor, found = None, False
    while True:
        page = await backend.status.find(state="running", cursor=cursor, **question)
        found = found or any(each.run_id == run_id for each in page.items)
        cursor = page.cursor
        if cursor is None:
            return found


def _gives(expected: Any) -> Callable[[Any, str, Any], Awaitable[bool]]:
    async def right(backend: Any, run_id: str, answer: Any) -> bool:
        return bool(answer == expected)

    return right


async def _sees_status(backend: Any, run_id: str, answer: Any) -> bool:
    return answer is not None and (answer.run_id, answer.blueprint_id) == (run_id, "flow")


async def _put_stands(backend: Any, run_id: str, answer: Any) -> bool:
    standing = (await backend.context.get(run_id, ["new"])).get("new")
    return answer in (None, FACT) and bool(standing == FACT)


async def _value_stands(backend: Any, run_id: str, answer: Any) -> bool:
    return bool((await backend.context.values(run_id, ["new"])).get("new") == VALUE)


async def _is_deleted(backend: Any, run_id: str, answer: Any) -> bool:
    return not await backend.context.get(run_id, ["a"]) and not await backend.context.values(run_id, ["b"])


async def _is_there(backend: Any, run_id: str, answer: Any) -> bool:
    return isinstance(answer, bool) and await backend.status.get(run_id) is not None


async def _is_touched(backend: Any, run_id: str, answer: Any) -> bool:
    return answer is True and bool((await backend.status.get(run_id)).next_check == 77.0)


async def _is_finished(backend: Any, run_id: str, answer: Any) -> bool:
    # False where the SDK itself has made the call again after it was applied.
    return isinstance(answer, bool) and (await backend.status.get(run_id)).state == "completed"


async def _has_no_status(backend: Any, run_id: str, answer: Any) -> bool:
    return await backend.status.get(run_id) is None


async def _is_counted(backend: Any, run_id: str, answer: Any) -> bool:
    return isinstance(answer, int) and answer >= 2


async def _is_set(backend: Any, run_id: str, answer: Any) -> bool:
    return isinstance(answer, bool) and await backend.coordination.get(f"new:{run_id}") == "me"


async def _has_gone(backend: Any, run_id: str, answer: Any) -> bool:
    return await backend.coordination.get(f"lease:{run_id}") is None


async def _was_received(backend: Any, run_id: str, answer: Any) -> bool:
    # Nothing is right, too: a queue may show a message later.
    return all(isinstance(each.body, str) and each.count >= 1 for each in answer)


async def _is_extended(backend: Any, run_id: str, answer: Any) -> bool:
    (extended,) = answer
    return extended is not None and extended.body == run_id


async def _anything(backend: Any, run_id: str, answer: Any) -> bool:
    return answer is None


async def _delivery_is_whole(backend: Any, run_id: str, answer: Any) -> bool:
    return await _comes(backend, run_id)


OPERATIONS = (
    Operation("context.put", lambda b, r, _: b.context.put(r, "new", FACT), _put_stands),
    Operation("context.get", lambda b, r, _: b.context.get(r, ["a"]), _gives({"a": FACT}), _facts),
    Operation(
        "context.get of many", lambda b, r, _: b.context.get(r, ["a", "b"]), _gives({"a": FACT, "b": FACT}), _facts
    ),
    Operation("context.apply", lambda b, r, _: b.context.apply(r, {"new": VALUE}), _value_stands),
    Operation("context.values", lambda b, r, _: b.context.values(r, ["a"]), _gives({"a": VALUE}), _facts),
    Operation(
        "context.values of many",
        lambda b, r, _: b.context.values(r, ["a", "b"]),
        _gives({"a": VALUE, "b": VALUE}),
        _facts,
    ),
    Operation("context.delete", lambda b, r, _: b.context.delete(r, keys=["a"], names=["b"]), _is_deleted, _facts),
    Operation("status.create", lambda b, r, _: b.status.create(_status(r)), _is_there),
    Operation("status.get", lambda b, r, _: b.status.get(r), _sees_status, _has_status),
    Operation("status.touch", lambda b, r, _: b.status.touch(r, at=6.0, next_check=77.0), _is_touched, _has_status),
    Operation("status.finish", lambda b, r, _: b.status.finish(r, "completed", at=6.0), _is_finished, _has_status),
    Operation("status.find", lambda b, r, _: _found(b, r), _gives(True), _has_status),
    Operation("status.find due", lambda b, r, _: _found(b, r, due_before=_PAST), _gives(True), _has_status),
    Operation("status.delete", lambda b, r, _: b.status.delete(r), _has_no_status, _has_status),
    Operation(
        "coordination.increment", lambda b, r, _: b.coordination.increment(f"sum:{r}", ttl=9), _is_counted, _hints
    ),
    Operation(
        "coordination.set_if_absent", lambda b, r, _: b.coordination.set_if_absent(f"new:{r}", "me", ttl=9), _is_set
    ),
    Operation(
        "coordination.add_members",
        lambda b, r, _: b.coordination.add_members(f"set:{r}", "c", ttl=9),
        _gives(3),
        _hints,
    ),
    Operation("coordination.members", lambda b, r, _: b.coordination.members(f"set:{r}"), _gives({"a", "b"}), _hints),
    Operation(
        "coordination.extend_ttl",
        lambda b, r, _: b.coordination.extend_ttl(f"lease:{r}", "me", ttl=9),
        _gives(True),
        _hints,
    ),
    Operation("coordination.get", lambda b, r, _: b.coordination.get(f"lease:{r}"), _gives("me"), _hints),
    Operation(
        "coordination.delete", lambda b, r, _: b.coordination.delete(f"lease:{r}", value="me"), _has_gone, _hints
    ),
    Operation("queue.send", lambda b, r, _: b.queue.send([Message(r, r)]), _delivery_is_whole),
    Operation("queue.receive", lambda b, r, _: b.queue.receive(max_messages=1, wait=0, visibility=1), _was_received),
    Operation("queue.extend", lambda b, r, held: b.queue.extend([held], 60), _is_extended, _held),
    Operation("queue.acknowledge", lambda b, r, held: b.queue.acknowledge([held]), _anything, _held),
    Operation("queue.release", lambda b, r, held: b.queue.release([held]), _delivery_is_whole, _held),
)


async def tried(operation: Operation, direct: Backend, faulty: Backend, run_id: str, trouble: Any) -> str:
    """Make a call while something goes wrong, and say how it ended.

    Args:
        operation: The call.
        direct: A backend to which nothing happens.
        faulty: The same place, where things go wrong inside of ``trouble``.
        run_id: A run of its own.
        trouble: What goes wrong, as a context manager.

    Returns:
        ``value``, or the class of the error.

    Raises:
        AssertionError: The value is wrong, or the error none that a port may raise.
    """
    found = None if operation.before is None else await operation.before(direct, run_id)
    try:
        with trouble:
            answer = await operation.call(faulty, run_id, found)
    except BackendError as error:  # a transient error is one, too
        if error.__cause__ is None:
            raise AssertionError(f"{operation.name}: {error} has no cause") from error
        return type(error).__name__
    except Exception as error:
        raise AssertionError(f"{operation.name} raises {type(error).__name__}, which no port may: {error}") from error
    assert await operation.right(direct, run_id, answer), f"{operation.name} gave {answer!r}, which is wrong"
    return "value"
