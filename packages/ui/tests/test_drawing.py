from flowcraft_core.durable import InstanceDescription
from flowcraft_ui.drawing import detail_of


def test_a_join_of_some_says_with_how_many_it_goes_on() -> None:
    join = InstanceDescription(key="j", node_id="j", kind="step", uses="x", state="pending", joins=2)
    assert detail_of(join) == "step · first 2"
