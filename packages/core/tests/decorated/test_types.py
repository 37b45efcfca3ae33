"""What decorated steps hand on is compared when the flow is built; each problem names both ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, NewType, Protocol, TypedDict, TypeVar

import pytest
from flowcraft_core import BlueprintError, Flow
from flowcraft_core.annotations import fits, item_of, member_of, type_name

T = TypeVar("T")
UserId = NewType("UserId", int)
OtherId = NewType("OtherId", int)


class Base: ...


class Derived(Base): ...


class Colour(Enum):
    RED = 1


class Page(TypedDict):
    text: str
    number: int


class Longer(Page):
    more: str


class Different(TypedDict):
    text: int
    number: int


class Named(Protocol):
    name: str


@dataclass
class Point:
    x: int


FITTING = [
    (int, int), (bool, int), (int, float), (Derived, Base), (int, object), (int, Any), (Any, int), (int, "unknown"),
    (None, None), (None, int | None), (int, int | str), (int | str, str | int | None), (int, T),
    (list[int], list[int]), (list[int], list[float]), (list[int], Sequence[int]), (list[int], Iterable[Any]),
    (list[int], list), (list, list[int]), (dict[str, int], Mapping[str, float]), (tuple[int, str], tuple[int, str]),
    (tuple[int, int], tuple[int, ...]), (tuple[int, int], Sequence[int]), (Literal["a"], str),
    (Literal["a"], Literal["a", "b"]), (bool, Literal[True, False]), (Page, Page), (Longer, Page),
    (Page, dict[str, Any]),
    (dict[str, Any], Page), (Page, Mapping[str, Any]), (UserId, int), (UserId, UserId), (int, UserId),
    (Annotated[int, "of it"], int), (int, Annotated[int, "of it"]), (Point, Named), (Colour, Colour),
]  # fmt: skip

NOT_FITTING = [
    (int, str), (str, int), (int, list[int]), (list[int], int), (Base, Derived), (float, int), (int, None), (None, int),
    (int | None, int), (int | str, int), (list[int], list[str]), (list[str], Sequence[int]),
    (list[int], tuple[int, ...]),
    (dict[str, int], dict[str, str]), (dict[str, int], list[int]), (tuple[int, str], tuple[int, int]),
    (tuple[int], tuple[int, int]), (tuple[int, str], Sequence[int]), (Literal["a"], int), (str, Literal["a"]),
    (Literal["a", "c"], Literal["a", "b"]), (bool, Literal[True]), (Page, Longer), (Page, Different), (Page, list[str]),
    (int, Page), (UserId, OtherId), (UserId, str), (Colour, int), (Point, dict[str, int]),
]  # fmt: skip


@pytest.mark.parametrize(("given", "wanted"), FITTING, ids=type_name)
def test_what_may_fit_fits(given: Any, wanted: Any) -> None:
    assert fits(given, wanted)


@pytest.mark.parametrize(("given", "wanted"), NOT_FITTING, ids=type_name)
def test_what_cannot_fit_does_not(given: Any, wanted: Any) -> None:
    assert not fits(given, wanted)


def test_parts_of_types() -> None:
    assert item_of(list[int]) is int
    assert item_of(tuple[int, ...]) is int
    assert item_of(tuple[int, str]) == int | str
    assert item_of(dict[str, int]) is Any
    assert member_of(Page, "number", is_field=False) is int
    assert member_of(dict[str, int], "any", is_field=False) is int
    assert member_of(list[str], 0, is_field=False) is str
    assert member_of(tuple[int, str], 1, is_field=False) is str
    assert member_of(Point, "x", is_field=True) is int
    assert member_of(Point, "y", is_field=True) is Any


def refused(flow: Flow[Any, Any]) -> list[str]:
    with pytest.raises(BlueprintError) as error:
        flow.to_blueprint()
    return [problem.text for problem in error.value.problems]


def test_both_ends_of_what_is_handed_on_are_named() -> None:
    flow = Flow[Page, int]("f")
    language = flow.value("language", str, default="en")

    @flow.step
    async def split(text: str = flow.input["text"]) -> list[str]:
        return text.split()

    @flow.step
    def wrong(number: int = split.output, tongue: int = language.value, part: int = flow.input["text"]) -> str:  # type: ignore[assignment]
        return "a"

    @flow.batch(over=split.output)  # type: ignore[arg-type]
    def item(number: int) -> int:
        return number

    @flow.batch(over=wrong.output)
    def no_list(one: str) -> str:
        return one

    @flow.step
    def unlike(said: int = wrong.maybe) -> int:  # type: ignore[assignment]
        return said

    @unlike.fallback  # type: ignore[arg-type]
    def other(said: int) -> str:
        return ""

    @flow.step
    def member(x: int = split.output[0].length, y: int = flow.input["numbr"]) -> Point:  # type: ignore[attr-defined, typeddict-item]
        return Point(x)

    @flow.step(when=member.output.z > 3)  # type: ignore[attr-defined]
    def last(x: str = member.output.x) -> str:  # type: ignore[assignment]
        return x

    flow.returns(last.output)  # type: ignore[arg-type]
    assert refused(flow) == [
        "step 'wrong' takes int as 'number', and split.output is list[str]",
        "step 'wrong' takes int as 'tongue', and context value 'language' is str",
        "step 'wrong' takes int as 'part', and the input of flow 'f'['text'] is str",
        "batch 'item' takes int as 'number', and an item of split.output is str",
        "batch 'no_list' goes through a list, and wrong.output is str",
        "step 'unlike' takes int as 'said', and wrong.maybe is str | None",
        "step 'unlike' gives int, and its fallback is str",
        "node 'member' needs split.output[0].length, and split.output[0] is str, which has no 'length'",
        "node 'member' needs the input of flow 'f'['numbr'], and the input of flow 'f' is Page, which has no 'numbr'",
        "node 'last' needs member.output.z, and member.output is Point, which has no 'z'",
        "step 'last' takes str as 'x', and member.output.x is int",
        "flow 'f' gives int, and last.output is str",
    ]


def test_calls_and_loops_are_compared_too() -> None:
    inner = Flow[int, str]("inner")

    @inner.step
    def one(number: int = inner.input) -> str:
        return str(number)

    inner.returns(one.output)
    flow = Flow[str, Any]("f")
    call = flow.call(inner, flow.input)  # type: ignore[misc]
    each = flow.call_each(inner, flow.input, name="each")  # type: ignore[misc]
    loop = flow.loop("again", call.output)

    @flow.step
    def size(text: str = loop.value, others: list[int] = each.output) -> int:
        return len(text)

    loop.again(size.output, when=size.output < 3)
    assert refused(flow) == [
        "flow 'inner' takes int, and the input of flow 'f' is str",
        "batch 'each' goes through a list, and the input of flow 'f' is str",
        "step 'size' takes list[int] as 'others', and each.output is list[str]",
        "loop 'again' begins a pass with str, and size.output is int",
    ]
