"""The promises of the serializer, in order: nothing is lost, the text is stable, refusals are clear, tags are safe."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from io import BytesIO
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pytest
from flowcraft_core.errors import SerializationError
from flowcraft_core.serialization import MAX_DEPTH, Serializer
from flowcraft_core.serialization.sameness import are_same, is_same
from hypothesis import given
from hypothesis import strategies as st

T = TypeVar("T")


# --- The classes that the tests register -----------------------------------------------------------------------------


class Color(enum.Enum):
    RED = object()  # not storable itself: members travel by name
    GREEN = "green"
    VERT = "green"  # noqa: PIE796 - another name of GREEN


class Size(str, enum.Enum):  # noqa: UP042 - the older kind behaves otherwise than StrEnum
    SMALL = "s"


class Level(enum.IntEnum):
    LOW = 1


class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()


@attrs.frozen
class Price:
    amount: Decimal
    currency: str = "EUR"


@attrs.define
class Order:
    lines: list[Price]
    placed: datetime
    _secret: int = 0
    total: Decimal = attrs.field(init=False, default=Decimal(0))


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float
    norm: float = dataclasses.field(init=False, default=0.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "norm", self.x + self.y)


@dataclasses.dataclass
class Tree:
    label: str
    children: list[Tree] = dataclasses.field(default_factory=list)


@attrs.frozen
class Box(Generic[T]):
    content: T


class Pair(NamedTuple):
    left: object
    right: object = None


class Text(str):
    __slots__ = ()


class Zone(tzinfo):
    """A zone of another library, say."""

    def utcoffset(self, _: datetime | None) -> timedelta:
        return timedelta(hours=1)

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> str:
        return "mine"


class Opaque:
    """A class that can only be registered with an encode and a decode."""

    def __init__(self, inner: object) -> None:
        self.inner = inner


CLASSES: tuple[type, ...] = (Color, Size, Level, Access, Price, Order, Point, Tree, Box, Pair)


@pytest.fixture
def serializer() -> Serializer:
    return Serializer(CLASSES)


PARIS = ZoneInfo("Europe/Paris")
NOON = datetime.fromisoformat("2024-01-02T12:00:00")


# --- What "the same value" means here: equal, and of the same types all the way down --------------------------------


def exact(value: Any) -> object:
    """Give a hashable form of the value that is equal only for values of the same types, parts and order."""
    kind = type(value)
    if kind is dict:
        return kind, tuple((exact(key), exact(item)) for key, item in value.items())
    if kind in (set, frozenset):
        return kind, frozenset(Counter(map(exact, value)).items())
    if isinstance(value, list | tuple):
        return kind, tuple(map(exact, value))
    if kind in (datetime, time):
        return kind, value.replace(tzinfo=None).isoformat(), exact(value.tzinfo), value.fold
    if kind is timezone:
        return kind, value.__getinitargs__()
    if kind is ZoneInfo:
        return kind, value.key
    if attrs.has(kind):
        return kind, tuple(exact(getattr(value, field.name)) for field in attrs.fields(kind))
    if dataclasses.is_dataclass(value):
        return kind, tuple(exact(getattr(value, field.name)) for field in dataclasses.fields(value))
    if isinstance(value, enum.Enum):
        return kind, value.name, value.value
    return kind, bytes(value) if kind is bytearray else repr(value) if kind in (float, Decimal) else value


ints = st.integers() | st.builds(
    lambda sign, step: sign * (2**2048 + step), st.sampled_from([1, -1]), st.integers(-2, 2)
)
texts = st.text(st.characters())  # lone surrogates too
offsets = st.timedeltas(timedelta(hours=-23), timedelta(hours=23)) | st.builds(
    timedelta, hours=st.integers(-1, 1), seconds=st.integers(-1, 1), microseconds=st.integers(-1, 1)
)
zones = (
    st.none()
    | st.sampled_from([UTC, PARIS, ZoneInfo("UTC"), ZoneInfo("America/St_Johns")])
    | st.builds(timezone, offsets)
    | st.builds(timezone, offsets, texts)
)
folds = st.sampled_from([0, 1])
moments = st.builds(
    lambda moment, zone, fold: moment.replace(tzinfo=zone, fold=fold),
    st.datetimes(datetime.fromisoformat("1000-01-01"), datetime.fromisoformat("9000-01-01")) | st.times(),
    zones,
    folds,
)
members = st.sampled_from([*Color, *Size, *Level, *Access, Access.READ | Access.WRITE, Access(0)])
hashable_scalars = (
    st.none()
    | st.booleans()
    | ints
    | st.floats()
    | texts
    | st.sampled_from(["$type", "value"])
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.uuids()
    | st.dates()
    | st.timedeltas()
    | moments
    | zones
    | members
)
hashables = st.recursive(
    hashable_scalars,
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple)
        | st.frozensets(inner, max_size=4)
        | st.builds(Box, inner)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=6,
)
scalars = hashable_scalars | st.decimals() | st.builds(bytearray, st.binary())
values: st.SearchStrategy[Any] = st.recursive(
    scalars | st.sets(hashables, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.just("$type"), inner, max_size=4)
        | st.dictionaries(hashables, inner, max_size=4)
        | st.builds(Box, inner)
        | st.builds(Pair, inner, inner)
        | st.builds(Price, st.decimals(), texts)
        | st.builds(Order, st.lists(st.builds(Price, st.decimals()), max_size=2), moments, ints)
        | st.builds(Point, st.floats(allow_nan=False), st.floats(allow_nan=False))
        | st.builds(Tree, texts, st.lists(st.builds(Tree, texts), max_size=2))
    ),
    max_leaves=12,
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text().filter(lambda k: k != "$type"), inner, max_size=4)
    ),
)
SERIALIZER = Serializer(CLASSES)
TAGS = [*SERIALIZER._by_tag, "os.system", ""]


# --- Nothing is lost -------------------------------------------------------------------------------------------------


@given(values)
def test_every_value_comes_back_from_text_the_same(value: object) -> None:
    assert exact(SERIALIZER.loads(SERIALIZER.dumps(value))) == exact(value)


@given(values)
def test_every_value_comes_back_from_data_the_same(value: object) -> None:
    assert exact(SERIALIZER.from_data(SERIALIZER.to_data(value))) == exact(value)


@given(values)
def test_a_copy_is_what_data_would_have_given(value: object) -> None:
    assert exact(SERIALIZER.copy(value)) == exact(SERIALIZER.from_data(SERIALIZER.to_data(value)))


@given(values)
def test_text_is_the_text_of_the_data_and_stays_the_same(value: object) -> None:
    text = SERIALIZER.dumps(value)
    data = SERIALIZER.to_data(value)
    assert text == json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    assert SERIALIZER.dumps(SERIALIZER.loads(text)) == text


@given(values)
def test_text_fits_utf_8_and_bytes_are_read_like_text(value: object) -> None:
    text = SERIALIZER.dumps(value)
    assert exact(SERIALIZER.loads(text.encode())) == exact(value)


@given(json_values)
def test_plain_json_is_stored_as_itself_and_read_as_it_is(value: object) -> None:
    assert exact(SERIALIZER.to_data(value)) == exact(value)
    assert exact(SERIALIZER.loads(json.dumps(value))) == exact(value)
    assert SERIALIZER.dumps(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_equal_scalars_of_different_types_stay_apart(serializer: Serializer) -> None:
    value = [1, 1.0, True, Decimal(1), Level.LOW, "1", 0, -0.0, False, None]
    assert serializer.dumps(value[:3]) == "[1,1.0,true]"
    assert exact(serializer.loads(serializer.dumps(value))) == exact(value)


def test_ints_beyond_pythons_digit_limit_travel_and_the_limit_may_be_at_its_lowest(serializer: Serializer) -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        for value in (2**2048 - 1, 2**2048, 10**5000, -(10**5000)):
            assert serializer.loads(serializer.dumps({"n": [value]})) == {"n": [value]}
    finally:
        sys.set_int_max_str_digits(before)


def test_a_repeated_hour_keeps_which_of_the_two_it_is(serializer: Serializer) -> None:
    for fold in (0, 1):
        moment = datetime.fromisoformat("2024-10-27T02:30:00").replace(tzinfo=PARIS, fold=fold)
        back = serializer.loads(serializer.dumps(moment))
        assert isinstance(back, datetime)
        assert back.utcoffset() == timedelta(hours=2 - fold)


@pytest.mark.parametrize("offset", ["01:00", "-03:30", "00:00:01", "-00:00:01", "00:00:00.000001", "-23:59:59.999999"])
def test_an_offset_is_kept_to_the_microsecond(serializer: Serializer, offset: str) -> None:
    sign = -1 if offset[0] == "-" else 1
    distance = datetime.fromisoformat(f"2024-01-01T{offset.lstrip('-')}") - datetime.fromisoformat("2024-01-01")
    zone = timezone(sign * distance)
    for value in (
        NOON.replace(tzinfo=zone),
        time(1, tzinfo=zone),
        NOON.replace(tzinfo=timezone(sign * distance, "mine")),
    ):
        assert exact(serializer.loads(serializer.dumps(value))) == exact(value)


def test_a_dict_keeps_the_order_of_its_keys(serializer: Serializer) -> None:
    assert serializer.dumps({"b": 1, "a": 2}) == '{"b":1,"a":2}'
    for value in ({"b": 1, "a": 2}, {2: "b", 1: "a"}):
        assert exact(serializer.copy(value)) == exact(serializer.loads(serializer.dumps(value))) == exact(value)


def test_a_generic_field_holds_any_storable_value_with_its_type(serializer: Serializer) -> None:
    value = Box([Box(Price(Decimal("1.50"))), Box({1: Color.RED}), Box[int](3)])
    assert exact(serializer.loads(serializer.dumps(value))) == exact(value)


def test_a_record_keeps_the_types_its_values_have_whatever_its_annotations_say(serializer: Serializer) -> None:
    value = Point(1, True)
    assert exact(serializer.loads(serializer.dumps(value))) == exact(value)


def test_fields_that_a_constructor_sets_itself_come_back_as_they_were(serializer: Serializer) -> None:
    order = Order([Price(Decimal(2))], NOON, secret=7)
    order.total = Decimal(9)
    point = Point(1.5, 2.0)
    object.__setattr__(point, "norm", 99.0)
    assert exact(serializer.loads(serializer.dumps([order, point]))) == exact([order, point])


# --- The stored form is stable ---------------------------------------------------------------------------------------

GOLDEN: dict[str, tuple[object, str]] = {
    "plain": (
        {"id": 7, "ok": True, "rate": 0.5, "name": "Zoë", "tags": ["a", None]},
        '{"id":7,"ok":true,"rate":0.5,"name":"Zoë","tags":["a",null]}',
    ),
    "nan": (float("nan"), '{"$type":"float","value":"nan"}'),
    "infinity": ([float("inf"), -float("inf")], '[{"$type":"float","value":"inf"},{"$type":"float","value":"-inf"}]'),
    "widest plain int": (2**2048 - 1, str(2**2048 - 1)),
    "wide int": (2**2048, '{"$type":"int","value":"0x1' + "0" * 512 + '"}'),
    "lone surrogate": ("a\udce9", '{"$type":"str","value":{"$type":"bytes","value":"Ye2zqQ=="}}'),
    "tuple": ((1, (2,)), '{"$type":"tuple","value":[1,{"$type":"tuple","value":[2]}]}'),
    "set": ({"b", "c", "a"}, '{"$type":"set","value":["a","b","c"]}'),
    "frozenset": (frozenset({2, 1, "1"}), '{"$type":"frozenset","value":["1",1,2]}'),
    "bytes": (b"\x00hi", '{"$type":"bytes","value":"AGhp"}'),
    "bytearray": (bytearray(b"hi"), '{"$type":"bytearray","value":{"$type":"bytes","value":"aGk="}}'),
    "decimal": (Decimal("1.50"), '{"$type":"decimal","value":"1.50"}'),
    "uuid": (UUID(int=5), '{"$type":"uuid","value":"00000000-0000-0000-0000-000000000005"}'),
    "date": (date(2024, 1, 2), '{"$type":"date","value":"2024-01-02"}'),
    "time": (time(1, 2, 3), '{"$type":"time","value":"01:02:03"}'),
    "naive datetime": (NOON, '{"$type":"datetime","value":"2024-01-02T12:00:00"}'),
    "UTC datetime": (NOON.replace(tzinfo=UTC), '{"$type":"datetime","value":"2024-01-02T12:00:00+00:00"}'),
    "zoned datetime": (
        NOON.replace(tzinfo=PARIS),
        (
            '{"$type":"datetime","value":{"local":"2024-01-02T12:00:00",'
            '"tzinfo":{"$type":"zoneinfo","value":"Europe/Paris"},"fold":0}}'
        ),
    ),
    "timedelta": (timedelta(days=1, seconds=2, microseconds=3), '{"$type":"timedelta","value":[1,2,3]}'),
    "timezone": (UTC, '{"$type":"timezone","value":[{"$type":"timedelta","value":[0,0,0]}]}'),
    "dict with other keys": (
        {1: "a", (2,): "b"},
        '{"$type":"dict","value":[[1,"a"],[{"$type":"tuple","value":[2]},"b"]]}',
    ),
    "dict with the tag key": ({"$type": "date", "value": 1}, '{"$type":"dict","value":[["$type","date"],["value",1]]}'),
    "dict with a lone surrogate": (
        {"\udce9": 1},
        '{"$type":"dict","value":[[{"$type":"str","value":{"$type":"bytes","value":"7bOp"}},1]]}',
    ),
    "enum": (Color.VERT, '{"$type":"Color","value":"GREEN"}'),
    "flag": (Access.READ | Access.WRITE, '{"$type":"Access","value":3}'),
    "named tuple": (Pair(1), '{"$type":"Pair","value":{"left":1,"right":null}}'),
    "dataclass": (Point(1.0, 2.0), '{"$type":"Point","value":{"x":1.0,"y":2.0,"norm":3.0}}'),
    "attrs class": (
        Order([Price(Decimal(2))], NOON),
        (
            '{"$type":"Order","value":{"lines":[{"$type":"Price","value":'
            '{"amount":{"$type":"decimal","value":"2"},"currency":"EUR"}}],'
            '"placed":{"$type":"datetime","value":"2024-01-02T12:00:00"},'
            '"_secret":0,"total":{"$type":"decimal","value":"0"}}}'
        ),
    ),
}


@pytest.mark.parametrize(("value", "text"), GOLDEN.values(), ids=GOLDEN)
def test_stored_text_is_never_to_change(serializer: Serializer, value: object, text: str) -> None:
    assert serializer.dumps(value) == text
    assert exact(serializer.loads(text)) == exact(value)


# --- Classes are registered one by one -------------------------------------------------------------------------------


def test_register_is_a_decorator_and_takes_the_class_name_as_tag() -> None:
    serializer = Serializer()

    @serializer.register
    @attrs.frozen
    class Parcel:
        weight: int

    assert serializer.dumps(Parcel(3)) == '{"$type":"Parcel","value":{"weight":3}}'
    assert serializer.loads('{"$type":"Parcel","value":{"weight":3}}') == Parcel(3)


def test_a_nested_class_takes_its_qualified_name_as_tag() -> None:
    class Outer:
        class Kind(enum.Enum):
            A = 1

    assert Serializer([Outer.Kind]).dumps(Outer.Kind.A) == '{"$type":"Outer.Kind","value":"A"}'


def test_a_class_registered_under_a_new_tag_is_still_read_under_the_old() -> None:
    serializer = Serializer([Price])
    old = serializer.dumps(Price(Decimal(1)))
    serializer.register(Price, tag="price/2")
    assert serializer.dumps(Price(Decimal(1))).startswith('{"$type":"price/2"')
    assert serializer.loads(old) == Price(Decimal(1))


def test_any_class_can_be_registered_with_an_encode_and_a_decode() -> None:
    serializer = Serializer([Price])
    serializer.register(OrderedDict, encode=dict, decode=OrderedDict)
    serializer.register(Text, tag="text", encode=str, decode=Text)
    serializer.register(Fraction, encode=lambda f: f.as_integer_ratio(), decode=lambda parts: Fraction(*parts))
    value = [OrderedDict({1: Price(Decimal(1))}), Text("x"), Fraction(1, 3)]
    back = serializer.loads(serializer.dumps(value))
    assert back == value
    assert isinstance(back, list)
    assert [type(item) for item in back] == [OrderedDict, Text, Fraction]
    assert serializer.dumps(Text("x")) == '{"$type":"text","value":"x"}'


def test_older_data_without_a_new_field_is_read_with_its_default(serializer: Serializer) -> None:
    assert serializer.from_data({"$type": "Point", "value": {"x": 1.0, "y": 2.0}}) == Point(1.0, 2.0)


@attrs.define
class Handmade:
    number: int

    def __init__(self, text: str) -> None:
        self.number = int(text)


@dataclasses.dataclass
class Needy:
    number: int
    scale: dataclasses.InitVar[int]


@dataclasses.dataclass
class Rows(list[int]):
    title: str


class Color2(enum.Enum):
    RED = 1


HERE = Color.__module__
BOTH = "register it with both encode=... and decode=..."
REFUSED_REGISTRATIONS: dict[str, tuple[Callable[[Serializer], object], str]] = {
    "built-in": (
        lambda s: s.register(datetime),
        "datetime.datetime is built in: it is stored already and cannot be registered",
    ),
    "taken": (
        lambda s: s.register(Color2, tag="Color"),
        f"the tag 'Color' belongs to {HERE}.Color already; register {HERE}.Color2 with another: tag=...",
    ),
    "taken by a built-in": (
        lambda s: s.register(Color2, tag="date"),
        f"the tag 'date' belongs to datetime.date already; register {HERE}.Color2 with another: tag=...",
    ),
    "opaque": (lambda s: s.register(Opaque), f"{HERE}.Opaque has no stored form of its own; {BOTH}"),
    "half": (lambda s: s.register(Price, encode=str), f"{HERE}.Price has no stored form of its own; {BOTH}"),
    "record that is a list": (lambda s: s.register(Rows), f"{HERE}.Rows has no stored form of its own; {BOTH}"),
    "own constructor": (
        lambda s: s.register(Handmade),
        f"{HERE}.Handmade is not built from its fields (missing a required argument: 'text'); {BOTH}",
    ),
    "needs more than its fields": (
        lambda s: s.register(Needy),
        f"{HERE}.Needy is not built from its fields (missing a required argument: 'scale'); {BOTH}",
    ),
}


@pytest.mark.parametrize(("register", "message"), REFUSED_REGISTRATIONS.values(), ids=REFUSED_REGISTRATIONS)
def test_a_registration_that_would_not_work_is_refused(
    serializer: Serializer, register: Callable[[Serializer], object], message: str
) -> None:
    with pytest.raises(SerializationError) as caught:
        register(serializer)
    assert str(caught.value) == message


# --- What cannot be stored is refused, and the message says where and what to do -------------------------------------


def refusal(action: Callable[[Any], object], value: object) -> str:
    with pytest.raises(SerializationError) as caught:
        action(value)
    return str(caught.value)


def refusal_to_store(serializer: Serializer, value: object) -> str:
    message = refusal(serializer.to_data, value)
    assert refusal(serializer.dumps, value) == refusal(serializer.copy, value) == message
    return message


LOOSE_PAIR = namedtuple("LOOSE_PAIR", "a b")
REFUSED_VALUES: dict[str, tuple[object, str]] = {
    "an attrs class": (
        {"output": {"rows": [0, 1, 2, {"price": Price(Decimal(1))}]}},
        (
            f"value.output.rows[3].price is of type {HERE}.Price, which cannot be stored; "
            "register it: Serializer().register(Price), or return plain data"
        ),
    ),
    "a class of no known kind": (
        [Opaque(1)],
        (
            f"value[0] is of type {HERE}.Opaque, which cannot be stored; "
            "register it: Serializer().register(Opaque, encode=..., decode=...), or return plain data"
        ),
    ),
    "an IntEnum": (
        {"a b": {7: Level.LOW}},
        (
            f"value['a b'][7] is of type {HERE}.Level, which cannot be stored; "
            "register it: Serializer().register(Level), or return plain data"
        ),
    ),
    "a key": (
        {"rates": {Level.LOW: 1}},
        (
            f"value.rates[<Level.LOW: 1>] is of type {HERE}.Level, which cannot be stored; "
            "register it: Serializer().register(Level), or return plain data"
        ),
    ),
    "beside a key too long to print": (
        {10**5000: print},
        (
            "value[<int>] is of type builtin_function_or_method, which cannot be stored; register it: "
            "Serializer().register(builtin_function_or_method, encode=..., decode=...), or return plain data"
        ),
    ),
    "a zone": (
        {"at": NOON.replace(tzinfo=Zone())},
        (
            f"value.at.tzinfo is of type {HERE}.Zone, which cannot be stored; "
            "register it: Serializer().register(Zone, encode=..., decode=...), or return plain data"
        ),
    ),
}


@pytest.mark.parametrize(("value", "message"), REFUSED_VALUES.values(), ids=REFUSED_VALUES)
def test_an_unregistered_type_is_refused_by_name_place_and_remedy(value: object, message: str) -> None:
    assert refusal_to_store(Serializer(), value) == message


@pytest.mark.parametrize(
    "value",
    [
        OrderedDict(a=1),
        defaultdict(int),
        Counter("a"),
        LOOSE_PAIR(1, 2),
        Pair(1),
        Level.LOW,
        Size.SMALL,
        Text("x"),
        type("Whole", (int,), {})(1),
        type("Real", (float,), {})(1.0),  # as numpy.float64 is
        type("Day", (date,), {})(2024, 1, 2),
        type("Items", (list,), {})(),
        {Text("key"): 1},
        1j,
        range(3),
        memoryview(b""),
        object(),
        print,
        int,
        iter(()),
        ValueError("x"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_subclass_never_becomes_its_base_and_code_never_travels(value: object) -> None:
    assert "which cannot be stored; register it: " in refusal_to_store(Serializer(), [value])


def test_a_subclass_of_a_registered_class_is_refused_too(serializer: Serializer) -> None:
    class Discount(Price):
        pass

    assert "value is of type" in refusal_to_store(serializer, Discount(Decimal(1)))


def test_an_encode_that_fails_is_reported_with_the_place_and_its_cause() -> None:
    serializer = Serializer()
    serializer.register(Opaque, encode=lambda opaque: 1 / 0, decode=Opaque)
    with pytest.raises(SerializationError) as caught:
        serializer.to_data({"a": [Opaque(1)]})
    problem = "cannot be encoded: ZeroDivisionError('division by zero')"
    assert str(caught.value) == f"value.a[0] is of type {HERE}.Opaque and {problem}"
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("key", [None, "Nowhere/Here"])
def test_a_zone_that_could_not_be_found_again_is_refused(serializer: Serializer, key: str | None) -> None:
    file = BytesIO(struct.pack(">4s16x6llbb4s", b"TZif", 0, 0, 0, 0, 1, 4, 0, 0, 0, b"UTC\0"))
    value = {"at": NOON.replace(tzinfo=ZoneInfo.from_file(file, key=key))}
    problem = "value.at.tzinfo is of type zoneinfo.ZoneInfo and cannot be encoded: "
    assert refusal_to_store(serializer, value).startswith(problem)


# --- Depth is bounded in both directions -----------------------------------------------------------------------------

DEEP = f"nests more than {MAX_DEPTH} levels deep, or contains itself; flatten it"
NESTS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "list": (lambda inner: [inner], 1),
    "dict": (lambda inner: {"a": inner}, 1),
    "tuple": (lambda inner: (inner,), 2),
    "frozenset": (lambda inner: frozenset({inner}), 2),
    "dict with int keys": (lambda inner: {1: inner}, 3),
    "record": (Box, 2),
}


def nested(wrap: Callable[[Any], Any], times: int, value: Any = None) -> Any:
    for _ in range(times):
        value = wrap(value)
    return value


@pytest.mark.parametrize(("wrap", "cost"), NESTS.values(), ids=NESTS)
def test_a_value_may_nest_to_the_limit_and_no_deeper(
    serializer: Serializer, wrap: Callable[[Any], Any], cost: int
) -> None:
    deepest = nested(wrap, MAX_DEPTH // cost)
    assert exact(serializer.loads(serializer.dumps(deepest))) == exact(deepest) == exact(serializer.copy(deepest))
    assert refusal_to_store(serializer, wrap(deepest)).endswith(DEEP)


@given(values, st.sampled_from(list(NESTS.values())), st.integers(0, 5))
def test_what_can_be_stored_can_be_read_at_any_depth(
    value: object, nest: tuple[Callable[[Any], Any], int], short: int
) -> None:
    wrap, cost = nest
    try:
        deep = nested(wrap, MAX_DEPTH // cost - short, value)
    except TypeError:  # a frozenset of an unhashable value
        return
    try:
        data = SERIALIZER.to_data(deep)
    except SerializationError:
        assert refusal_to_store(SERIALIZER, deep).endswith(DEEP)
    else:
        assert exact(SERIALIZER.from_data(data)) == exact(SERIALIZER.copy(deep)) == exact(deep)
        assert SERIALIZER.dumps(deep) == json.dumps(data, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    "deepest",
    [
        nested(lambda inner: [inner], MAX_DEPTH, Decimal(1)),
        nested(lambda inner: {"a": inner}, MAX_DEPTH, "\ud800"),
        nested(lambda inner: {"\ud800": inner}, MAX_DEPTH // 2),
        nested(lambda inner: {"$type": inner}, MAX_DEPTH // 2),
    ],
    ids=["decimal", "surrogate", "surrogate key", "tag key"],
)
def test_the_levels_that_tags_take_up_count_for_a_copy_too(serializer: Serializer, deepest: object) -> None:
    assert refusal_to_store(serializer, deepest).endswith(DEEP)


def test_a_value_that_contains_itself_is_refused(serializer: Serializer) -> None:
    items: list[object] = []
    items.append({"again": items})
    box = Box([0])
    box.content[0] = box  # type: ignore[call-overload]
    serializer.register(Opaque, encode=lambda opaque: opaque, decode=Opaque)
    path = "value[0].again[0].again[0].again[...].again[0].again"
    assert refusal_to_store(serializer, items) == f"{path} {DEEP}"
    assert refusal_to_store(serializer, box).endswith(DEEP)
    assert refusal_to_store(serializer, Opaque(1)) == f"value {DEEP}"


def test_text_that_nests_too_deep_is_refused(serializer: Serializer) -> None:
    assert serializer.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH) == nested(lambda inner: [inner], MAX_DEPTH - 1, [])
    assert refusal(serializer.loads, "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)).endswith(DEEP)
    assert "cannot be read as JSON" in refusal(serializer.loads, "[" * 100_000)
    assert "cannot be read as JSON" in refusal(serializer.loads, '{"a":' * 100_000)


@pytest.mark.parametrize("levels", [30, MAX_DEPTH])
def test_a_caller_already_deep_in_the_stack_gets_the_value_or_a_clear_error(
    serializer: Serializer, levels: int
) -> None:
    value = nested(lambda inner: [inner], levels)
    text = serializer.dumps(value)
    outcomes: set[str] = set()

    def attempt(work: Callable[[Any], object], argument: object) -> None:
        try:
            work(argument)
            outcomes.add("done")
        except (SerializationError, RecursionError) as error:
            outcomes.add(str(error).partition(":")[0])

    def descend() -> int:
        """Go to the bottom of the stack and try at every level on the way up; give how many levels are free below."""
        try:
            room = descend() + 1
        except RecursionError:
            return 0
        if room > 20:  # enough for the error itself
            attempt(serializer.dumps, value)
            attempt(serializer.copy, value)
            attempt(serializer.loads, text)
        return room

    descend()
    too_deep = "value nests too deep for what is left of Python's stack; flatten it"
    assert outcomes == {"done", too_deep, "the text cannot be read as JSON"}


# --- Stored data is not trusted --------------------------------------------------------------------------------------


def test_an_unknown_tag_is_refused_with_a_remedy(serializer: Serializer) -> None:
    data = {"rows": [{"$type": "Parcel", "value": {}}]}
    assert refusal(serializer.from_data, data) == (
        "value.rows[0] has the tag 'Parcel', which is unknown here; "
        "register its class: Serializer().register(..., tag='Parcel')"
    )


@pytest.mark.parametrize("tag", ["os.system", "antigravity", "subprocess.Popen", "builtins.eval", "Price", "__class__"])
def test_a_tag_never_imports_or_finds_anything_by_name(tag: str) -> None:
    sys.modules.pop("antigravity", None)
    before = set(sys.modules)
    assert "is unknown here" in refusal(Serializer().from_data, {"$type": tag, "value": ["true"]})
    assert set(sys.modules) == before


MALFORMED = 'is malformed: a tagged object is {"$type": tag, "value": payload}'
BAD_DATA: dict[str, tuple[Any, str]] = {
    "no payload": ([{"$type": "date"}], f"value[0] {MALFORMED}"),
    "more keys": ({"$type": "date", "value": "2024-01-02", "x": 1}, f"value {MALFORMED}"),
    "no tag": ({"$type": None, "value": 1}, f"value {MALFORMED}"),
    "a list as tag": ({"$type": [], "value": 1}, f"value {MALFORMED}"),
    "wrong shape": (
        {"$type": "tuple", "value": "abc"},
        "value is a malformed 'tuple': TypeError('the payload is of type str')",
    ),
    "wrong content": (
        {"at": {"$type": "date", "value": "soon"}},
        "value.at is a malformed 'date': ValueError(\"Invalid isoformat string: 'soon'\")",
    ),
    "unhashable member": (
        {"$type": "set", "value": [[]]},
        "value is a malformed 'set': TypeError(\"unhashable type: 'list'\")",
    ),
    "string for a pair": (
        {"$type": "dict", "value": ["ab"]},
        "value is a malformed 'dict': ValueError('an entry is not a list of a key and a value')",
    ),
    "unknown member": (
        {"$type": "Color", "value": "BLUE"},
        (
            f"value is {HERE}.Color.BLUE, and the class has no such member: "
            "keep its old name as another name of a member, or let _missing_ give one for it"
        ),
    ),
    "unknown field": (
        {"$type": "Price", "value": {"amount": 1, "colour": 2}},
        (
            f"value has a field 'colour', and {HERE}.Price has no such field: "
            "give the class the field, with a default, or register it with both encode=... and decode=..."
        ),
    ),
    "not JSON": ({"a": (1,)}, "value.a is of type tuple, which is not JSON data"),
}


@pytest.mark.parametrize(("data", "message"), BAD_DATA.values(), ids=BAD_DATA)
def test_malformed_data_is_refused_with_the_place_and_the_reason(
    serializer: Serializer, data: Any, message: str
) -> None:
    assert refusal(serializer.from_data, data) == message


def test_a_message_stays_short_and_is_given_even_for_what_has_no_repr() -> None:
    def fail(payload: Any) -> Any:
        raise KeyError(payload)

    serializer = Serializer()
    serializer.register(Opaque, encode=fail, decode=fail)
    data: Any = {"$type": "Opaque", "value": {"$type": "int", "value": hex(10**5000)}}
    assert refusal(serializer.from_data, data) == "value is a malformed 'Opaque': <KeyError>"
    assert len(refusal(serializer.from_data, {"$type": "date", "value": "x" * 10_000})) < 200
    assert len(refusal(serializer.from_data, {"$type": "x" * 10_000, "value": 1})) < 400


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "", ".", "Europe", "os.path", "\ud800", "a\x00b"])
def test_a_crafted_zone_key_is_refused(serializer: Serializer, key: str) -> None:
    assert "is a malformed 'zoneinfo'" in refusal(serializer.from_data, {"$type": "zoneinfo", "value": key})


@pytest.mark.parametrize("text", ["", "{", "[1,]", "NaN", "[Infinity]", "-Infinity", "1 2", "'a'", b"\xff", "\ufeff1"])
def test_text_that_is_not_json_is_refused(serializer: Serializer, text: str | bytes) -> None:
    assert refusal(serializer.loads, text).startswith("the text cannot be read as JSON: ")


crafted: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | texts
    | st.sampled_from(["2024-01-02", "0x1", "YQ==", "RED"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.sampled_from(["$type", "value", "local", "amount", "x"]), inner, max_size=3)
        | st.fixed_dictionaries({"$type": st.sampled_from(TAGS) | inner, "value": inner})
    ),
    max_leaves=12,
)


@given(crafted)
def test_reading_any_json_gives_a_value_or_a_serialization_error(data: Any) -> None:
    with contextlib.suppress(SerializationError):
        SERIALIZER.from_data(data)


@given(st.binary() | texts | crafted.map(json.dumps))
def test_reading_any_text_gives_a_value_or_a_serialization_error(text: str | bytes) -> None:
    with contextlib.suppress(SerializationError):
        SERIALIZER.loads(text)


# --- Copies share nothing that can change ----------------------------------------------------------------------------


def mutable_parts(value: Any) -> dict[int, object]:
    """Find every mutable object inside a value, by identity."""
    parts: dict[int, object] = {}
    if isinstance(value, list | set | dict | bytearray | Order | Tree):
        parts[id(value)] = value
    if isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner = list(value)
    elif attrs.has(type(value)):
        inner = [getattr(value, field.name) for field in attrs.fields(type(value))]
    elif dataclasses.is_dataclass(value):
        inner = [getattr(value, field.name) for field in dataclasses.fields(value)]
    else:
        inner = []
    for item in inner:
        parts |= mutable_parts(item)
    return parts


@given(values)
def test_a_copy_and_its_original_share_no_mutable_object(value: object) -> None:
    assert mutable_parts(value).keys().isdisjoint(mutable_parts(SERIALIZER.copy(value)))


@given(values)
def test_data_and_the_value_read_from_it_share_no_mutable_object(value: object) -> None:
    data = SERIALIZER.to_data(value)
    before = exact(data)
    back = SERIALIZER.from_data(data)
    assert mutable_parts(value).keys().isdisjoint(mutable_parts(data))
    assert mutable_parts(back).keys().isdisjoint(mutable_parts(data))
    assert exact(data) == before


def test_changing_a_copy_leaves_the_original_alone(serializer: Serializer) -> None:
    original = {"rows": [{"n": 1}], "order": Order([Price(Decimal(1))], NOON)}
    changed = serializer.copy(original)
    changed["rows"][0]["n"] = 2  # type: ignore[index]
    changed["order"].lines.clear()  # type: ignore[attr-defined]
    assert original == {"rows": [{"n": 1}], "order": Order([Price(Decimal(1))], NOON)}


@pytest.mark.parametrize(
    "value",
    [None, True, 7, 10**5000, 1.5, "text", b"raw", Decimal(1), UUID(int=1), date(2024, 1, 2)],
    ids=lambda value: type(value).__name__,
)
def test_an_immutable_scalar_is_its_own_copy(serializer: Serializer, value: object) -> None:
    assert serializer.copy(value) is value


def test_a_bytearray_is_copied(serializer: Serializer) -> None:
    original = bytearray(b"raw")
    for copied in (serializer.copy(original), serializer.copy([original])[0]):
        assert copied == original
        assert copied is not original


def test_one_object_in_two_places_becomes_two_in_a_copy_as_it_would_in_text(serializer: Serializer) -> None:
    row = {"n": 1}
    for copied in (serializer.copy([row, row]), serializer.loads(serializer.dumps([row, row]))):
        assert isinstance(copied, list)
        assert copied[0] == copied[1]
        assert copied[0] is not copied[1]


# --- Which values are the same ---------------------------------------------------------------------------------------


def unordered(value: Any) -> object:
    """As ``exact``, but whatever order a dict's keys were set in."""
    kind = type(value)
    if kind is dict:
        return kind, frozenset(Counter((unordered(key), unordered(item)) for key, item in value.items()).items())
    if kind in (set, frozenset):
        return kind, frozenset(Counter(map(unordered, value)).items())
    if isinstance(value, list | tuple):
        return kind, tuple(map(unordered, value))
    if attrs.has(kind):
        return kind, tuple(unordered(getattr(value, field.name)) for field in attrs.fields(kind))
    return exact(value)


