"""Answers to waits that nobody has come to yet.

An answer is put where the wait would be suspended, so that of the two one stands, whoever came first. A wait of the
run's own flow is found again by the blueprint. For one inside a loop, a batch or a subflow facts must tell that it is
there, and it may never be: a note names it, so that a purge finds the answer.
"""

from __future__ import annotations

from ..blueprint import WAIT
from ..errors import LostActionError, ResumeError, UnknownWaitError
from ..graph.addresses import wait_at
from ..graph.decisions import is_lost, lost
from ..graph.facts import Answer
from ..graph.fold import instances
from ..graph.state import RunState
from .runs import RunRecord
from .storage import Records, reading

#: Before the numbers of the notes that name answered waits inside of constructs.
ANSWERED = ":answered:"

# So many notes are read in one request.
_NOTES_READ = 8


async def answer_early(
    records: Records, record: RunRecord, key: str, answer: Answer, *, strict: bool = False
) -> str | None:
    """Answer a wait that may not have been reached; its key if it was, and is to be resumed.

    Raises:
        ResumeError: The run has no such wait, or it was answered already.
        LostActionError: No edge of the wait takes the action, and that is an error here.
        SerializationError: The answer cannot be stored.
    """
    run_id = record.run_id
    try:
        wait = wait_at(record.graph, record.graphs.__getitem__, key)
    except UnknownWaitError as error:
        raise UnknownWaitError(f"run {run_id!r}: {error}") from error
    if strict and is_lost(wait.vertex, answer.action):
        raise LostActionError(lost(wait.key, wait.vertex, answer.action))
    if wait.is_inside:
        await note_answer(records, run_id, wait.key)  # first: an answer without a note could not be purged
    standing = await records.put_answer(run_id, wait.key, answer)
    if standing.won:
        return None
    if isinstance(standing.value, Answer):
        raise answered_already(run_id, wait.key)
    return wait.key


def answered_already(run_id: str, key: str) -> ResumeError:
    """For whoever comes second."""
    return ResumeError(f"run {run_id!r}: wait {key!r} was answered already; the first answer stands")


async def note_answer(records: Records, run_id: str, key: str) -> None:
    """Write down which wait is about to be answered, once, however often it is said."""
    noted = await noted_answers(records, run_id)
    number = len(noted)
    while key not in noted:
        standing = await records.put(run_id, f"{ANSWERED}{number}", {"wait": key})
        noted.append(str(standing.value["wait"]))
        number += 1


async def noted_answers(records: Records, run_id: str) -> list[str]:
    """The keys of the waits inside of constructs that were answered early, in the order of the notes."""
    noted: list[str] = []
    while True:
        keys = [f"{ANSWERED}{number}" for number in range(len(noted), len(noted) + _NOTES_READ)]
        found = await records.get_all(run_id, keys)
        with reading(run_id, "its answers"):
            for key in keys:
                if key not in found:
                    return noted
                noted.append(str(found[key]["wait"]))


async def unused_answers(records: Records, record: RunRecord, state: RunState) -> dict[str, Answer]:
    """The answers of a run that no wait has ended with, by the waits' keys.

    Args:
        records: Where they are.
        record: The run's record.
        state: What its facts say.
    """
    root = state.root
    ended = {instance.key for instance in instances(state)}
    own = [instance.key for instance in root.instances() if instance.vertex.node.uses == WAIT]
    noted = await noted_answers(records, record.run_id)
    return await records.answers(record.run_id, [key for key in (*own, *noted) if key not in ended])


async def copy_answers(records: Records, record: RunRecord, state: RunState, run_id: str) -> None:
    """Give a fork the answers that nobody has asked for in the run that it is forked from; once, however often.

    Args:
        records: Where they are.
        record: The record of the run that is forked from.
        state: What its facts say.
        run_id: The fork.
    """
    own = {instance.key for instance in state.root.instances()}
    for key, answer in (await unused_answers(records, record, state)).items():
        if key not in own:
            await note_answer(records, run_id, key)
        await records.put_answer(run_id, key, answer)
