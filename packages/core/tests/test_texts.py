"""JSON as it is stored and sent: the text that the documented encoder writes, whatever way it is written."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from flowcraft_core import texts
from hypothesis import given
from hypothesis import strategies as st

_DOCUMENTED = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside),
)


@given(_DATA)
def test_json_is_what_the_documented_encoder_writes(data: Any) -> None:
    assert texts.compact_json(data) == _DOCUMENTED.encode(data)


def test_what_is_no_json_data_is_refused() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        texts.compact_json({"a": [object()]})


@pytest.mark.parametrize("made", [None, lambda: None])
def test_where_python_has_no_such_encoder_the_documented_one_writes(made: Any) -> None:
    with mock.patch.object(json.encoder, "c_make_encoder", made):
        write = texts._compact_json()
    assert write({"a": "ä"}) == '{"a":"ä"}'
