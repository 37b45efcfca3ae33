"""Frames, series and indexes of pandas, stored as Arrow IPC. Loaded with the first of them.

Arrow knows other types than pandas does. So what was written is read again at once, and compared: what would come back
as something else is refused, with the name of its column.
"""

from __future__ import annotations

import base64
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from ._codecs import Codec
from ._walking import PartError, show

# A frequency is known to these only, and not to Arrow.
_TIMED: Final = (pd.DatetimeIndex, pd.TimedeltaIndex)


def _encode_frame(frame: pd.DataFrame) -> object:
    names = list(frame.columns)
    is_plain = all(type(name) is str for name in names) and _is_same(frame.columns, pd.Index(names))
    return [names if is_plain else {"index": _encode_index(frame.columns)}, *_encode_table(frame, "a frame")]


def _decode_frame(stored: list[Any]) -> pd.DataFrame:
    names, text, freq = stored
    frame = _decode_table(text, freq)
    frame.columns = pd.Index(names) if type(names) is list else _decode_index(names["index"])
    return frame


def _encode_series(series: pd.Series[Any]) -> object:
    return [series.name, *_encode_table(series.to_frame(), "a series")]


def _decode_series(stored: list[Any]) -> pd.Series[Any]:
    name, text, freq = stored
    return _decode_table(text, freq).iloc[:, 0].rename(name)


def _encode_index(index: pd.Index[Any]) -> object:
    return list(_encode_table(pd.DataFrame(index=index), "an index"))


def _decode_index(stored: list[Any]) -> pd.Index[Any]:
    return _decode_table(*stored).index


def _encode_table(frame: pd.DataFrame, what: str) -> tuple[str, str | None]:
    """A frame without the names of its columns, which in pandas can be any, as text; and the index's frequency."""
    if frame.attrs:
        raise PartError(f"is {what}, and its attrs would be lost: hand them on beside it")
    numbered = frame.set_axis([str(place) for place in range(frame.shape[1])], axis="columns")
    freq = frame.index.freqstr if isinstance(frame.index, _TIMED) else None
    try:
        text = _to_text(pa.Table.from_pandas(numbered))
        back = _decode_table(text, freq)
    except Exception as error:
        raise PartError(f"is {what}, and {_unfit(frame)} cannot be stored: {show(error)}") from error
    for place, name in enumerate(frame.columns):
        if not _is_same(frame.iloc[:, place], back.iloc[:, place]):
            raise PartError(f"is {what}, and its column {name!r} would change: {_remedy(frame.iloc[:, place])}")
    if not _is_same(frame.index, back.index):
        raise PartError(f"is {what}, and its index would change: {_remedy(frame.index)}")
    return text, freq


def _decode_table(text: str, freq: str | None) -> pd.DataFrame:
    with pa.ipc.open_stream(base64.b64decode(text, validate=True)) as reader:
        frame: pd.DataFrame = reader.read_all().to_pandas()
    if freq is not None:
        frame.index.freq = freq
    return frame


def _remedy(values: Any) -> str:
    return f"{values.dtype} holds what Arrow has no such type for; convert it with astype(), or return plain data"


def _unfit(frame: pd.DataFrame) -> str:
    """What of a frame Arrow cannot take."""
    for place, name in enumerate(frame.columns):
        try:
            pa.array(frame.iloc[:, place], from_pandas=True)
        except Exception:
            return f"its column {name!r} of {frame.dtypes.iloc[place]}"
    return "its index"


def _is_same(one: Any, other: Any) -> bool:
    """Whether what came back is what was given: of the same types all the way down."""
    if isinstance(one, pd.Index):
        # An index of text may come back without knowing that it is a plain range, or otherwise of another class.
        if type(one) is not type(other) or list(one.names) != list(other.names):
            return False
        if isinstance(one, _TIMED) and one.freq != other.freq:
            return False
        if isinstance(one, pd.RangeIndex) and (one.start, one.stop, one.step) != (other.start, other.stop, other.step):
            return False
        if isinstance(one, pd.MultiIndex):
            levels = range(one.nlevels)
            return all(_is_same(one.get_level_values(n), other.get_level_values(n)) for n in levels)
    if one.dtype != other.dtype or not one.equals(other):
        return False
    return one.dtype != object or all(_is_same_object(a, b) for a, b in zip(one, other, strict=True))


def _is_same_object(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if type(one) is dict:
        return one.keys() == other.keys() and all(_is_same_object(item, other[key]) for key, item in one.items())
    if type(one) is list:
        return len(one) == len(other) and all(map(_is_same_object, one, other))
    return one is other or bool(one == other) or (one != one and other != other)


def _to_text(table: pa.Table) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return base64.b64encode(sink.getvalue()).decode()


_INDEXES: Final[tuple[type, ...]] = (
    *(pd.Index, pd.RangeIndex, pd.MultiIndex, pd.CategoricalIndex, pd.IntervalIndex),
    *(pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex),
)
CODECS: Final = (
    Codec("pandas.frame", pd.DataFrame, _encode_frame, _decode_frame, list),
    Codec("pandas.series", pd.Series, _encode_series, _decode_series, list),
    *(Codec("pandas.index", kind, _encode_index, _decode_index, list) for kind in _INDEXES),
)
