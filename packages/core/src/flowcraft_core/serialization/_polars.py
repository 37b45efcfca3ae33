"""Frames and series of polars, stored as Arrow IPC. Loaded with the first of them."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any, Final

import polars as pl

from ._codecs import Codec
from ._walking import PartError

# Of a series; its own name stands beside it, as a frame's cannot be just any.
_COLUMN: Final = "values"


def _encode_frame(frame: pl.DataFrame) -> str:
    for name, kind in frame.schema.items():
        if _holds_objects(kind):
            raise PartError(
                f"is a frame, and its column {name!r} is of {kind}, which may be anything: give it another type"
            )
    file = BytesIO()
    frame.write_ipc(file)
    back = pl.read_ipc(file.getvalue())
    for name, kind in frame.schema.items():
        if back.schema.get(name) != kind:
            raise PartError(f"is a frame, and its column {name!r} of {kind} cannot be stored: cast it to another type")
    return base64.b64encode(file.getvalue()).decode()


def _holds_objects(kind: Any) -> bool:
    if isinstance(kind, pl.Struct):
        return any(_holds_objects(field.dtype) for field in kind.fields)
    inner = getattr(kind, "inner", None)
    return kind == pl.Object or (inner is not None and _holds_objects(inner))


def _decode_frame(text: str) -> pl.DataFrame:
    return pl.read_ipc(BytesIO(base64.b64decode(text, validate=True)))


def _encode_series(series: pl.Series) -> object:
    try:
        return [series.name, _encode_frame(series.alias(_COLUMN).to_frame())]
    except PartError as fault:
        raise PartError(fault.problem.replace(f"its column {_COLUMN!r}", f"its column {series.name!r}", 1)) from None


def _decode_series(stored: list[Any]) -> pl.Series:
    name, text = stored
    return _decode_frame(text)[_COLUMN].alias(name)


CODECS: Final = (
    Codec("polars.frame", pl.DataFrame, _encode_frame, _decode_frame, str),
    Codec("polars.series", pl.Series, _encode_series, _decode_series, list),
)
