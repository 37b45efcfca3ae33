"""Defects that this package could have by itself: each is found by the test that is named beside it.

A defect is put in place of what is right, and then its test must fail. Defects that any backend could have are among
the testkit's mutants, and met by the contracts.
"""

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs
import pytest
from azure.core.exceptions import IncompleteReadError
from flowcraft_azure import _queue_errors
from flowcraft_core.errors import BackendError, TransientError

from . import test_answers, test_names


@attrs.frozen
class Mutant:
    """A defect.

    Attributes:
        defect: What is wrong.
        places: What is replaced, by its dotted name, with what.
        killed_by: The test that finds it, and what it is given.
    """

    defect: str
    places: dict[str, Any]
    killed_by: Callable[..., Any]
    given: tuple[Any, ...] = ()


@contextlib.asynccontextmanager
async def _for_good(queue_name: str) -> AsyncIterator[None]:
    """As if what broke off on its way were the service's refusal."""
    try:
        async with _queue_errors.translated(queue_name):
            yield
    except TransientError as error:
        if isinstance(error.__cause__, IncompleteReadError):
            raise BackendError(f"queue {queue_name!r}: status None") from error.__cause__
        raise


def _unescaped(kind: str, key: str = "") -> str:
    return f"{kind}:{key}" if key else kind


def _nothing(*_: Any) -> None:
    return None


NO_ANSWER = test_answers.test_what_is_no_answer_is_a_transient_error
MUTANTS = [
    Mutant(
        "answers are not looked at",
        {"flowcraft_azure.metrics.require_readable": _nothing},
        NO_ANSWER,
        ("a gateway's page",),
    ),
    Mutant(
        "a gateway's 404 reads as absent",
        {"flowcraft_azure._answers._require_mark": _nothing},
        NO_ANSWER,
        ("nothing found by a gateway",),
    ),
    Mutant(
        "a document is not compared with what was asked for",
        {"flowcraft_azure._cosmos.require_document": lambda found, document_id: found},
        NO_ANSWER,
        ("another document",),
    ),
    Mutant(
        "a cut answer ends the worker",
        {"flowcraft_azure.queue.translated": _for_good},
        NO_ANSWER,
        ("a body that was cut",),
    ),
    Mutant(
        "keys are not escaped",
        {f"{test_names.__name__}.document_id": _unescaped},
        test_names.test_ids_are_what_cosmos_db_takes,
    ),
    Mutant(
        "what passes in Redis does not",
        {"flowcraft_azure._redis_errors._PASSING": ("never",)},
        test_answers.test_what_passes_in_redis_is_a_transient_error,
        ("MISCONF",),
    ),
    Mutant(
        "a set that is none is an empty one",
        {"flowcraft_azure.redis_coordination._texts": lambda found: frozenset()},
        test_answers.test_an_answer_that_redis_does_not_give_is_a_transient_error,
        (b"*1\r\n:1\r\n",),
    ),
    Mutant(
        "a client of the synchronous package is taken",
        {"flowcraft_azure._clients.ClientKind.require": _nothing},
        test_answers.test_a_client_of_another_kind_is_refused_by_its_class,
        ("a queue client of the synchronous package", True),
    ),
    Mutant(
        "one container for both is taken",
        {"flowcraft_azure.backend.require_two_containers": _nothing},
        test_answers.test_one_container_for_contexts_and_statuses_is_refused,
    ),
    Mutant(
        "a wrong key is explained as a missing role",
        {"flowcraft_azure._queue_errors._REFUSED_CODES": {}},
        test_answers.test_a_wrong_key_is_told_from_a_missing_role,
        ("AuthenticationFailed", "connection string"),
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.defect)
async def test_each_defect_is_found(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    given = mutant.given
    await _ended(mutant.killed_by(*given))  # which passes without the defect
    for place, replacement in mutant.places.items():
        monkeypatch.setattr(place, replacement)
    try:
        await _ended(mutant.killed_by(*given))
    except (Exception, pytest.fail.Exception):
        return
    pytest.fail(f"{mutant.killed_by.__name__} does not find that {mutant.defect}")


async def _ended(test: Any) -> None:
    if inspect.isawaitable(test):
        await test
