"""What stands for a value that is not there yet, while a flow is described.

To a type checker ``step.output`` *is* the step's output: so it sees what is handed to whom. In truth it is a
``Reference``: it remembers which members are asked of it and what it is compared with, and becomes a need of a step,
or an expression of the blueprint. Whatever else is done with it is refused, since a program that describes a flow has
no values to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NoReturn, TypeVar, cast, overload

from ..contexts import BaseContext
from ..errors import ConfigurationError
from ..settings import whole
from .terms import Constant, FirstOf, Member, Operation, OutputOf, Term, ValueOf, nodes_in, root_of, shown

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")


class Reference:
    """Stands for a value that is not there yet. Members and comparisons give further references."""

    __slots__ = ("_term",)

    def __init__(self, term: Term) -> None:
        object.__setattr__(self, "_term", term)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{shown(self._term)} stands for a value that is not there yet, and has no {name!r}")
        return Reference(Member(self._term, name, is_field=True))

    def __getitem__(self, key: str | int) -> Any:
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            self._refuse(f"[{key!r}]")
        return Reference(Member(self._term, key, is_field=False))

    def _refuse(self, what: str) -> NoReturn:
        raise ConfigurationError(
            f"{shown(self._term)} stands for a value that is not there yet, so {what} cannot be done with it while the "
            "flow is described: do it in a step. In conditions write & for and, | for or, unless= for not"
        )

    def __setattr__(self, name: str, value: object) -> None:
        self._refuse(f"setting {name!r}")

    def __copy__(self) -> Reference:
        return self  # nobody can change it

    def __deepcopy__(self, _memo: object) -> Reference:
        return self  # as above; the step of a copy would be none of the flow's

    def __reduce__(self) -> NoReturn:
        self._refuse("pickling")

    def __bool__(self) -> bool:  # noqa: PLE0304 - it never does
        self._refuse("a decision (if, and, or, not, in)")

    def __iter__(self) -> Iterator[Any]:
        self._refuse("a loop over it")

    def __len__(self) -> int:  # noqa: PLE0303 - it never does
        self._refuse("len()")

    def __call__(self, *_args: Any, **_named: Any) -> Any:
        """Refuse a call."""
        self._refuse("a call")

    def __contains__(self, item: object) -> bool:
        self._refuse(f"{item!r} in it")

    def __format__(self, spec: str) -> str:
        self._refuse("formatting")

    def __str__(self) -> str:  # noqa: PLE0307 - it never does
        self._refuse("str()")

    def __repr__(self) -> str:
        return f"<{shown(self._term)}>"

    __hash__ = object.__hash__


def _binary(symbol: str, *, is_reversed: bool = False) -> Callable[[Reference, object], Any]:
    def operate(self: Reference, other: object) -> Any:
        operands = (self._term, term_of(other))
        return Reference(Operation(symbol, operands[::-1] if is_reversed else operands))

    return operate


for _name, _symbol in {
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "&&", "or": "||",
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%",
}.items():  # fmt: skip
    setattr(Reference, f"__{_name}__", _binary(_symbol))
    if _name in ("and", "or", "add", "sub", "mul", "truediv", "floordiv", "mod"):
        setattr(Reference, f"__r{_name}__", _binary(_symbol, is_reversed=True))


def term_of(value: object) -> Term:
    """The term that a reference is made of; a constant for anything else."""
    return cast(Term, object.__getattribute__(value, "_term")) if isinstance(value, Reference) else Constant(value)


def condition_of(value: object, where: str) -> Term:
    """The term that a condition is made of.

    Args:
        value: The condition.
        where: What it was given as, for messages: ``when=``.

    Raises:
        ConfigurationError: It is none that could come out differently from run to run.
    """
    if not isinstance(value, Reference):
        raise ConfigurationError(
            f"{where} takes a condition on outputs, inputs or context values, and {value!r:.80} is the same in every "
            "run: `is`, isinstance() and the like were asked while the flow is described. Write == None for `is None`, "
            "or let a step decide"
        )
    return term_of(value)


class ContextValue(Generic[T]):
    """A context value of a flow, by one object instead of its name in many places.

    Attributes:
        name: Under which the run keeps it.
        type: What it is.
        default: What a step gets while nobody has set it.
        flow_id: Of which flow.
    """

    def __init__(self, name: str, type_: type[T], default: T, flow_id: str) -> None:
        self.name = name
        self.flow_id = flow_id
        self.type = type_
        self.default = default

    @property
    def value(self) -> T:
        """The value as it stands when a step begins, as a need of a step or in a condition."""
        return cast(T, Reference(ValueOf(self)))

    def set(self, ctx: BaseContext[Any, Any], value: T) -> None:
        """Set it, from inside of a step; it becomes part of the step's outcome.

        Raises:
            SerializationError: The value cannot be stored.
        """
        ctx._values.put(self.name, value)

    def __repr__(self) -> str:
        return f"ContextValue({self.name!r})"


@overload
def first_of(one: T1, two: T2, /) -> T1 | T2: ...
@overload
def first_of(one: T1, two: T2, three: T3, /) -> T1 | T2 | T3: ...
@overload
def first_of(one: T1, two: T2, three: T3, four: T4, /) -> T1 | T2 | T3 | T4: ...
@overload
def first_of(*outputs: T) -> T: ...
def first_of(*outputs: Any) -> Any:
    """The first of some outputs to be there: of a race the winner, of branches that exclude each other the one taken.

    Args:
        outputs: Outputs of steps, such as ``first_of(post.output, freight.output)``.

    Raises:
        ConfigurationError: One of them is none.
    """
    return Reference(FirstOf(_raced("first_of", outputs)))


def some_of(number: int, /, *outputs: T) -> dict[str, T]:
    """The first so many of some outputs to be there, in a dict by the ids of their nodes, in the order of the flow.

    What is not among them is not waited for. If fewer come, since others fail or are not run, that is a failure.

    Args:
        number: How many, from 1 to the number of the nodes.
        outputs: Outputs of different steps, such as ``some_of(2, one.output, two.output, three.output)``.

    Raises:
        ConfigurationError: One of them is none, two are of one node, or the number is more than there are.
    """
    terms = _raced("some_of", outputs)
    whole("some_of: number", number, least=1, most=len({node for term in terms for node in nodes_in(term)}))
    return cast(dict[str, T], Reference(FirstOf(terms, number)))


def _raced(name: str, outputs: Sequence[Any]) -> tuple[Term, ...]:
    terms = tuple(term_of(output) for output in outputs)
    for term in terms:
        if not isinstance(root_of(term), OutputOf):
            raise ConfigurationError(
                f"{name} takes outputs of steps, as in first_of(a.output, b.output), not {shown(term)}"
            )
    if len(terms) < 2:
        raise ConfigurationError(f"{name} takes two outputs at least")
    return terms
