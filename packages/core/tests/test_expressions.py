"""What the expression language promises: both spellings, data only, None for what is missing, and its bounds."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

import attrs
import pytest
from flowcraft_core import expressions
from flowcraft_core.errors import ExpressionError, SerializationError
from flowcraft_core.expressions import _evaluation, _grammar, _tokens, compile_expression
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel


@attrs.define
class Order:
    total: int
    note: str | None = None
    _secret: str = "hidden"

    @property
    def doubled(self) -> int:
        raise AssertionError("a property ran")

    def ship(self) -> None:
        raise AssertionError("a method ran")


@dataclasses.dataclass
class Customer:
    name: str
    orders: list[Order]
    _secret: str = "hidden"


class Pair(NamedTuple):
    left: int
    length: str

    @property
    def both(self) -> int:
        raise AssertionError("a property ran")


class Person(BaseModel):
    name: str

    @property
    def shouted(self) -> str:
        raise AssertionError("a property ran")


class Open(BaseModel, extra="allow"):
    name: str


class Colour(Enum):
    RED = "red"

    @property
    def doubled(self) -> str:
        raise AssertionError("a property ran")


class Status(StrEnum):
    DONE = "done"


class Level(IntEnum):
    HIGH = 3


SCOPE: dict[str, object] = {
    "count": 3,
    "zero": 0,
    "empty": "",
    "missing": None,
    "a": 1,
    "b": 0,
    "c": None,
    "items": [10, 20, 30],
    "pair": ("x", "y"),
    "tags": {"new", "old"},
    "context": {"inc": 5, "_outputs.fetch": "page", "odd-name": 7, "a": {"b": 1}, "1": "one", "$ref": "dollar"},
    "_outputs": {"fetch": "page"},
    "input": {"user": {"name": "Ada", "id": 7}, "key": "inc", "from": "Oslo", "class": "first", "length": "long"},
    "result": {"output": {"ok": False, "status": "SUCCESS", "total": 12.5}},
    "order": Order(total=40),
    "customer": Customer("Ada", [Order(total=1), Order(total=2)]),
    "person": Person(name="Ada"),
    "open": Open.model_validate({"name": "Ada", "more": "more"}),
    "records": Pair(1, "long"),
    "colour": Colour.RED,
    "status": Status.DONE,
}


def value(source: str, scope: Mapping[str, object] = SCOPE) -> object:
    return compile_expression(source).evaluate(scope)


def refused(source: str) -> str:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source)
    return str(caught.value)


def failed(source: str, scope: Mapping[str, object] = SCOPE) -> str:
    compiled = compile_expression(source)
    with pytest.raises(ExpressionError) as caught:
        compiled.evaluate(scope)
    return str(caught.value)


class TestBothSpellings:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("count < 5", True),
            ('context["inc"]', 5),
            ("context['inc']", 5),
            ("context.inc", 5),
            ("input.user.name", "Ada"),
            ("!result.output.ok", True),
            ("not result.output.ok", True),
            ("a && (b || !c)", True),
            ("a and (b or not c)", True),
            ("result.output.status === 'SUCCESS'", True),
            ('result.output.status !== "SUCCESS"', False),
            ("count == 3 && count != 4", True),
            ("missing === null && missing === undefined && missing == None", True),
            ("missing is None", True),
            ("count is not None", True),
            ("count  is\nnot  None", True),
            ("true && True", True),
            ("false || False", False),
            ("20 in items", True),
            ("20 not  in items", False),
            ("'x' if count else 'y'", "x"),
            ("count ? 'x' : 'y'", "x"),
            ("zero ? 1 : count ? 2 : 3", 2),
            ("1 if zero else 2 if count else 3", 2),
            ("missing ?? 9", 9),
            ("zero ?? 9", 0),
            ("(context.count ?? 0) + 1", 1),
            ("input?.nobody?.name ?? 'nobody'", "nobody"),
            ("items?.[1]", 20),
            ("a?.5:1", 0.5),
            ("{'id': input.user.id, \"ok\": true,}", {"id": 7, "ok": True}),
            ("[count, [zero], {}, []]", [3, [0], {}, []]),
            (" \n count\t<\r\n5 ", True),
        ],
    )
    def test_are_read(self, source: str, expected: object) -> None:
        assert value(source) == expected

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("7 + 2 * 3 - 1", 12),
            ("(7 + 2) * 3", 27),
            ("7 / 2", 3.5),
            ("7 // 2", 3),
            ("7 % 4", 3),
            ("-count", -3),
            ("--count", 3),
            ("2 - -1", 3),
            ("-count * 2", -6),
            ("1.5e3 + .5 + 1. + 1E-1", 1501.6),
            ("'a' + \"b\"", "ab"),
            ("true + true", 2),
        ],
    )
    def test_reckon(self, source: str, expected: object) -> None:
        assert value(source) == expected

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("!count == 3", False),  # (!count) == 3, as in JavaScript
            ("not count == 4", True),  # not (count == 4), as in Python
            ("!count === false", True),
            ("!a || a", 1),
            ("not b and a", 1),
            ("a || b && c", 1),
            ("a + 1 < 3 && 2 * b == 0", True),
            ("a in [1] and !b", True),
            ("!items[0]", False),
            ("-items[0] + items.length", -7),
            ("a ? b : c || 5", 0),
        ],
    )
    def test_bind_as_in_their_own_language(self, source: str, expected: object) -> None:
        assert value(source) == expected

    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("'a && b'", "a && b"),
            ('"!x === null"', "!x === null"),
            ("'two  spaces'", "two  spaces"),
            ("'not  in'", "not  in"),
            (r"'it\'s'", "it's"),
            (r'"\"\\\/\n\r\t\b\f\v"', '"\\/\n\r\t\b\f\v'),
            (r"'\x41\u00e9'", "A\u00e9"),
            ("'\U0001f600'", "\U0001f600"),
            ("''", ""),
        ],
    )
    def test_leave_strings_alone(self, source: str, expected: str) -> None:
        assert value(source) == expected


class TestMembers:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("context['_outputs.fetch']", "page"),
            ("_outputs.fetch", "page"),
            ("context['odd-name']", 7),
            ("context.$ref", "dollar"),
            ("context[input.key]", 5),
            ("context.a['b']", 1),
            ("input.from + input.class", "Oslofirst"),
            ("input.length", "long"),
            ("items[0]", 10),
            ("items[count - 1]", 30),
            ("items[items.length - 1]", 30),
            ("items[2.0]", 30),
            ("items[4 / 2]", 30),
            ("pair[1]", "y"),
            ("input.user.name[0]", "A"),
            ("items.length", 3),
            ("pair.length", 2),
            ("'four'.length", 4),
            ("order.total", 40),
            ("order['total']", 40),
            ("customer.orders[1].total", 2),
            ("person.name", "Ada"),
            ("open.name + open.more", "Adamore"),
            ("records.left", 1),
            ("records.length", "long"),
            ("records[0]", 1),
            ("colour.value", "red"),
            ("colour.name", "RED"),
            ("status.value.length", 4),
        ],
    )
    def test_are_data(self, source: str, expected: object) -> None:
        assert value(source) == expected

    @pytest.mark.parametrize(
        "source",
        [
            "nobody",
            "nobody.name.length",
            "missing.anything[0]",
            "context.nothing",
            "context[1]",  # not "1"
            "context[missing]",
            "items[3]",
            "items[0.5]",
            "items['0']",
            "items[true]",
            "items[missing]",
            "items.append",
            "input.user.name.upper",
            "count.real",
            "tags.length",
            "order.note",
            "order.doubled",
            "order.ship",
            "order._secret",
            "order['_secret']",
            "order[0]",
            "person.shouted",
            "person.model_fields",
            "person.model_dump",
            "open.model_extra",
            "records.both",
            "records.count",
            "colour.doubled",
            "colour._value_",
            "customer._secret",
            "context['__class__']",
        ],
    )
    def test_are_none_if_they_are_no_data(self, source: str) -> None:
        assert value(source) is None

    def test_of_any_mapping_are_its_keys(self) -> None:
        assert value("m.x", {"m": MappingProxyType({"x": 1})}) == 1

    def test_are_looked_up_without_being_made(self) -> None:
        made: defaultdict[str, list[int]] = defaultdict(list)
        assert value("made.x", {"made": made}) is None
        assert made == {}

    def test_of_a_field_without_a_value_are_none(self) -> None:
        unset = Order.__new__(Order)
        assert value("order.total", {"order": unset}) is None

    def test_count_from_the_start_only(self) -> None:
        assert "count from the end as in a[a.length - 1]" in failed("items[-1]")


class TestLogic:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("empty || 'default'", "default"),
            ("count && 'yes'", "yes"),
            ("zero && 'yes'", 0),
            ("a or b", 1),
            ("missing and 1", None),
            ("!items", False),
            ("![]", True),
            ("{} ? 1 : 2", 2),
            ("!order", False),
        ],
    )
    def test_gives_operands_by_the_truth_of_python(self, source: str, expected: object) -> None:
        assert value(source) == expected

    def test_does_not_evaluate_what_it_need_not(self) -> None:
        assert value("false && 1 / 0") is False
        assert value("true || 1 / 0") is True
        assert value("1 ?? 1 / 0") == 1
        assert value("true ? 1 : 1 / 0") == 1


class TestComparisons:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("1 == 1.0", True),
            ("1 === 1.0", True),
            ("1 == true", True),
            ("1 === true", False),
            ("1 !== true", True),
            ("true === true", True),
            ("0 == false && 0 !== false", True),
            ("1 == '1'", False),
            ("null == 0", False),
            ("[1, {'a': null}] == [1, {'a': undefined}]", True),
            ("order == order", True),
            ("order == count", False),
            ("order == null", False),
            ("missing < 1 || missing > 1 || missing <= 1 || missing >= 1", False),
            ("1 < missing || missing <= missing || 'a' < missing", False),
            ("'a' < 'b'", True),
            ("true < 2", True),
            ("'new' in tags", True),
            ("'inc' in context", True),
            ("'CCES' in result.output.status", True),
            ("missing in [null]", True),
            ("'x' not in pair", False),
        ],
    )
    def test_compare_values(self, source: str, expected: bool) -> None:
        assert value(source) is expected

    @pytest.mark.parametrize(
        ("left", "right"),
        [
            (Decimal("1.5"), 2),
            (date(2024, 1, 1), date(2024, 1, 2)),
            (datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)),
            (timedelta(seconds=1), timedelta(seconds=2)),
            (UUID(int=1), UUID(int=2)),
            (b"a", b"b"),
            (2, Level.HIGH),
            ("a", Status.DONE),
        ],
    )
    def test_know_the_other_data_of_python(self, left: object, right: object) -> None:
        scope = {"left": left, "right": right}
        assert value("left < right && left <= right && right > left && right >= left && left != right", scope) is True

    def test_compare_enums_as_python_does(self) -> None:
        scope = {"colour": Colour.RED, "same": Colour.RED, "status": Status.DONE}
        assert value("colour == same && colour != 'red' && status === 'done'", scope) is True

    @pytest.mark.parametrize(
        "source",
        ["1 < 'a'", "[1] < [2]", "context < 1", "order < order", "1 in missing", "1 in 'a'", "[] in tags", "1 in 1"],
    )
    def test_fail_on_what_does_not_compare(self, source: str) -> None:
        assert source in failed(source)

    def test_never_ask_a_foreign_object(self) -> None:
        class Foreign:
            def __eq__(self, other: object) -> bool:
                raise AssertionError("a foreign object was asked")

            def __hash__(self) -> int:
                raise AssertionError("a foreign object was asked")

        scope = {"foreign": Foreign(), "m": {}}
        for source in ("foreign == 1", "1 === foreign", "foreign in [1]", "foreign < 1", "foreign + 1", "m[foreign]"):
            assert "AssertionError" not in failed(source, scope)
        assert value("foreign == null || null === foreign", scope) is False


class TestArithmetic:
    @pytest.mark.parametrize(
        "source",
        ["'a' * 3", "items * 2", "'%s' % 1", "items + items", "'a' + 1", "1 + 'a'", "missing + 1", "-'a'", "-missing"],
    )
    def test_takes_numbers_and_nothing_else(self, source: str) -> None:
        assert "numbers" in failed(source)

    @pytest.mark.parametrize("source", ["1 / 0", "1 % 0", "1 // 0", "0.0 / 0"])
    def test_fails_where_there_is_no_result(self, source: str) -> None:
        assert "zero" in failed(source)

    def test_stays_below_its_bound(self) -> None:
        assert value("9223372036854775806 + 1") == 2**63 - 1
        assert "2**63" in failed("9223372036854775807 + 1")
        assert "2**63" in failed("-9223372036854775807 - 1")
        assert "finite" in failed("1e308 * 10")
        assert "2**63" in failed("big - big", {"big": 2**64})

    def test_takes_decimals(self) -> None:
        assert value("price * 2", {"price": Decimal("1.10")}) == Decimal("2.20")
        assert "Decimal" in failed("price * 1.5", {"price": Decimal("1.10")})

    def test_joins_strings_up_to_a_bound(self) -> None:
        half = "x" * (_evaluation.MAX_JOINED_CHARACTERS // 2)
        assert value("s + s", {"s": half}) == half * 2
        assert "at most" in failed("s + s + 'x'", {"s": half})


class TestRefusals:
    @pytest.mark.parametrize(
        ("source", "place", "remedy"),
        [
            ("count <", 8, "expected a value, found the end"),
            ("f(x)", 2, "compute the value in a step"),
            ("a < b < c", 7, "write 'a < b and b < c'"),
            ("a < b === c", 7, "parentheses"),
            ("{key: 1}", 2, "a key in quotes"),
            ("{a, b}", 2, "a key in quotes"),
            ("{'a', b}", 5, "a list is written in brackets"),
            ("(1, 2)", 3, "a list is written in brackets"),
            ("a.__class__", 3, 'a["__key"]'),
            ("a b", 3, "expected an operator or the end, found 'b'"),
            ("a = b", 3, "flowcraft_core.expressions"),
            ("'abc", 1, "does not end on its line"),
            (r"'\q'", 1, "write the character itself"),
            ("1 + NaN", 5, "expected a value, found 'NaN'"),
            ("[1, 2", 6, "',' or ']'"),
            ("a ? b", 6, "':' and the other choice"),
            ("a if b", 7, "'else' and the other choice"),
            ("9223372036854775808", 1, "2**63"),
        ],
    )
    def test_name_the_expression_the_place_and_the_remedy(self, source: str, place: int, remedy: str) -> None:
        message = refused(source)
        assert f"expression {source!r}, character {place}: " in message
        assert remedy in message

    def test_quote_no_more_of_a_long_expression_than_helps(self) -> None:
        assert len(refused("x" * 10_000)) < 250

    def test_name_what_is_not_text(self) -> None:
        with pytest.raises(ExpressionError, match="not int"):
            compile_expression(5)  # type: ignore[arg-type]

    def test_of_data_name_the_expression_and_keep_the_cause(self) -> None:
        with pytest.raises(ExpressionError, match="expression 'count < \"a\"' failed on its data") as caught:
            value('count < "a"')
        assert isinstance(caught.value.__cause__, TypeError)


class TestBounds:
    def test_are_those_that_the_documentation_names(self) -> None:
        text = expressions.__doc__ or ""
        bounds = (_tokens.MAX_CHARACTERS, _tokens.MAX_TOKENS, _grammar.MAX_NESTING)
        assert "{:,} characters, {} tokens, {} levels".format(*bounds) in text
        assert f"{_evaluation.MAX_JOINED_CHARACTERS:,} characters" in text

    def test_are_exact(self) -> None:
        length, tokens, nesting = _tokens.MAX_CHARACTERS, _tokens.MAX_TOKENS, _grammar.MAX_NESTING
        assert value("a" * length) is None
        assert "characters" in refused("a" * (length + 1))
        assert value("+".join(["1"] * (tokens // 2))) == tokens // 2
        assert "tokens" in refused("+".join(["1"] * (tokens // 2 + 1)))
        assert value("(" * (nesting - 1) + "1" + ")" * (nesting - 1)) == 1
        assert "nested" in refused("(" * nesting + "1" + ")" * nesting)

    @pytest.mark.parametrize(
        "nest", ["-{}", "!{}", "not {}", "[{}]", "{{'a': {}}}", "a[{}]", "1 ? {} : 0", "0 ? 0 : {}"]
    )
    def test_hold_for_every_way_to_nest(self, nest: str) -> None:
        source = "1"
        for _ in range(_grammar.MAX_NESTING + 1):
            source = nest.format(source)
        assert "nested" in refused(source)


class Recorder(Mapping[str, object]):
    """A scope that notes which names are read."""

    def __init__(self, values: dict[str, object]) -> None:
        self.values_ = values
        self.read: list[str] = []

    def __getitem__(self, name: str) -> object:
        self.read.append(name)
        return self.values_[name]

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("the scope was searched")

    def __len__(self) -> int:
        raise AssertionError("the scope was counted")


class TestScope:
    def test_is_read_by_name_and_only_as_far_as_needed(self) -> None:
        scope = Recorder({"a": 0, "b": 1})
        assert value("a && b || missing", scope) is None
        assert scope.read == ["a", "missing"]

    def test_may_fail_with_errors_of_its_own(self) -> None:
        class Unreadable(Recorder):
            def __getitem__(self, name: str) -> object:
                raise SerializationError("cannot be read back")

        with pytest.raises(SerializationError):
            value("a", Unreadable({}))

    @pytest.mark.parametrize(
        ("source", "names", "context_names"),
        [
            ("1 < 2", set(), set()),
            ("count < 5", {"count"}, {"count"}),
            ("result.ok && input.x", {"result", "input"}, set()),
            ("context.inc + context['odd-name']", {"context"}, {"inc", "odd-name"}),
            ("context?.inc + count", {"context", "count"}, {"inc", "count"}),
            ("context.a.b[context.c]", {"context"}, {"a", "c"}),
            ("_outputs.fetch", {"_outputs"}, {"_outputs"}),
            ("context['_outputs.fetch']", {"context"}, {"_outputs.fetch"}),
            ("input.context.x", {"input"}, set()),
            ("'context' == x", {"x"}, {"x"}),
            ("null || true", set(), set()),
            ("context", {"context"}, None),
            ("context[input.key]", {"context", "input"}, None),
            ("context[0]", {"context"}, None),
            ("context.inc && 'x' in context", {"context"}, None),
            ("[context][0].inc", {"context"}, None),
        ],
    )
    def test_is_known_before_evaluation(self, source: str, names: set[str], context_names: set[str] | None) -> None:
        compiled = compile_expression(source)
        assert compiled.names == names
        assert compiled.context_names == context_names


class TestExpression:
    def test_is_compiled_once(self) -> None:
        assert compile_expression("count < 5") is compile_expression("count < 5")

    def test_cannot_be_changed(self) -> None:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            compile_expression("count").source = "other"  # type: ignore[misc]

    def test_is_shared_by_threads(self) -> None:
        compiled = compile_expression("[n, n * 2, other ?? n].length + n")
        with ThreadPoolExecutor(8) as threads:
            results = list(threads.map(lambda n: compiled.evaluate({"n": n}), range(5_000)))
        assert results == [n + 3 for n in range(5_000)]

    def test_gives_a_fresh_list_each_time(self) -> None:
        compiled = compile_expression("[1]")
        assert compiled.evaluate({}) is not compiled.evaluate({})


def outcome(source: str, scope: Mapping[str, object]) -> object:
    try:
        return compile_expression(source).evaluate(scope)
    except ExpressionError:
        return ExpressionError


WORDS = [
    *("a", "b", "context", "items", "result", "order", "true", "None", "1", "0", "2.5", "'s'", '"t"', "__x", "length"),
    *(
        "&&",
        "||",
        "??",
        "!",
        "and",
        "or",
        "not",
        "in",
        "is",
        "if",
        "else",
        "?",
        ":",
        "?.",
        ".",
        ",",
        "(",
        ")",
        "[",
        "]",
    ),
    *("{", "}", "==", "===", "!=", "!==", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "//", "**", "=", "\\", "\n"),
]
numbers = st.integers(-20, 20)
comparable = st.one_of(st.none(), st.booleans(), numbers, st.floats(allow_nan=False), st.text(max_size=3))


@st.composite
def spelled_twice(draw: st.DrawFn) -> tuple[str, str]:
    """The same expression in JavaScript and in Python, with parentheses wherever the languages bind differently."""
    leaves = [(leaf, leaf) for leaf in ("a", "b", "c", "items", "input.user.name", "2", "0", "'it'", "[1]")]
    constants = [("true", "True"), ("false", "False"), ("null", "None"), ("undefined", "None")]
    pair = st.recursive(
        st.sampled_from(leaves + constants),
        lambda inner: st.one_of(
            st.tuples(
                st.sampled_from([("&&", "and"), ("||", "or"), ("===", "is"), ("!==", "is not")]), inner, inner
            ).map(lambda d: (f"({d[1][0]} {d[0][0]} {d[2][0]})", f"({d[1][1]} {d[0][1]} {d[2][1]})")),
            st.tuples(st.sampled_from(["+", "-", "*", "/", "%", "<", ">=", "==", "!="]), inner, inner).map(
                lambda d: (f"({d[1][0]}{d[0]}{d[2][0]})", f"({d[1][1]} {d[0]} {d[2][1]})")
            ),
            inner.map(lambda d: (f"!{d[0]}", f"(not {d[1]})")),
            inner.map(lambda d: (f"-{d[0]}", f"-{d[1]}")),
            st.tuples(inner, inner, inner).map(
                lambda d: (f"({d[0][0]} ? {d[1][0]} : {d[2][0]})", f"({d[1][1]} if {d[0][1]} else {d[2][1]})")
            ),
        ),
        max_leaves=8,
    )
    return draw(pair)


@st.composite
def python_without_parentheses(draw: st.DrawFn) -> str:
    """Operands and operators in a row, so that the result tells how the operators bind."""
    operand = st.sampled_from(["0", "1", "2", "7", "2.5", "True", "False", "not 0", "not 1", "-3", "'s'", "[1]", "''"])
    operators = ["+", "-", "*", "/", "%", "//", "and", "or", "==", "!=", "<", "<=", ">", ">=", "in", "not in"]
    parts = [draw(operand)]
    for _ in range(draw(st.integers(1, 5))):
        parts += [draw(st.sampled_from(operators)), draw(operand)]
    return " ".join(parts)


class TestProperties:
    @given(st.one_of(st.text(), st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join)))
    def test_no_text_does_more_than_fail(self, source: str) -> None:
        outcome(source, SCOPE)

    @given(spelled_twice())
    def test_both_spellings_give_the_same(self, spellings: tuple[str, str]) -> None:
        javascript, python = spellings
        assert outcome(javascript, SCOPE) == outcome(python, SCOPE)

    @given(python_without_parentheses())
    def test_operators_bind_as_in_python(self, source: str) -> None:
        ours = outcome(source, {})
        assume(ours is not ExpressionError)  # chains, mixed types and division by zero
        theirs = eval(source)
        assert (ours, type(ours)) == (theirs, type(theirs))

    @given(comparable, comparable, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
    def test_comparisons_are_those_of_python(self, left: object, right: object, symbol: str) -> None:
        scope = {"left": left, "right": right}
        ours = outcome(f"left {symbol} right", scope)
        if symbol in ("==", "!=") or (left is not None and right is not None):
            try:
                assert ours is eval(f"left {symbol} right", scope)
            except TypeError:
                assert ours is ExpressionError
        else:
            assert ours is False

    @given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50))
    def test_any_text_can_be_written_as_a_string(self, text: str) -> None:
        escaped = "".join(f"\\u{ord(character):04x}" if character in "\"\\'\r\n" else character for character in text)
        assert value(f"'{escaped}'") == text
        assert value(f'"{escaped}"') == text