def turned(value: Any) -> Any:
    """The same value, with the other order wherever there is none."""
    kind = type(value)
    if kind is dict:
        return {turned(key): turned(item) for key, item in reversed(value.items())}
    if kind in (set, frozenset):
        return kind([*value][::-1])
    return [turned(item) for item in value] if kind is list else value


def looks_alike(value: Any) -> Any:
    """A value that is not the same, though Python calls some of its parts equal."""
    kind = type(value)
    if kind is dict:
        return {key: looks_alike(item) for key, item in value.items()}
    if kind in (list, tuple):
        return kind(map(looks_alike, value))
    if kind is int:
        return bool(value) if value in (0, 1) else Decimal(value)
    if kind is float:
        return Decimal(value)
    others: dict[type, Callable[[Any], object]] = {bool: int, bytes: bytearray, bytearray: bytes, set: frozenset}
    return others[kind](value) if kind in others else value


def same(one: object, other: object) -> bool:
    return is_same(SERIALIZER.to_data(one), SERIALIZER.to_data(other))


@given(values)
def test_a_value_is_the_same_however_it_was_put_together(value: object) -> None:
    assert same(value, SERIALIZER.copy(value))
    assert same(value, turned(value))


@given(values)
def test_a_value_is_not_the_same_as_one_that_only_looks_alike(value: object) -> None:
    other = looks_alike(value)
    assert same(value, other) == (unordered(value) == unordered(other))


