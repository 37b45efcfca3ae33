"""Values by annotation: classes are known by it, and plain data from outside is built as it says."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, NewType, NotRequired, Optional, Protocol, TypedDict, TypeVar
from uuid import UUID

import attrs
import pytest
from flowcraft_core import (
    Flow,
    FlowRuntime,
    NodeContext,
    NodeResult,
    Serializer,
    SyncNodeContext,
    create_flow,
    first_of,
)
from flowcraft_core.durable import Client, Worker
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.shaping import classes_in, shape_of, shaped
from flowcraft_testkit import FlowTester, InMemoryBackend, VirtualClock, Weaknesses
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

T = TypeVar("T")


class Kind(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Level(enum.IntEnum):
    LOW = 1


@dataclass
class Line:
    text: str
    price: Decimal
    count: int = 1


class Customer(BaseModel):
    name: str
    since: date = Field(alias="Since", default=date(2000, 1, 1))


class Place(NamedTuple):
    city: str
    street: str | None = None


@attrs.define
class Order:
    lines: list[Line]
    _kind: Kind = Kind.SMALL
    customer: Customer | None = None
    to: Place | None = None
    tags: dict[int, tuple[str, ...]] = attrs.Factory(dict)


@dataclass
class Box(Generic[T]):
    content: T
    more: list[T] = field(default_factory=list)


@dataclass
class Tree:
    label: str
    children: list[Tree] = field(default_factory=list)


class Answer(TypedDict):
    ok: bool
    at: NotRequired[datetime]


Euros = NewType("Euros", Decimal)


class Plain:
    """Of which nobody knows how it is built."""


DATA = {
    "lines": [{"text": "tea", "price": "2.50"}, {"text": "cake", "price": 3, "count": 2}],
    "kind": "l",
    "customer": {"name": "Ada", "Since": "2020-02-03"},
    "to": {"city": "Oslo"},
    "tags": {"1": ["a", "b"]},
}
ORDER = Order(
    [Line("tea", Decimal("2.50")), Line("cake", Decimal(3), 2)],
    Kind.LARGE,
    Customer(name="Ada", Since=date(2020, 2, 3)),
    Place("Oslo"),
    {1: ("a", "b")},
)

# --- What is built ---------------------------------------------------------------------------------------------------

BUILT: dict[str, tuple[Any, Any, Any]] = {
    "a record of all kinds": (DATA, Order, ORDER),
    "by a field's own name": ({"lines": [], "_kind": "s"}, Order, Order([])),
    "a member by its value": ("s", Kind, Kind.SMALL),
    "a member by its name": ("SMALL", Kind, Kind.SMALL),
    "a member by a number": (1, Level, Level.LOW),
    "a generic record": ({"content": "1.5", "more": ["2"]}, Box[Decimal], Box(Decimal("1.5"), [Decimal(2)])),
    "a record in itself": ({"label": "a", "children": [{"label": "b"}]}, Tree, Tree("a", [Tree("b")])),
    "a moment": ("2026-01-02T03:04:05+00:00", datetime, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    "a day": ("2026-01-02", date, date(2026, 1, 2)),
    "a duration": ("20m", timedelta, timedelta(minutes=20)),
    "a duration in seconds": (1.5, timedelta, timedelta(seconds=1.5)),
    "a number with a point": (2.5, Decimal, Decimal("2.5")),
    "an id": ("00000000-0000-0000-0000-000000000001", UUID, UUID(int=1)),
    "a tuple": ([1, "2026-01-02"], tuple[int, date], (1, date(2026, 1, 2))),
    "a set": (["s"], set[Kind], {Kind.SMALL}),
    "a frozenset of whatever": ([1], frozenset, frozenset({1})),
    "a sequence": (["s"], Sequence[Kind], [Kind.SMALL]),
    "a mapping": ({"a": "s"}, Mapping[str, Kind], {"a": Kind.SMALL}),
    "a dict in a dict": ({"ok": True, "at": "2026-01-02T00:00:00"}, Answer, {"ok": True, "at": datetime(2026, 1, 2)}),  # noqa: DTZ001
    "what may be None": ("2.5", Optional[Decimal], Decimal("2.5")),  # noqa: UP045
    "the first that can be built": ({"city": "Oslo"}, Line | Place, Place("Oslo")),
    "a new type": ("2.5", Euros, Decimal("2.5")),
}


@pytest.mark.parametrize(("value", "wanted", "built"), BUILT.values(), ids=BUILT)
def test_plain_data_becomes_what_is_annotated(value: Any, wanted: Any, built: Any) -> None:
    before = json.dumps(value)
    found = shaped(value, wanted, "x")
    assert (found, type(found)) == (built, type(built))
    assert json.dumps(value) == before
    assert shaped(found, wanted, "x") is found  # what fits is not touched


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (ORDER, Order),
        ([ORDER], list[Order]),
        (5, float),
        (True, int),
        (None, Line | None),
        ("2026-01-02", str | date),
        ({"a": 1}, dict[str, Any] | Line),
        ({"ok": True, "more": 1}, Answer),
        ("a", Literal["a", "b"]),
        ({"a": [1, None]}, dict[str, list[int | None]]),
        (object, Any),
        ((1, 2), Sequence[int]),
        (datetime(2026, 1, 2), date),  # noqa: DTZ001
    ],
)
def test_what_fits_is_handed_on_as_it_is(value: Any, wanted: Any) -> None:
    assert shaped(value, wanted, "x") is value


REFUSED: dict[str, tuple[Any, Any, str]] = {
    "a part": (
        {**DATA, "lines": [{"text": "tea", "price": "much"}]},
        Order,
        "input.lines[0].price is to be Decimal, and is 'much', of type str",
    ),
    "a plain part": ({"text": 1, "price": 1}, Line, "input.text is to be str, and is 1, of type int"),
    "what is not there": ({"lines": [{"price": 1}]}, Order, "input.lines[0].text is to be str, and is nothing"),
    "what nobody knows": (
        {"content": 1, "colour": 2},
        Box[int],
        "input is to be Box[int], and is {'content': 1, 'colour': 2}, of type dict: it has no field 'colour'",
    ),
    "a member": (
        "x",
        Kind,
        "input is to be Kind, and is 'x', of type str: ValueError(\"'x' is not a valid Kind\")",
    ),
    "a model": (
        {"lines": [], "customer": {"Since": "?"}},
        Order,
        (
            "input.customer is to be Customer, and is {'Since': '?'}, of type dict: of field 'name': Field required; "
            "of field 'Since': Input should be a valid date or datetime, input is too short"
        ),
    ),
    "another kind": (5, Order, "input is to be Order, and is 5, of type int: it is built of a dict of its fields"),
    "a plain kind": ("5", int, "input is to be int, and is '5', of type str"),
    "none of them": (5, Line | Place, "input is to be Line | Place, and is 5, of type int"),
    "text for a list": ("ab", list[str], "input is to be list[str], and is 'ab', of type str"),
    "an item": ([1, "x"], list[int], "input[1] is to be int, and is 'x', of type str"),
    "a value": ({"a b": "x"}, dict[str, int], "input['a b'] is to be int, and is 'x', of type str"),
    "a key": ({"x": 1}, dict[int, int], "input is to be int, and is 'x', of type str"),
    "too many": ([1, 2], tuple[int], "input is to be tuple[int], and is [1, 2], of type list: it has 2 parts"),
    "no bytes": ("ab", bytes, "input is to be bytes, and is 'ab', of type str"),
    "no complex number": ("1j", complex, "input is to be complex, and is '1j', of type str"),
    "a key of a dict": ({}, Answer, "input.ok is to be bool, and is nothing"),
    "no such text": ("c", Literal["a"], "input is to be Literal['a'], and is 'c', of type str"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "wanted", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_built_is_named_with_its_place_what_was_wanted_and_what_given(
    value: Any, wanted: Any, says: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        shaped(value, wanted, "input")
    assert str(caught.value) == says


lines = st.builds(Line, st.text(), st.decimals(allow_nan=False, allow_infinity=False), st.integers())
places = st.builds(Place, st.text(), st.none() | st.text())


def plain(value: Any) -> Any:
    """As another program would write it."""
    if dataclasses.is_dataclass(value):
        return {part.name: plain(getattr(value, part.name)) for part in dataclasses.fields(value)}
    if isinstance(value, Place):
        return {name: plain(part) for name, part in value._asdict().items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, enum.Enum):
        return value.value
    return str(value) if isinstance(value, (Decimal, date, UUID)) else value


@given(
    st.one_of(
        st.tuples(st.just(Line), lines),
        st.tuples(st.just(list[Place]), st.lists(places)),
        st.tuples(st.just(Box[Line]), st.builds(Box, lines, st.lists(lines))),
        st.tuples(st.just(Box[Kind | None]), st.builds(Box, st.none() | st.sampled_from(Kind))),
        st.tuples(
            st.just(dict[int, tuple[date, ...]]), st.dictionaries(st.integers(), st.lists(st.dates()).map(tuple))
        ),
        st.tuples(st.just(tuple[UUID, Place | None]), st.tuples(st.uuids(), st.none() | places)),
        st.tuples(st.just(set[Decimal]), st.sets(st.decimals(allow_nan=False))),
    )
)
def test_what_another_program_writes_as_json_is_built_again_and_then_left_alone(pair: tuple[Any, Any]) -> None:
    wanted, value = pair
    found = shaped(json.loads(json.dumps(plain(value))), wanted, "x")
    assert (found, type(found)) == (value, type(value))
    assert shaped(found, wanted, "x") is found


def test_a_step_that_takes_plain_data_costs_nothing_more() -> None:
    for wanted in (int, str, list[int], dict[str, Any], Any, dict[str, list[float]], object, Literal["a"], None):
        assert shape_of(wanted) is None
    leaves = shape_of(Order)
    assert leaves is not None
    assert leaves(None, "x") is None  # what is no plain data, its annotation may be wrong about


# --- Classes that annotations name -----------------------------------------------------------------------------------


def test_classes_are_found_in_whatever_is_around_them() -> None:
    assert {*classes_in(dict[str, list[Order | None]])} == {Order, Line, Kind, Customer, Place}
    assert {*classes_in(Box[Line])} == {Box, Line}
    assert {*classes_in(Tree)} == {Tree}
    assert {*classes_in(tuple[Answer, int])} == set()


@dataclass
class Services:
    """A dependency, which is no value."""

    rates: dict[str, float]


def test_a_runtime_knows_the_classes_that_its_steps_name_and_leaves_the_serializer_as_it_is() -> None:
    flow = Flow[Order, Box[Line]]("f")
    services = flow.dependencies(Services)

    @flow.step
    def make(ctx: SyncNodeContext, order: Order = flow.input, all_: Services = services) -> NodeResult[Box[Line]]:
        return NodeResult(Box(order.lines[0]))

    flow.returns(make.output)
    given_ = Serializer()
    runtime = FlowRuntime([flow], dependencies=Services({}), serializer=given_)
    result = runtime.run_sync(flow, ORDER)
    assert result.output == Box(ORDER.lines[0])
    known = [Order, Line, Kind, Customer, Place, Box]
    assert all(runtime.serializer.knows(cls) for cls in known)
    assert not runtime.serializer.knows(Services)
    assert not any(given_.knows(cls) for cls in known)


def test_steps_of_the_builder_and_of_the_registry_name_classes_too() -> None:
    def make(ctx: SyncNodeContext) -> Line:
        return Line("tea", Decimal(1))

    def wrap(ctx: SyncNodeContext[Line]) -> Box[Line]:
        return Box(ctx.input)

    built = create_flow("b").node("make", make).node("wrap", wrap).edge("make", "wrap")
    assert FlowRuntime([built]).run_sync(built).output == Box(Line("tea", Decimal(1)))
    named = create_flow("n").node("make", "make").node("wrap", "wrap").edge("make", "wrap").to_blueprint()
    runtime = FlowRuntime(blueprints=[named], registry={"make": make, "wrap": wrap})
    assert runtime.run_sync("n").output == Box(Line("tea", Decimal(1)))


def test_a_class_that_the_serializer_knows_under_another_tag_stays_as_it_is() -> None:
    flow = Flow[Line, Line]("f")

    @flow.step
    def same(line: Line = flow.input) -> Line:
        return line

    flow.returns(same.output)
    own = Serializer()
    own.register(Line, tag="old-line")
    runtime = FlowRuntime([flow], serializer=own)
    assert runtime.serializer.class_of("Line") is None
    assert runtime.run_sync(flow, Line("x", Decimal(1))).output == Line("x", Decimal(1))


def test_two_classes_of_one_tag_are_both_named_with_the_remedy() -> None:
    other = dataclasses.make_dataclass("Line", ["x"], namespace={"__module__": "elsewhere"})
    flow = Flow[Line, Any]("f")

    def make(ctx: SyncNodeContext[Line]) -> Any:
        return 1

    make.__annotations__["return"] = other
    flow.step(make)
    says = (
        f"flow 'f': node 'make' is annotated with elsewhere.Line, and {__name__}.Line is stored as 'Line' already: "
        "register one under another tag, serializer.register(Line, tag=...), and hand the serializer on as serializer="
    )
    with pytest.raises(ConfigurationError) as caught:
        FlowRuntime([flow])
    assert str(caught.value) == says
    told = Serializer()
    told.register(other, tag="other-line")
    FlowRuntime([flow], serializer=told)


# --- Where data comes in ---------------------------------------------------------------------------------------------

shop = Flow[Order, str]("shop")
limit = shop.value("limit", Decimal, default=Decimal(1))


@shop.step
def total(order: Order = shop.input) -> Decimal:
    return sum((line.price * line.count for line in order.lines), Decimal(0))


answer = shop.wait("answer", Answer, after=total)


@shop.step
async def show(
    ctx: NodeContext,
    sum_: Decimal = total.output,
    said: Answer = answer.output,
    to: Place | None = shop.input.to,
    most: Decimal = limit.value,
) -> str:
    return f"{sum_:.2f} to {to and to.city}, {said['at']:%d.%m.}, at most {most:.1f}"


shop.returns(show.output)
SAID = {"ok": True, "at": "2026-01-02T00:00:00"}
SHOWN = "8.50 to Oslo, 02.01., at most 9.5"


def test_in_one_process_plain_data_is_built_where_it_comes_in() -> None:
    runtime = FlowRuntime([shop])
    waiting = runtime.run_sync("shop", {"input": DATA, "limit": "9.5"})
    assert waiting.context == {"input": ORDER, "limit": Decimal("9.5")}
    assert runtime.resume_sync(waiting.state, "answer", output=SAID).output == SHOWN


def test_a_flow_that_is_given_what_it_cannot_take_does_not_begin() -> None:
    runtime = FlowRuntime([shop])
    with pytest.raises(ConfigurationError, match=r"^flow 'shop': input\.lines is to be list\[Line\], and is nothing$"):
        runtime.run_sync("shop", {"input": {}})
    with pytest.raises(ConfigurationError, match=r"^flow 'shop': context\['limit'\] is to be Decimal, and is \[\]"):
        runtime.run_sync("shop", {"input": DATA, "limit": []})
    waiting = runtime.run_sync(shop, ORDER)
    with pytest.raises(
        ConfigurationError, match=r"^flow 'shop': wait 'answer': answer\.ok is to be bool, and is nothi"
    ):
        runtime.resume_sync(waiting.state, "answer", output={})


@pytest.mark.parametrize(
    ("kind", "is_taken"),
    [
        *((kind, False) for kind in (bool, Line, list[int], Literal["a", "b"], Plain)),
        *((kind, True) for kind in (bool | None, Literal["a", None], Any, object, None)),
    ],
    ids=str,
)
@pytest.mark.parametrize("action", [None, "said"])
async def test_an_answer_without_an_output_is_none_and_that_is_to_be_asked_for(
    kind: Any, is_taken: bool, action: str | None
) -> None:
    flow = Flow[None, str]("f")
    wait = flow.wait("w", kind, timeout="2d")

    @flow.step
    def took(given: Any = wait.output) -> str:
        return f"took {given!r}"

    @flow.step(when=wait.timed_out)
    def late() -> str:
        return "nobody"

    flow.returns(first_of(took.output, late.output))
    with FlowTester() as tester, FlowTester(durable=True) as durably:
        for run in (tester.start(flow), durably.start(flow)):
            if is_taken:
                run.answer("w", None, action=action)
                assert run.result().output == "took None"
                continue
            with pytest.raises(ConfigurationError, match=r"^flow 'f': wait 'w': answer is to be .*, and is None"):
                run.answer("w", None, action=action)
            assert run.waiting == ["w"]
            run.answer("w", None, action="timeout")  # as if nobody had answered
            assert run.result().output == "nobody"
        assert tester.run(flow).output == "nobody"


@pytest.mark.parametrize("knows", [True, False], ids=["a client that has the flow", "a client that has its blueprint"])
async def test_on_workers_it_is_the_same_whether_the_client_knows_the_code_or_not(knows: bool) -> None:
    only: dict[str, Any] = {"flows": [shop]} if knows else {"blueprints": [shop.to_blueprint()]}
    clock = VirtualClock()
    async with InMemoryBackend(clock=clock, weaknesses=Weaknesses.none()) as backend:
        client, worker = Client(backend, clock=clock, **only), Worker(backend, FlowRuntime([shop], clock=clock))
        working = asyncio.ensure_future(worker.run())
        started = await client.start("shop", {"input": DATA, "limit": "9.5"})
        await client.resume(started.run_id, "answer", output=SAID, early=True)
        result = await client.wait(started.run_id, timeout=60)
        worker.stop()
        await working
    assert (result.status, result.output) == ("completed", SHOWN)


def test_without_the_code_a_step_that_cannot_take_it_fails_and_says_why() -> None:
    runtime = FlowRuntime(
        blueprints=[shop.to_blueprint()],
        registry={name: step.step for name, step in shop.implementations.items()},  # type: ignore[misc]
    )
    failed = runtime.run_sync("shop", {"input": {"lines": [{"text": "tea", "price": "much"}]}})
    assert [error.message for error in failed.errors] == [
        "step 'total' of flow 'shop': order.lines[0].price is to be Decimal, and is 'much', of type str"
    ]


def test_items_calls_and_inputs_of_the_builder_are_built_as_well() -> None:
    prices = Flow[list[Line], list[Decimal]]("prices")

    @prices.batch(over=prices.input)
    def price(line: Line) -> Decimal:
        return line.price

    prices.returns(price.output)

    def read(ctx: SyncNodeContext) -> list[Any]:
        return DATA["lines"]  # type: ignore[return-value]

    def first(ctx: SyncNodeContext[list[Line]]) -> str:
        return ctx.input[0].text

    built = create_flow("built").node("read", read).node("first", first).subflow("prices", prices)
    built.edge("read", "first").edge("read", "prices")
    outputs = FlowRuntime([built]).run_sync(built).outputs
    assert (outputs["first"], outputs["prices"]) == ("tea", [Decimal("2.50"), Decimal(3)])


class Sends(Protocol):
    def send(self) -> int: ...


@dataclass
class Sent:
    number: int
    by: Sends | None = None


@pytest.mark.parametrize(("wanted", "value"), [(Sends, {"n": 3}), (Sends, "x"), (list[Sends], [1]), (Sends | None, 5)])
def test_what_a_protocol_is_asked_for_stays_as_it_is(wanted: Any, value: Any) -> None:
    assert shaped(value, wanted, "it") == value


def test_a_field_may_be_of_a_protocol() -> None:
    assert shaped({"number": 3, "by": None}, Sent, "it") == Sent(3)


@pytest.mark.parametrize("wanted", [Callable[[str], int], Callable[..., date], Callable[[date], int] | None])
def test_nothing_is_built_for_a_function(wanted: Any) -> None:
    assert shape_of(wanted) is None
    assert list(classes_in(wanted)) == []


def test_a_step_takes_a_function_of_the_dependencies() -> None:
    @dataclass
    class Services:
        send: Callable[[str], int]

    flow = Flow[str, int]("f")
    services = flow.dependencies(Services)

    @flow.step
    def sent(text: str = flow.input, send: Callable[[str], int] = services.send) -> int:
        return send(text)

    flow.returns(sent.output)
    assert FlowRuntime([flow], dependencies=Services(len)).run_sync(flow, "abc").output == 3
