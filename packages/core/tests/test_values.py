"""Values of classes that say enough themselves: how they are stored, and how an older version of one is read."""

from __future__ import annotations

import dataclasses
import enum
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Generic, NamedTuple, TypeVar

import attrs
import pytest
from flowcraft_core.errors import SerializationError
from flowcraft_core.serialization import Serializer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, RootModel, field_validator

T = TypeVar("T")
HERE = __name__


def test_importing_the_core_loads_none_of_the_libraries() -> None:
    libraries = ("numpy", "pandas", "pyarrow", "polars", "pydantic")
    program = f"import sys, flowcraft_core; print([name for name in {libraries} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- Models of pydantic ----------------------------------------------------------------------------------------------


class Price(BaseModel):
    model_config = ConfigDict(frozen=True)

    amount: Decimal
    currency: str = "EUR"


class Order(BaseModel):
    model_config = ConfigDict(extra="allow")

    lines: list[Price]
    placed: datetime
    note: str | None = Field(default=None, alias="Note")
    total: float = 0.0


class Tags(RootModel[list[str]]):
    pass


class Box(BaseModel, Generic[T]):
    content: T


class Swapped(BaseModel):
    """Each field is called by an alias as the other one is by name."""

    left: int = Field(alias="right")
    right: int = Field(alias="left")


MODELS = (Price, Order, Tags, Box, Box[int], Box[Price], Swapped)
SERIALIZER = Serializer(MODELS)


def again(value: Any, serializer: Serializer = SERIALIZER) -> Any:
    back = serializer.loads(serializer.dumps(value))
    assert serializer.dumps(back) == serializer.dumps(value)
    return back


