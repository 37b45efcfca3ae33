import os

import pytest
from flowcraft_core import BlueprintError, ConfigurationError, Flow, FlowRuntime, SyncNodeContext, create_flow
from flowcraft_core.ids import new_id, seeded, whereabouts


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


def test_ids_can_be_seeded_where_a_program_is() -> None:
    here = whereabouts()
    with seeded(7):
        first = new_id()
        assert whereabouts() != here
    with seeded(7, somewhere=False):
        assert (new_id(), whereabouts()) == (first, here)
    assert whereabouts() == here


def test_a_forked_child_has_ids_of_its_own() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 32).decode() != new_id()


def one(ctx: SyncNodeContext) -> int:
    return 1


@pytest.mark.parametrize(
    ("flow_id", "node_id", "problem"),
    [
        ("f", "", "node '' has an empty id: give it one"),
        ("f", "n" * 501, "node 'n+ has an id of 501 characters: use 1 to 500"),
        ("", "n", "it has an empty id: give it one"),
        ("f" * 2_001, "n", "it has an id of 2,001 characters: use 1 to 500"),
    ],
)
def test_an_id_that_no_key_can_be_made_of_is_refused(flow_id: str, node_id: str, problem: str) -> None:
    with pytest.raises(BlueprintError, match=problem) as refused:
        create_flow(flow_id).node(node_id, one).compile()
    assert [each.code for each in refused.value.problems] == ["FC110"]


def test_an_id_of_500_characters_is_one() -> None:
    assert FlowRuntime().run_sync(create_flow("f" * 500).node("n" * 500, one)).outputs == {"n" * 500: 1}


def test_a_context_value_has_a_name_that_every_store_takes() -> None:
    def sets(ctx: SyncNodeContext) -> None:
        ctx.context.set("n" * int(ctx.context.get("length")), 1)

    problem = "the name of a context value has 1 to 2,000 characters, not 2,001"
    flow = create_flow("f").node("sets", sets)
    assert FlowRuntime().run_sync(flow, {"length": 2_000}).status == "completed"
    assert FlowRuntime().run_sync(flow, {"length": 2_001}).errors[0].message == problem
    with pytest.raises(ConfigurationError, match=f"flow 'f': {problem}"):
        Flow("f").value("n" * 2_001, int, default=1)
