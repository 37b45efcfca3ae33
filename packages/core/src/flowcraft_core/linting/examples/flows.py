"""Examples for the rules about the flow as a whole."""

from ...rules import flows

EXAMPLES = {
    flows.NOT_BUILT: (
        """
        flow = create_flow("f").node("a", step).wait("approval", remind=step)
        """,
        """
        flow = create_flow("f").node("a", step).wait("approval", remind=step, remind_after="1d")
        flow.edge("a", "approval")
        """,
    ),
    flows.NOT_JSON: (
        """
        flow = Blueprint.from_json("nodes: [a]")
        """,
        """
        flow = Blueprint.from_json('{"id": "f", "nodes": [{"id": "a", "uses": "step"}]}')
        """,
    ),
    flows.WRONG_SHAPE: (
        """
        flow = Blueprint.from_json({"id": "f", "nodes": [{"id": "a"}]})
        """,
        """
        flow = Blueprint.from_json({"id": "f", "nodes": [{"id": "a", "uses": "step"}]})
        """,
    ),
    flows.UNSTORABLE_TEXT: (
        r"""
        flow = create_flow("f").node("a", step, params={"sign": "\ud83d"})
        """,
        r"""
        flow = create_flow("f").node("a", step, params={"sign": "\N{SLIGHTLY SMILING FACE}"})
        """,
    ),
    flows.EMPTY_FLOW: (
        """
        flow = create_flow("f")
        """,
        """
        flow = create_flow("f").node("a", step)
        """,
    ),
    flows.DUPLICATE_FLOW: (
        """
        one = create_flow("pay").node("a", step)
        other = create_flow("pay").node("b", step)
        flow = create_flow("f").subflow("first", one).subflow("second", other).edge("first", "second")
        """,
        """
        one = create_flow("pay").node("a", step)
        other = create_flow("refund").node("b", step)
        flow = create_flow("f").subflow("first", one).subflow("second", other).edge("first", "second")
        """,
    ),
    flows.MISSPELT_FIELD: (
        """
        flow = Blueprint.from_json({"id": "f", "nodes": [{"id": "a", "uses": "step", "config": {"maxRetrys": 3}}]})
        """,
        """
        flow = Blueprint.from_json({"id": "f", "nodes": [{"id": "a", "uses": "step", "config": {"maxRetries": 3}}]})
        """,
    ),
    flows.UNKNOWN_FLOW: (
        """
        flow = create_flow("f").subflow("charge", "payment")
        """,
        """
        payment = create_flow("payment").node("a", step)
        flow = create_flow("f").subflow("charge", payment)
        """,
    ),
}
