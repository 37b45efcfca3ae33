"""All of it, on two worker processes of which one is killed."""

from collections import Counter
from pathlib import Path

from order_flow import PRINTER
from order_story import FEW, tell

DOCUMENTS = 500


async def test_no_effect_is_had_twice_and_no_attempt_is_lost_though_a_worker_is_killed(tmp_path: Path) -> None:
    story = await tell(tmp_path, documents=DOCUMENTS, say=lambda _: None)
    done = story.services.done

    # The big order, by whoever was left.
    assert story.big.status == "completed", story.workers_said
    documents = [document for document in done["documents"] if document["order"] == "big"]
    assert Counter(each["document"] for each in documents) == dict.fromkeys(_pages(DOCUMENTS), 1)
    made = {each["document"]: each["id"] for each in documents}
    assert [(each["order"], each["parts"]) for each in done["shipments"]] == [
        ("big", [made[page] for page in _pages(DOCUMENTS)])
    ]

    # The killed worker's documents were asked for again, and known again.
    assert DOCUMENTS // 3 <= story.documents_then < DOCUMENTS
    assert story.services.replayed["documents"] >= 1

    # The printer needed its rests, and had never more to do than it can.
    assert story.services.turned_away > 0
    assert story.attempts == [1] * DOCUMENTS
    assert story.services.most_at_work == PRINTER.concurrency

    # The other order was undone, in that order, after all of it had been done once.
    assert (story.lost.status, [each.key for each in story.lost.undone]) == ("failed", ["charge", "reserve"])
    assert [each.error for each in story.lost.undone] == [None, None]
    assert len(done["documents"]) == DOCUMENTS + FEW
    ids = {(service, each["order"]): each["id"] for service in ("charges", "reservations") for each in done[service]}
    assert len(ids) == len(done["charges"]) + len(done["reservations"]) == 4
    assert [each["charge"] for each in done["refunds"]] == [ids["charges", "lost"]]
    assert [each["reservation"] for each in done["releases"]] == [ids["reservations", "lost"]]

    # Its question was asked, and asked again; the first answer stands.
    mails = [each["subject"] for each in done["mails"] if each["order"] == "big"]
    assert mails[:2] == ["Shall we go on?", "Reminder 1: shall we go on?"]
    assert {each["order"]: each["approved_by"] for each in done["charges"]} == {"big": "Ada", "lost": "Ada"}
    assert story.second_answer == 409

    # The night was made up for, and no other: one run, one settlement.
    assert [night.status for night in story.nights] == ["completed"] * len(done["settlements"])
    assert Counter(each["night"] for each in done["settlements"]).most_common(1)[0][1] == 1


def _pages(number: int) -> list[str]:
    return [f"page {each}" for each in range(1, number + 1)]
