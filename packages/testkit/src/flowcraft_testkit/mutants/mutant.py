"""What a mutant is, and how it comes to be: a port wrapped in one that is wrong, or a function replaced by one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
from flowcraft_core.ports import Backend

from ..contracts import CONTRACTS
from ..contracts.clauses import ClauseFunction

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

#: All of them, in the order in which they are written.
MUTANTS: list[Mutant] = []


@attrs.frozen(kw_only=True)
class Mutant:
    """A backend or a program with one defect.

    Attributes:
        name: The port or program, and the defect in a word or two.
        defect: What it gets wrong, in a sentence.
        clause: The id of the clause that is to fail on it before all others.
        spoil: Makes a port of a backend wrong; None for a defect of a program.
        patches: The functions that are replaced while it is tried: owner, name and the replacement.
        meets: Whether a second store of another name is the first one.
        stale: Whether reads of its backend may be stale, which is strong in all else: for who does not wait for that.
    """

    name: str
    defect: str
    clause: str
    spoil: Callable[[Backend], None] | None = None
    patches: tuple[tuple[Any, str, Any], ...] = ()
    meets: bool = False
    stale: bool = False

    @property
    def contract(self) -> str:
        """The name of the contract that the clause is in."""
        return self.clause.partition("/")[0]


def clause_id(clause: ClauseFunction, contract_name: str | None = None) -> str:
    """The id of the clause that a function is.

    Args:
        clause: The function.
        contract_name: Of the contract that is meant, for what several contracts have in common.

    Raises:
        LookupError: It is no clause of any contract.
    """
    for name, contract in CONTRACTS.items():
        if contract_name not in (None, name):
            continue
        for found in contract.clauses():
            if getattr(contract, found.method) is clause:
                return f"{name}/{found.method.removeprefix('test_')}"
    raise LookupError(f"{clause.__qualname__} is no clause of a contract")


def register(mutant: Mutant) -> None:
    """Add a mutant to the list.

    Raises:
        ValueError: There is another one of its name, or it does not say what it gets wrong.
    """
    if any(other.name == mutant.name for other in MUTANTS):
        raise ValueError(f"there are two mutants called {mutant.name}")
    if not mutant.defect:
        raise ValueError(f"{mutant.name} does not say what it gets wrong")
    MUTANTS.append(mutant)


def replaces(
    *places: tuple[Any, str], caught_by: ClauseFunction, name: str, stale: bool = False
) -> Callable[[FunctionT], FunctionT]:
    """Let a function stand in for one of the engine's, as a mutant; a decorator.

    The function is given the original first, then what the original is called with. Its docstring is the defect.

    Args:
        places: A class or module, and the name of the function in it. One that others have imported by name has a
            place in each of them; all of them are to be the same function.
        caught_by: The clause that must fail.
        name: The mutant's.
        stale: Whether it is tried where reads may be stale.

    Raises:
        TypeError: The function does not take what the original takes. The mutant would be caught by that.
    """
    original = inspect.getattr_static(*places[0])

    def note(broken: FunctionT) -> FunctionT:
        _require_parameters(broken, original, name)

        @functools.wraps(original)
        def standing_in(*args: Any, **options: Any) -> Any:
            return broken(original, *args, **options)

        register(
            Mutant(
                name=name,
                defect=_sentence(broken),
                clause=clause_id(caught_by),
                patches=tuple((owner, attribute, standing_in) for owner, attribute in places),
                stale=stale,
            )
        )
        return broken

    return note


def sets(
    owner: Any, attribute: str, value: Any, *, caught_by: ClauseFunction, name: str, defect: str, stale: bool = False
) -> None:
    """Let a constant have another value, as a mutant."""
    patches = ((owner, attribute, value),)
    register(Mutant(name=name, defect=defect, clause=clause_id(caught_by), patches=patches, stale=stale))


def _require_parameters(broken: Callable[..., Any], original: Any, name: str) -> None:
    parameters = inspect.signature(original).parameters.values()
    positional = [one.name for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    named = {one.name: None for one in parameters if one.kind is one.KEYWORD_ONLY}
    try:
        inspect.signature(broken).bind(original, *positional, **named)
    except TypeError as error:
        raise TypeError(f"the mutant {name} does not take what {original.__qualname__} takes: {error}") from None


def _sentence(thing: Any) -> str:
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


def spoiled_by(port: str, broken: type[Any], clause: ClauseFunction) -> None:
    """Add a mutant whose port of that name is wrapped in a class that gets one thing wrong."""
    contract = port if port in CONTRACTS else None  # or a power of the whole backend

    def spoil(backend: Backend) -> None:
        setattr(backend, port, broken(getattr(backend, port)))

    register(
        Mutant(
            name=f"{port}.{broken.__name__}", defect=_sentence(broken), clause=clause_id(clause, contract), spoil=spoil
        )
    )