def assert_same_model(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    assert one == other
    assert one.model_fields_set == other.model_fields_set
    assert one.__pydantic_extra__ == other.__pydantic_extra__
    assert [*map(type, vars(one).values())] == [*map(type, vars(other).values())]


prices = st.builds(Price, amount=st.decimals(allow_nan=False, allow_infinity=False)) | st.builds(
    Price, amount=st.decimals(allow_nan=False, allow_infinity=False), currency=st.text()
)
orders = st.builds(
    lambda lines, placed, more: Order(lines=lines, placed=placed, **more),
    st.lists(prices, max_size=3),
    st.datetimes(timezones=st.just(UTC)),
    st.dictionaries(
        st.sampled_from(["Note", "colour", "$type", "$unset", "total_of"]), st.none() | st.text(), max_size=4
    ),
)


@given(
    orders
    | prices
    | st.builds(Tags, st.lists(st.text()))
    | st.builds(lambda content: Box[int](content=content), st.integers())
    | st.builds(lambda content: Box[Price](content=content), prices)
    | st.builds(lambda content: Box(content=content), st.integers() | prices | st.dates())
    | st.builds(lambda left, right: Swapped(right=left, left=right), st.integers(), st.integers())
)
def test_a_model_comes_back_with_its_fields_extras_and_what_was_set(model: BaseModel) -> None:
    assert_same_model(again(model), model)
    assert_same_model(SERIALIZER.copy(model), model)


def test_a_model_is_stored_by_the_names_of_its_fields_each_value_with_its_own_tag() -> None:
    more: Any = {"Note": "x", "seen": True}
    order = Order(lines=[Price(amount=Decimal("1.50"))], placed=datetime(2026, 1, 2, tzinfo=UTC), **more)
    assert SERIALIZER.to_data(order) == {
        "$type": "Order",
        "value": {
            "lines": [
                {
                    "$type": "Price",
                    "value": {
                        "amount": {"$type": "decimal", "value": "1.50"},
                        "currency": "EUR",
                        "$unset": ["currency"],
                    },
                }
            ],
            "placed": {"$type": "datetime", "value": "2026-01-02T00:00:00+00:00"},
            "note": "x",
            "total": 0.0,
            "$extra": {"seen": True},
            "$unset": ["total"],
        },
    }


def test_a_nested_model_that_is_not_registered_is_named_with_its_place() -> None:
    order = Order(lines=[Price(amount=Decimal(1))], placed=datetime(2026, 1, 2, tzinfo=UTC))
    with pytest.raises(SerializationError) as caught:
        Serializer([Order]).dumps([order])
    problem = f"value[0].lines[0] is of type {HERE}.Price, which cannot be stored; register it: "
    assert str(caught.value) == f"{problem}Serializer().register(Price), or return plain data"


def test_a_model_of_a_class_made_inside_of_a_function_has_a_plain_tag() -> None:
    class Inner(BaseModel):
        x: int

    serializer = Serializer([Inner, Box[Inner]])
    assert {"Inner", "Box[Inner]"} <= set(serializer._by_tag)
    assert again(Box[Inner](content=Inner(x=1)), serializer) == Box[Inner](content=Inner(x=1))


def stored(**fields: Any) -> Any:
    return {"$type": "Thing", "value": fields}


def read(cls: type, **fields: Any) -> Any:
    serializer = Serializer()
    serializer.register(cls, tag="Thing")
    return serializer.from_data(stored(**fields))


def refusal(cls: type, **fields: Any) -> str:
    with pytest.raises(SerializationError) as caught:
        read(cls, **fields)
    return str(caught.value)


def test_an_older_model_is_read_by_defaults_validators_and_aliases() -> None:
    class Thing(BaseModel):
        price: Decimal = Field(validation_alias=AliasChoices("cost", "price"))
        size: int
        kind: str = "new"

        @field_validator("size", mode="before")
        @classmethod
        def _in_words(cls, size: object) -> object:
            return {"small": 1}.get(size, size) if isinstance(size, str) else size

    assert read(Thing, cost="2.50", size="small", gone=1) == Thing(price=Decimal("2.5"), size=1)


def test_a_model_that_does_not_take_what_was_stored_says_which_fields() -> None:
    class Thing(BaseModel):
        model_config = ConfigDict(extra="forbid")
        a: int
        b: str

    assert refusal(Thing, a="x", c=1) == (
        f"value is not what {Thing.__module__}.{Thing.__qualname__} takes: of field 'a': Input should be a valid "
        "integer, unable to parse string as an integer; of field 'b': Field required; of field 'c': Extra inputs are "
        "not permitted"
    )


def test_a_root_model_that_does_not_take_what_was_stored_says_where() -> None:
    serializer = Serializer([Tags])
    with pytest.raises(SerializationError, match="of field '1': Input should be a valid string"):
        serializer.from_data({"$type": "Tags", "value": {"root": ["a", 2]}})


# --- Older versions of records and enums -----------------------------------------------------------------------------


@dataclasses.dataclass
class DataThing:
    price: Decimal
    kind: str = "new"


@attrs.define
class AttrsThing:
    price: Decimal = attrs.field(converter=Decimal)
    kind: str = "new"


class TupleThing(NamedTuple):
    price: Decimal
    kind: str = "new"


RECORDS = (DataThing, AttrsThing, TupleThing)


@pytest.mark.parametrize("cls", RECORDS)
def test_a_field_that_is_new_has_its_default_in_what_is_older(cls: Any) -> None:
    price = {"$type": "decimal", "value": "2.5"}
    assert read(cls, price=price) == cls(Decimal("2.5"), "new")


@pytest.mark.parametrize("cls", RECORDS)
def test_a_new_field_without_a_default_is_named(cls: Any) -> None:
    assert refusal(cls, kind="x") == (
        f"value has no field 'price', and {HERE}.{cls.__name__} needs it: "
        "give it a default, so that what was stored before it was there can be read"
    )


@pytest.mark.parametrize("cls", RECORDS)
def test_a_field_that_was_removed_is_named_and_not_dropped(cls: Any) -> None:
    assert refusal(cls, price="2.5", colour="red") == (
        f"value has a field 'colour', and {HERE}.{cls.__name__} has no such field: "
        "give the class the field, with a default, or register it with both encode=... and decode=..."
    )


def test_an_attrs_class_converts_what_an_older_version_held() -> None:
    assert read(AttrsThing, price="2.5") == AttrsThing(Decimal("2.5"))


def test_a_converter_that_refuses_is_named_by_its_field() -> None:
    assert f"value is not what {HERE}.AttrsThing takes: of field 'price' " in refusal(AttrsThing, price="x")


def test_an_error_inside_of_a_record_names_the_way_to_it() -> None:
    serializer = Serializer([DataThing])
    data = {"rows": [{"$type": "DataThing", "value": {"price": {"$type": "DataThing", "value": {}}}}]}
    with pytest.raises(SerializationError, match=r"^value\.rows\[0\]\.price has no field 'price'"):
        serializer.from_data(data)  # type: ignore[arg-type]


class Shade(enum.Enum):
    CRIMSON = 1
    RED = 1  # noqa: PIE796 - its older name
    BLUE = 2

    @classmethod
    def _missing_(cls, value: object) -> Shade | None:
        return cls.BLUE if value == "AZURE" else None


def test_a_member_is_found_by_its_older_name_and_by_missing() -> None:
    serializer = Serializer([Shade])
    found = [serializer.from_data({"$type": "Shade", "value": name}) for name in ("CRIMSON", "RED", "AZURE")]
    assert found == [Shade.CRIMSON, Shade.CRIMSON, Shade.BLUE]
    with pytest.raises(SerializationError, match=r"^value is .*Shade\.GREEN, and the class has no such member"):
        serializer.from_data({"$type": "Shade", "value": "GREEN"})


def test_a_date_in_a_record_keeps_its_type() -> None:
    assert type(again(DataThing(date(2026, 1, 2)), Serializer([DataThing])).price) is date  # type: ignore[arg-type]
