import os

from flowcraft_core.ids import new_id, seeded


def test_ids_differ_and_have_one_form() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(each) for each in ids} == {32}


def test_a_seed_gives_its_ids_again_and_leaves_the_others_alone() -> None:
    with seeded(7):
        first = [new_id(), new_id()]
    between = new_id()
    with seeded(7):
        assert [new_id(), new_id()] == first
    assert between not in first


def test_a_forked_child_has_ids_of_its_own() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 32).decode() != new_id()
