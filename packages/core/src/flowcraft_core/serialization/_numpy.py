"""Scalars and arrays of numpy. Loaded with the first of them; nothing here is pickled.

An array is stored in numpy's own format (NPY), which keeps dtype, shape and order; a number as its value, so that it
can be read by people.
"""

from __future__ import annotations

import base64
import warnings
from io import BytesIO
from typing import Any, Final

import numpy as np

from ._codecs import Codec, name_of
from ._walking import PartError, show

# By name: what data asks for is looked up here and nowhere else.
_NUMBERS: Final[dict[str, type[np.generic]]] = {
    np.dtype(kind).name: kind
    for kind in (
        *(np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64),
        *(np.float16, np.float32, np.float64),
    )
}
_TEXTS: Final[dict[str, type[np.generic]]] = {"str": np.str_, "bytes": np.bytes_}
# Stored as arrays without dimensions.
_OTHERS: Final = (np.complex64, np.complex128, np.datetime64, np.timedelta64, np.void)


def _refuse_unfit(dtype: np.dtype[Any], field: str = "") -> None:
    """Refuse what has no form of its own outside of this process or machine."""
    where = f"field {field!r} of its dtype" if field else f"its dtype {dtype}"
    if dtype.fields:
        for name, (inner, *_) in dtype.fields.items():
            _refuse_unfit(inner, f"{field}.{name}".lstrip("."))
    elif dtype.subdtype is not None:
        _refuse_unfit(dtype.subdtype[0], field)
    elif dtype.kind == "O":
        raise PartError(
            f"is an array, and {where} is of objects, which may be anything: make it a list, or give a dtype"
        )
    elif dtype.kind not in "biufcmMSUV":
        raise PartError(f"is an array, and {where} cannot be stored: convert it with astype(), for text to 'U'")
    elif dtype.kind in "fc" and dtype.itemsize not in ((2, 4, 8) if dtype.kind == "f" else (8, 16)):
        raise PartError(f"is an array, and {where} differs from machine to machine: convert it with astype(float)")


def _encode_array(array: np.ndarray[Any, Any]) -> str:
    _refuse_unfit(array.dtype)
    if array.dtype.metadata:
        raise PartError("is an array whose dtype has metadata, which cannot be stored: convert it with astype()")
    file = BytesIO()
    np.lib.format.write_array(file, array, allow_pickle=False)
    return base64.b64encode(file.getvalue()).decode()


def _decode_array(text: str) -> np.ndarray[Any, Any]:
    file = BytesIO(base64.b64decode(text, validate=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers that older versions of numpy wrote otherwise
        array: np.ndarray[Any, Any] = np.lib.format.read_array(file, allow_pickle=False)
    if file.read(1):
        raise ValueError("more data than the array's shape says")
    return array


def _encode_scalar(scalar: Any) -> object:
    if isinstance(scalar, np.str_):
        return ["str", str.__str__(scalar)]  # str() would leave zeros at its end away
    if isinstance(scalar, np.bytes_):
        return ["bytes", bytes.__add__(scalar, b"")]  # likewise
    if scalar.dtype.name in _NUMBERS:
        return [scalar.dtype.name, scalar.item()]
    array = np.empty((), scalar.dtype)
    array[()] = scalar
    return _encode_array(array)


def _decode_scalar(stored: Any) -> object:
    if type(stored) is str:
        array = _decode_array(stored)
        if array.shape != ():
            raise ValueError("it is no scalar")
        return array[()]
    name, value = stored
    kind: Any = _NUMBERS.get(name) or _TEXTS[name]
    if type(value) not in (bool, int, float, str, bytes):
        raise ValueError(f"{show(value)} is no {name_of(kind)}")
    return kind(value)


CODECS: Final = (
    Codec("numpy.array", np.ndarray, _encode_array, _decode_array, str),
    *(
        Codec("numpy.scalar", kind, _encode_scalar, _decode_scalar, (list, str))
        for kind in (*_NUMBERS.values(), *_TEXTS.values(), *_OTHERS)
    ),
)
