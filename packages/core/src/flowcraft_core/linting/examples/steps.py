"""Examples for the rules about who brings a flow's steps."""

from ...rules import steps

EXAMPLES = {
    steps.MISSING_STEP: (
        """
        flow = FlowRuntime([create_flow("f").node("charge", "charge")], registry={"chrage": step})
        """,
        """
        flow = FlowRuntime([create_flow("f").node("charge", "charge")], registry={"charge": step})
        """,
    ),
    steps.UNKNOWN_FALLBACK: (
        """
        flow = create_flow("f").node("charge", step, fallback="apologize").node("apologise", step)
        flow.edge("charge", "apologise")
        """,
        """
        flow = create_flow("f").node("charge", step, fallback="apologise").node("apologise", step)
        """,
    ),
    steps.UNKNOWN_WORKER: (
        """
        flow = FlowRuntime([create_flow("f").batch("pages", "count")], registry={"cuont": step})
        """,
        """
        flow = FlowRuntime([create_flow("f").batch("pages", "count")], registry={"count": step})
        """,
    ),
    steps.STEP_BROUGHT_TWICE: (
        """
        flow = FlowRuntime([create_flow("f").node("a", step)], registry={"f/a": step})
        """,
        """
        flow = FlowRuntime([create_flow("f").node("a", "f/a")], registry={"f/a": step})
        """,
    ),
}
