from typing import Literal

import pytest
from flowcraft_aws._names import (
    MAX_KEY_BYTES,
    coordination_name,
    escape,
    group_name,
    item_name,
    run_of,
)
from flowcraft_core.durable.runs import RunRecord
from flowcraft_core.durable.signals import busy_key, held_key
from flowcraft_core.ids import new_id
from flowcraft_testkit.contracts.hostile import LONG_KEYS, LONG_RUN_IDS, PAIRS, TEXTS


def test_no_two_items_have_one_name() -> None:
    runs = [*TEXTS, *LONG_RUN_IDS, "a#fact#b", "a%23fact%23b", "a#names", "a%"]
    keys = [*TEXTS, *LONG_KEYS, "#", "fact#a", "a#fact", "~#x"]
    pairs = {(run, key) for run in runs for key in keys} | {pair for pair in PAIRS if all(pair)}
    names = [item_name(run, kind, key) for run, key in pairs for kind in ("fact", "value")]
    names += [item_name(run, "by hand") for run in {run for run, _ in pairs}]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", ["fact", "value"])
@pytest.mark.parametrize("key", [":run", "a", "#", "a#b", *LONG_KEYS])
def test_no_run_is_called_as_an_item_of_another_run(kind: Literal["fact", "value"], key: str) -> None:
    """Whoever may choose the ids of runs could have another run's item read, or purged, as what was written by hand."""
    for victim in ("victim", "a%b", "a#b", "日"):
        item = item_name(victim, kind, key)
        raw = f"{victim}#{kind}#{key}"
        for run in {item, raw, item.replace("%", "%25"), f"{victim}#{kind}", f"{victim}#"}:
            assert item_name(run, "by hand") != item
            assert item_name(run, "fact", "") != item
            assert item_name(run, "value", "") != item


def test_names_are_no_longer_than_a_key_may_be() -> None:
    for run in (*LONG_RUN_IDS, "%" * 300, "#" * 300):
        for key in (*LONG_KEYS, "k"):
            assert len(item_name(run, "value", key).encode()) <= MAX_KEY_BYTES
    for key in LONG_KEYS:
        assert len(coordination_name(key * 2).encode()) <= MAX_KEY_BYTES


def test_names_can_be_read() -> None:
    assert item_name("order/7", "fact", "pages[17].ocr") == "order/7#fact#pages[17].ocr"
    assert item_name("a#b", "value", "total") == "a%23b#value#total"
    assert item_name("run", "fact", LONG_KEYS[-1]).startswith("run#fact~#")
    assert escape("plain") == "plain"


def test_no_two_coordination_keys_have_one_name() -> None:
    keys = [*TEXTS, *LONG_KEYS, *(run + key for run in LONG_RUN_IDS for key in LONG_KEYS)]
    keys += [coordination_name(key) for key in LONG_KEYS if coordination_name(key) != key]
    assert len({coordination_name(key) for key in keys}) == len(keys)


def test_a_hint_says_which_run_it_belongs_to() -> None:
    for run_id in ("order:7", "an order\n", new_id(), f"{new_id()}-{new_id()}"):
        record = RunRecord(run_id, "orders", graphs={}, context={}, started=0.0)
        assert run_of(held_key(record, "a:b")) == run_id
        assert run_of(busy_key(record)) == run_id
    assert run_of("reconciler") == ""


def test_groups_have_the_letters_that_sqs_takes() -> None:
    groups = [*TEXTS, *LONG_RUN_IDS, "run-1"]
    assert len({group_name(group) for group in groups}) == len(groups)
    assert group_name("run-1") == "run-1"
    for group in groups:
        assert 1 <= len(group_name(group)) <= 128
        assert group_name(group).isascii()
        assert " " not in group_name(group)
