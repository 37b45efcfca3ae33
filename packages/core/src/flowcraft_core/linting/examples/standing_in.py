"""Examples for the rules about fallbacks and undos."""

from ...rules import standing_in

EXAMPLES = {
    standing_in.FALLBACK_NO_STEP: (
        """
        flow = create_flow("f").node("a", step, fallback="ask").wait("ask")
        """,
        """
        flow = create_flow("f").node("a", step).wait("ask").edge("a", "ask", on="failure")
        """,
    ),
    standing_in.FALLBACK_OF_NO_STEP: (
        """
        flow = Blueprint("f", (Node("ask", "wait", config=NodeConfig(fallback="b")), Node("b", "step")))
        """,
        """
        flow = Blueprint("f", (Node("ask", "step", config=NodeConfig(fallback="b")), Node("b", "step")))
        """,
    ),
    standing_in.FALLBACK_OF_FALLBACK: (
        """
        flow = create_flow("f").node("a", step, fallback="b").node("b", step, fallback="c").node("c", step)
        """,
        """
        flow = create_flow("f").node("a", step, fallback="b").node("b", step, retries=2)
        """,
    ),
    standing_in.FALLBACK_WITH_QUEUE: (
        """
        flow = create_flow("f").node("a", step, fallback="b").node("b", step, queue="gpu")
        """,
        """
        flow = create_flow("f").node("a", step, fallback="b", queue="gpu").node("b", step)
        """,
    ),
    standing_in.EDGE_TO_FALLBACK: (
        """
        flow = create_flow("f").node("a", step, fallback="b").node("b", step).node("c", step)
        flow.edge("a", "c").edge("c", "b")
        """,
        """
        flow = create_flow("f").node("a", step, fallback="b").node("b", step).node("c", step)
        flow.edge("a", "c")
        """,
    ),
    standing_in.FALLBACK_NAME_TAKEN: (
        """
        flow = create_flow("f").node("a", step, fallback=step).node("f/a/fallback", step).edge("a", "f/a/fallback")
        """,
        """
        flow = create_flow("f").node("a", step, fallback=step).node("next", step).edge("a", "next")
        """,
    ),
    standing_in.UNDO_NO_STEP: (
        """
        flow = create_flow("f").node("book", step, undo="ask").wait("ask")
        """,
        """
        flow = create_flow("f").node("book", step, undo="cancel").node("cancel", step)
        """,
    ),
    standing_in.UNDO_OF_NO_STEP: (
        """
        flow = Blueprint("f", (Node("ask", "wait", config=NodeConfig(undo="b")), Node("b", "step")))
        """,
        """
        flow = Blueprint("f", (Node("ask", "step", config=NodeConfig(undo="b")), Node("b", "step")))
        """,
    ),
    standing_in.UNDO_WITH_SETTINGS: (
        """
        flow = create_flow("f").node("book", step, undo="cancel").node("cancel", step, fallback="mail")
        flow.node("mail", step)
        """,
        """
        flow = create_flow("f").node("book", step, undo="cancel").node("cancel", step, retries=5)
        """,
    ),
    standing_in.UNDO_OF_FALLBACK: (
        """
        flow = create_flow("f").node("book", step, fallback="call").node("call", step, undo="cancel")
        flow.node("cancel", step)
        """,
        """
        flow = create_flow("f").node("book", step, fallback="call", undo="cancel").node("call", step)
        flow.node("cancel", step)
        """,
    ),
    standing_in.EDGE_OF_UNDO: (
        """
        flow = create_flow("f").node("book", step, undo="cancel").node("cancel", step).edge("book", "cancel")
        """,
        """
        flow = create_flow("f").node("book", step, undo="cancel").node("cancel", step)
        """,
    ),
}
