"""Defects that this package could have by itself: each is found by the test that is named beside it.

A defect is put in place of what is right, and then its test must fail. Defects that any backend could have are among
the testkit's mutants, and met by the contracts.
"""

import inspect
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from flowcraft_aws import S3PayloadStore, _names
from flowcraft_core.errors import BackendError, TransientError

from . import test_answers, test_backend, test_errors, test_names
from .helpers import service


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


def _raw(run_id: str, kind: str, name: str = "") -> str:
    return run_id if kind == "by hand" else f"{_names.escape(run_id)}#{kind}#{name}"


def _unmarked(key: str) -> str:
    return key if len(key.encode()) <= _names.MAX_KEY_BYTES else _names.digest(key)


def _without(name: str) -> Callable[..., None]:
    from flowcraft_aws._answers import require_readable

    def look(answer: Any, members: Any) -> None:
        headers = {key: value for key, value in answer["headers"].items() if key.lower() != name}
        require_readable({**answer, "headers": headers}, members)

    return look


def _believing(answer: Any, members: Any) -> None:
    """Believes whatever is JSON."""
    import json

    json.loads(answer["body"] or b"{}")


def _as(kind: type[Exception]) -> Callable[..., Exception]:
    return lambda error, place: kind(f"{place} in eu-west-1: {error}")


def _only_those_of_the_sdk(error: Exception, place: str) -> Exception:
    from flowcraft_aws._errors import translate

    return translate(error, place) if type(error).__module__.startswith("botocore") else error


def _deletes_and_does_not_look(store: S3PayloadStore, names: Any) -> None:
    store.client.delete_objects(Bucket=store.bucket, Delete={"Objects": [{"Key": name} for name in names]})


def _all_or_nothing(items: Any) -> Any:
    from flowcraft_aws.status import _status

    return [_status(item) for item in items]


SAID = "flowcraft_aws._answers.require_readable"
MUTANTS = [
    Mutant(
        "a run that was begun by hand is read and purged under its raw id",
        {"flowcraft_aws.by_hand.item_name": _raw},
        test_answers.test_what_was_written_by_hand_is_read_and_removed_under_the_escaped_id,
    ),
    Mutant(
        "a run's id is not escaped",
        {"flowcraft_aws._names.escape": lambda run_id: run_id},
        test_names.test_no_run_is_called_as_an_item_of_another_run,
        ("fact", ":run"),
    ),
    Mutant(
        "the sign that escapes is not escaped itself",
        {"flowcraft_aws._names.escape": lambda run_id: run_id.replace("#", "%23")},
        test_names.test_no_two_items_have_one_name,
    ),
    Mutant(
        "a shortened key of a hint has no mark",
        {f"{test_names.__name__}.coordination_name": _unmarked},
        test_names.test_no_two_coordination_keys_have_one_name,
    ),
    Mutant(
        "a cut answer reads as absent",
        {"flowcraft_aws._table.guard": lambda client: None},
        test_answers.test_what_is_no_answer_is_a_transient_error,
        ("a body that was cut", "context.get"),
    ),
    Mutant(
        "a cut answer of the queue reads as empty",
        {"flowcraft_aws.queue.guard": lambda client: None},
        test_answers.test_what_is_no_answer_is_a_transient_error,
        ("a body that was cut", "queue.receive"),
    ),
    Mutant(
        "checksums are not looked at",
        {SAID: _without("x-amz-crc32")},
        test_answers.test_what_is_no_answer_is_a_transient_error,
        ("a cut body of which only the checksum tells", "status.get"),
    ),
    Mutant(
        "a refusal that says it is none is believed",
        {SAID: _believing},
        test_answers.test_what_is_no_answer_is_a_transient_error,
        ("a refusal that says it is none", "context.get"),
    ),
    Mutant(
        "whatever the service says may pass",
        {f"{test_errors.__name__}.translate": _as(TransientError)},
        test_errors.test_what_stays_is_refused_with_what_helps,
        (test_errors.refusal("AccessDeniedException", 403), "policy"),
    ),
    Mutant(
        "nothing that the service says may pass",
        {"flowcraft_aws._calls.translate": _as(BackendError)},
        test_answers.test_what_is_no_answer_is_a_transient_error,
        ("a gateway's page", "context.get"),
    ),
    Mutant(
        "only the SDK's own errors are translated",
        {"flowcraft_aws._calls.translate": _only_those_of_the_sdk},
        test_answers.test_whatever_the_sdk_raises_over_an_answer_is_a_transient_error,
        (TypeError("no"),),
    ),
    Mutant(
        "a status that cannot be read ends the search",
        {"flowcraft_aws.status._found": _all_or_nothing},
        test_answers.test_a_status_that_cannot_be_read_keeps_no_other_from_being_found,
        (pytest.LogCaptureFixture,),
    ),
    Mutant(
        "objects that were not removed are not noticed",
        {"flowcraft_aws.s3.S3PayloadStore.delete": _deletes_and_does_not_look},
        test_answers.test_objects_that_were_not_removed_are_told_though_the_answer_is_200,
    ),
    Mutant(
        "any client is taken",
        {"flowcraft_aws.backend.require_client": lambda *_: None},
        test_backend.test_what_is_no_client_of_the_service_is_refused_by_its_class,
        ("sqs_client", service("dynamodb", test_backend.nothing).client, "a client of 'dynamodb'"),
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.defect)
async def test_each_defect_is_found(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = [caplog if each is pytest.LogCaptureFixture else each for each in mutant.given]
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
