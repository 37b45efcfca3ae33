"""Scalars, arrays and frames of other libraries: what comes back is what was stored, the rest is refused by name."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from flowcraft_core.errors import SerializationError
from flowcraft_core.serialization import Serializer
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

SERIALIZER = Serializer()


def again(value: Any) -> Any:
    text = SERIALIZER.dumps({"value": value})
    back: Any = Serializer().loads(text)
    assert Serializer().dumps(back) == text
    return back["value"]


def refusal(value: object) -> str:
    with pytest.raises(SerializationError) as caught:
        SERIALIZER.dumps(value)
    return str(caught.value)


# --- numpy -----------------------------------------------------------------------------------------------------------

dtypes = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes()
    | hnp.unsigned_integer_dtypes()
    | hnp.floating_dtypes(sizes=(16, 32, 64))
    | hnp.complex_number_dtypes(sizes=(64, 128))
    | hnp.datetime64_dtypes()
    | hnp.timedelta64_dtypes()
    | hnp.byte_string_dtypes(min_len=1)
    | hnp.unicode_string_dtypes(min_len=1)
)
structured = st.just(np.dtype([("x", "<i4"), ("at", "<M8[ms]"), ("in", [("y", ">f8", (2,))])]))


@given(
    hnp.arrays(dtypes | structured, hnp.array_shapes(min_dims=0, min_side=0)), st.sampled_from(["C", "F", "strided"])
)
def test_an_array_keeps_dtype_shape_order_and_every_bit(array: Any, order: str) -> None:
    if order != "strided":
        array = np.array(array, order=order)  # type: ignore[call-overload]
    elif array.ndim:
        array = array[..., ::-1]
    back = again(array)
    assert type(back) is np.ndarray
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert back.flags.f_contiguous == array.flags.f_contiguous or order == "strided"
    assert back.flags.writeable
    assert SERIALIZER.copy(array).tobytes() == array.tobytes()


@given(hnp.arrays(dtypes | structured, ()))
def test_a_scalar_keeps_its_type_and_value(array: Any) -> None:
    scalar = array[()]
    back = again(scalar)
    assert type(back) is np.dtype(scalar.dtype).type is type(back)
    assert (back.dtype, back.tobytes()) == (scalar.dtype, scalar.tobytes()) or scalar != scalar


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (np.float64(1.5), ["float64", 1.5]),
        (np.int8(-1), ["int8", -1]),
        (np.True_, ["bool", True]),
        (np.str_("a\0"), ["str", "a\0"]),
    ],
)
def test_a_number_can_be_read_by_people(value: Any, data: object) -> None:
    assert SERIALIZER.to_data(value) == {"$type": "numpy.scalar", "value": data}
    assert type(again(value)) is type(value)
    assert again(value) == value


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([{}, 1], dtype=object), "value.a is an array, and its dtype object is of objects"),
        (
            np.zeros(1, [("x", "i4"), ("in", [("y", object)])]),
            "value.a is an array, and field 'in.y' of its dtype is of objects",
        ),
        (np.zeros(1, np.longdouble), "differs from machine to machine"),
        (np.array(["a"], dtype=np.dtypes.StringDType()), "cannot be stored: convert it with astype()"),
        (np.zeros(1, np.dtype("i4", metadata={"unit": "m"})), "whose dtype has metadata"),
        (np.ma.masked_array([1], [True]), "is of type numpy.ma.MaskedArray, which cannot be stored"),
        (np.longdouble(1), "is of type numpy.longdouble, which cannot be stored"),
    ],
)
def test_what_numpy_could_not_give_back_is_refused(array: Any, says: str) -> None:
    assert says in refusal({"a": array})


def test_a_pickle_in_the_place_of_an_array_is_refused() -> None:
    import base64
    import io

    file = io.BytesIO()
    np.save(file, np.array([print], dtype=object), allow_pickle=True)
    data: Any = {"$type": "numpy.array", "value": base64.b64encode(file.getvalue()).decode()}
    with pytest.raises(SerializationError, match="Object arrays cannot be loaded"):
        SERIALIZER.from_data(data)


@pytest.mark.parametrize(
    "value",
    [["object", 1], ["float64", "x"], ["float64"], [[], 1], "AAAA", ["float64", {"a": 1}], ["os.system", "true"]],
)
def test_a_crafted_scalar_is_refused(value: Any) -> None:
    with pytest.raises(SerializationError, match=r"numpy\.scalar"):
        SERIALIZER.from_data({"$type": "numpy.scalar", "value": value})


# --- pandas ----------------------------------------------------------------------------------------------------------

FRAMES: dict[str, pd.DataFrame] = {
    "numbers and text": pd.DataFrame({"a": [1, 2], "b": [1.5, None], "c": ["x", None]}),
    "empty": pd.DataFrame(),
    "no rows": pd.DataFrame({"a": pd.Series([], dtype="int8")}),
    "nullable": pd.DataFrame({"a": pd.array([1, None], dtype="Int16"), "b": pd.array([True, None], dtype="boolean")}),
    "times": pd.DataFrame({"at": pd.to_datetime(["2026-01-02", None]).tz_localize("Europe/Paris")}),
    "durations": pd.DataFrame({"for": pd.to_timedelta([1, None], unit="s")}),
    "categories": pd.DataFrame({"c": pd.Categorical(["b", "a"], categories=["b", "a", "z"], ordered=True)}),
    "objects that Arrow knows": pd.DataFrame({"d": [Decimal("1.5"), None]}, dtype=object),
    "index with a name": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="key")),
    "dates with a frequency": pd.DataFrame({"a": [1, 2, 3]}, index=pd.date_range("2026-01-01", periods=3, freq="D")),
    "several levels": pd.DataFrame(
        {"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["k", "n"])
    ),
    "range": pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(4, 8, 2)),
    "names twice": pd.DataFrame([[1, 2]], columns=["a", "a"]),
    "names of several levels": pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("x", 1)])),
    "numbers for names": pd.DataFrame([[1, 2]], columns=[10, 20]),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_a_frame_comes_back_the_same(frame: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(again(frame), frame, check_exact=True, check_freq=True)
    pd.testing.assert_frame_equal(SERIALIZER.copy([frame])[0], frame, check_exact=True)


@pytest.mark.parametrize("index", [frame.index for frame in FRAMES.values()], ids=FRAMES)
def test_an_index_comes_back_the_same(index: Any) -> None:
    pd.testing.assert_index_equal(again(index), index, exact=True)


@pytest.mark.parametrize("name", [None, "a", 3, ("x", 1), Decimal(1)])
def test_a_series_keeps_its_name_whatever_that_is(name: Any) -> None:
    series = pd.Series([1.5, None], index=["x", "y"], name=name)
    pd.testing.assert_series_equal(again(series), series, check_exact=True)
    assert type(again(series).name) is type(name)


columns = st.one_of(
    *(
        st.lists(values, min_size=3, max_size=3).map(partial(pd.Series, dtype=kind))
        for values, kind in (
            (st.integers(-128, 127), "int8"),
            (st.integers(0, 2**64 - 1), "uint64"),
            (st.floats(), "float64"),
            (st.floats(width=32), "float32"),
            (st.booleans(), "bool"),
            (st.none() | st.integers(0, 9), "Int64"),
            (st.none() | st.text(st.characters(codec="utf-8")), "str"),
            (st.sampled_from("ab"), "category"),
            (st.datetimes(), "datetime64[us]"),
        )
    )
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), columns, max_size=4))
def test_frames_of_all_kinds_of_columns_come_back_the_same(data: Any) -> None:
    frame = pd.DataFrame(data)
    pd.testing.assert_frame_equal(again(frame), frame, check_exact=True)


UNFIT: dict[str, tuple[Any, str]] = {
    "objects": (pd.DataFrame({"ok": [1], "bad": [object()]}), "and its column 'bad' of object cannot be stored"),
    "mixed": (pd.DataFrame({"bad": [1, "x"]}), "and its column 'bad' of object cannot be stored"),
    "bools beside None": (pd.DataFrame({"bad": [{1}, None]}), "its column 'bad'"),
    "nan beside None": (
        pd.DataFrame({"bad": ["x", None, float("nan")]}, dtype=object),
        "its column 'bad' would change",
    ),
    "tuples": (pd.DataFrame({"bad": [(1, 2)]}), "its column 'bad' would change"),
    "mixed names": (pd.DataFrame([[1, 2]], columns=["a", 1]), "is an index, and its index cannot be stored"),
    "a series": (pd.Series([object()], name="bad"), "its column 'bad' of object cannot be stored"),
    "complex": (pd.DataFrame({"bad": [1j]}), "its column 'bad' of complex128 cannot be stored"),
}


@pytest.mark.parametrize(("value", "says"), UNFIT.values(), ids=UNFIT)
def test_what_arrow_could_not_give_back_is_refused_by_its_column(value: Any, says: str) -> None:
    said = refusal({"f": value})
    assert said.startswith("value.f is a")
    assert says in said


def test_attrs_of_a_frame_are_not_lost_in_silence() -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["of"] = object()
    assert "attrs" in refusal(frame)


# --- polars ----------------------------------------------------------------------------------------------------------

POLARS = pl.DataFrame(
    {
        "i": pl.Series([1, None], dtype=pl.Int8),
        "f": [1.5, float("nan")],
        "s": ["x", None],
        "d": pl.Series([Decimal("1.50"), None], dtype=pl.Decimal(10, 2)),
        "l": [[1], []],
        "st": [{"a": 1}, {"a": None}],
        "c": pl.Series(["x", "y"], dtype=pl.Categorical),
        "e": pl.Series(["x", "y"], dtype=pl.Enum(["y", "x"])),
        "at": pl.Series([1, None], dtype=pl.Datetime("ns", "Europe/Paris")),
    }
)


def test_a_frame_of_polars_comes_back_the_same() -> None:
    for frame in (POLARS, pl.DataFrame(), POLARS.clear()):
        back = again(frame)
        assert back.schema == frame.schema
        assert back.equals(frame)
        assert SERIALIZER.copy(frame).equals(frame)


@pytest.mark.parametrize("column", POLARS.get_columns(), ids=lambda column: column.name)
def test_a_series_of_polars_comes_back_the_same(column: pl.Series) -> None:
    back = again(column)
    assert (back.name, back.dtype) == (column.name, column.dtype)
    assert back.equals(column)


def test_objects_in_a_frame_of_polars_are_refused_by_their_column() -> None:
    frame = pl.DataFrame({"ok": [1], "bad": pl.Series([object()], dtype=pl.Object)})
    assert refusal([frame]).startswith("value[0] is a frame, and its column 'bad' is of Object, which may be anything")
    assert "its column 'bad' is of Object" in refusal(frame["bad"])


# --- without them ----------------------------------------------------------------------------------------------------

WITHOUT = """
import sys
sys.modules[{module!r}] = None
from flowcraft_core import SerializationError, Serializer
try:
    Serializer().from_data({{"a": {{"$type": {tag!r}, "value": "x"}}}})
except SerializationError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("tag", "module", "extra"),
    [
        ("numpy.array", "numpy", "numpy"),
        ("pandas.frame", "pandas", "pandas"),
        ("pandas.series", "pyarrow", "pandas"),
        ("polars.frame", "polars", "polars"),
    ],
)
def test_without_a_library_its_extra_is_named(tag: str, module: str, extra: str) -> None:
    program = WITHOUT.format(module=module, tag=tag)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    remedy = f"needs more than is installed: pip install 'flowcraft-core[{extra}]'"
    assert done.stdout == f"value.a is of {extra}, and to store or read it {remedy}\n"


def test_a_library_has_its_own_tags_and_the_user_any_other() -> None:
    class Mine:
        pass

    with pytest.raises(SerializationError, match=r"the tag 'numpy\.array' is built in"):
        Serializer().register(Mine, tag="numpy.array", encode=str, decode=lambda _: Mine())
    own = Serializer()
    own.register(np.ndarray, tag="numbers", encode=np.ndarray.tolist, decode=np.array)
    assert own.to_data(np.array([1])) == {"$type": "numbers", "value": [1]}
