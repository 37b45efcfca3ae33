import struct

import pytest
from flowcraft_postgres._statements import Statement


def test_parameters_by_name_become_numbers_each_once() -> None:
    statement = Statement("SELECT %(b)s, %(a)s::float8, %(b)s, 100 %% 7")
    bound = statement.bind({"a": 1.5, "b": "text", "c": "more than it has"})
    assert bound.text == b"SELECT $1, $2::float8, $1, 100 % 7"
    assert bound.values == [b"text", struct.pack("!d", 1.5)]
    assert bound.types == (0, 701)


@pytest.mark.parametrize(
    ("value", "written", "type_"),
    [
        (None, None, 0),
        ("ä", "ä".encode(), 0),
        (b"\0", b"\0", 17),
        (True, b"\x01", 16),
        (7, struct.pack("!q", 7), 20),
        (-0.5, struct.pack("!d", -0.5), 701),
    ],
)
def test_values_are_written_as_the_server_reads_them(value: object, written: bytes | None, type_: int) -> None:
    bound = Statement("SELECT %(it)s").bind({"it": value})
    assert (bound.values, bound.types) == ([written], (type_,))


def test_an_array_has_the_type_that_the_statement_casts_it_to() -> None:
    bound = Statement("SELECT %(some)b::int8[], %(texts)b::text[]").bind({"some": [5], "texts": ["a", None]})
    assert bound.text == b"SELECT $1::int8[], $2::text[]"
    assert bound.types == (1016, 1009)
    assert bound.values[0] == struct.pack("!iIIiiiq", 1, 1, 20, 1, 1, 8, 5)
    assert bound.values[1] == struct.pack("!iIIiii", 1, 1, 25, 2, 1, 1) + b"a" + struct.pack("!i", -1)


def test_whole_numbers_will_do_where_others_are_asked_for() -> None:
    bound = Statement("SELECT %(delays)b::float8[]").bind({"delays": [0]})
    assert bound.values[0] == struct.pack("!iIIiiid", 1, 1, 701, 1, 1, 8, 0.0)


def test_what_is_prepared_under_one_name_is_one_statement() -> None:
    """Also on a server connection that others have prepared their statements on."""
    one, other = Statement("SELECT %(it)s"), Statement("SELECT %(it)s, 1")
    names = {one.bind({"it": 1}).name, one.bind({"it": "1"}).name, other.bind({"it": 1}).name}
    assert len(names) == 3
    assert Statement("SELECT %(it)s").bind({"it": 2}).name in names


def test_what_is_no_text_is_refused_before_it_is_sent() -> None:
    with pytest.raises(UnicodeEncodeError):
        Statement("SELECT %(it)s").bind({"it": "\ud800"})