@given(values, values)
def test_two_values_are_the_same_if_their_types_and_all_parts_are(one: object, other: object) -> None:
    assert same(one, other) == (unordered(one) == unordered(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        (Decimal("1.10"), Decimal("1.1")),
        (NOON.replace(tzinfo=UTC), NOON.replace(tzinfo=UTC).astimezone(PARIS)),
        (b"1", bytearray(b"1")),
        ([1, 2], (1, 2)),
        ([1, 2], [2, 1]),
        ({1}, frozenset({1})),
        (Level.LOW, 1),
        ({"$type": "set", "value": [1]}, {1}),
        ({1: [1, 2]}, {1: [2, 1]}),
    ],
)
def test_what_is_stored_otherwise_is_not_the_same(one: object, other: object) -> None:
    assert not same(one, other)
    assert not same([{"x": one}], [{"x": other}])
    assert not are_same({"x": SERIALIZER.to_data(one)}, {"x": SERIALIZER.to_data(other)})


def test_the_same_values_have_the_same_names() -> None:
    assert are_same({"x": 1, "y": 2}, {"y": 2, "x": 1})
    assert not are_same({"x": 1}, {"x": 1, "y": 2})
    assert not are_same({"x": 1, "y": 2}, {"x": 1})
    assert not are_same({"$type": "set", "value": [1, 2]}, {"$type": "set", "value": [2, 1]})


def test_a_nan_and_an_array_are_the_same_as_themselves() -> None:
    numpy = pytest.importorskip("numpy")
    assert same(float("nan"), float("nan"))
    assert same(Decimal("nan"), Decimal("nan"))
    assert same(numpy.arange(3), numpy.arange(3))
    assert not same(numpy.arange(3), numpy.arange(3.0))
