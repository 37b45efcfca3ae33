"""Examples for the rules about loops, batches, subflows, waits and sleeps."""

from ...rules import constructs

EXAMPLES = {
    constructs.LOOP_WITHOUT_START: (
        """
        nodes = Node("a", "step"), Node("again", "loop-controller", {"condition": "input < 3"})
        flow = Blueprint("f", nodes, (Edge("a", "again"),))
        """,
        """
        nodes = Node("a", "step"), Node("again", "loop-controller", {"condition": "input < 3"})
        flow = Blueprint("f", nodes, (Edge("a", "again"), Edge("again", "a", "continue")))
        """,
    ),
    constructs.LOOP_OF_ITSELF: (
        """
        flow = create_flow("f").loop("again", start="again", end="again", condition="input < 3")
        """,
        """
        flow = create_flow("f").node("a", step).loop("again", start="a", end="a", condition="input < 3")
        """,
    ),
    constructs.LOOP_WITHOUT_END: (
        """
        flow = create_flow("f").node("a", step).node("b", step).node("c", step).edge("a", "b").edge("a", "c")
        flow.edge("b", "again").loop("again", start="a", end="c", condition="input < 3")
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step).node("c", step).edge("a", "b").edge("b", "c")
        flow.loop("again", start="a", end="c", condition="input < 3")
        """,
    ),
    constructs.LOOP_ENTERED_IN_THE_MIDDLE: (
        """
        flow = create_flow("f").node("first", step).node("a", step).node("b", step).edge("a", "b")
        flow.loop("again", start="a", end="b", condition="input < 3").edge("first", "b")
        """,
        """
        flow = create_flow("f").node("first", step).node("a", step).node("b", step).edge("a", "b")
        flow.loop("again", start="a", end="b", condition="input < 3").edge("first", "a")
        """,
    ),
    constructs.LOOP_LEFT_IN_THE_MIDDLE: (
        """
        flow = create_flow("f").node("a", step).node("b", step).node("last", step).edge("a", "b")
        flow.loop("again", start="a", end="b", condition="input < 3").edge("a", "last")
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step).node("last", step).edge("a", "b")
        flow.loop("again", start="a", end="b", condition="input < 3").edge("again", "last")
        """,
    ),
    constructs.LOOP_FAILURE_EDGE: (
        """
        flow = create_flow("f").node("a", step).node("b", step).node("mend", step).edge("a", "b")
        flow.loop("again", start="a", end="b", condition="input < 3").edge("a", "mend", on="failure")
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step).node("mend", step).edge("a", "b")
        flow.loop("again", start="a", end="b", condition="input < 3").edge("again", "mend", on="failure")
        """,
    ),
    constructs.LOOPS_NOT_NESTED: (
        """
        flow = create_flow("f").node("a", step).node("b", step).node("c", step).edge("a", "b").edge("b", "c")
        flow.loop("one", start="a", end="b", condition="input < 3")
        flow.loop("other", start="b", end="c", condition="input < 3")
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step).node("c", step).edge("a", "b").edge("one", "c")
        flow.loop("one", start="a", end="b", condition="input < 3")
        flow.loop("other", start="a", end="c", condition="input < 3")
        """,
    ),
    constructs.BATCH_WITHOUT_WORKER: (
        """
        flow = Blueprint("f", (Node("pages", "batch", {}),))
        """,
        """
        flow = Blueprint("f", (Node("pages", "batch", {"workerUsesKey": "count"}),))
        """,
    ),
    constructs.SCATTER_WITHOUT_GATHER: (
        """
        params = {"workerUsesKey": "count", "gatherNodeId": "gather"}
        flow = Blueprint("f", (Node("scatter", "batch-scatter", params),))
        """,
        """
        params = {"workerUsesKey": "count", "gatherNodeId": "gather"}
        flow = Blueprint("f", (Node("scatter", "batch-scatter", params), Node("gather", "batch-gather")))
        """,
    ),
    constructs.GATHER_WITHOUT_SCATTER: (
        """
        flow = Blueprint("f", (Node("a", "step"), Node("gather", "batch-gather")), (Edge("a", "gather"),))
        """,
        """
        params = {"workerUsesKey": "step", "gatherNodeId": "gather"}
        nodes = Node("a", "batch-scatter", params), Node("gather", "batch-gather")
        flow = Blueprint("f", nodes, (Edge("a", "gather"),))
        """,
    ),
    constructs.GATHER_OF_TWO: (
        """
        params = {"workerUsesKey": "count", "gatherNodeId": "gather"}
        nodes = Node("a", "batch-scatter", params), Node("b", "batch-scatter", params), Node("gather", "batch-gather")
        flow = Blueprint("f", nodes)
        """,
        """
        params = {"workerUsesKey": "count", "gatherNodeId": "gather"}
        flow = Blueprint("f", (Node("a", "batch-scatter", params), Node("gather", "batch-gather")))
        """,
    ),
    constructs.BATCH_EDGE: (
        """
        params = {"workerUsesKey": "count", "gatherNodeId": "gather"}
        nodes = Node("scatter", "batch-scatter", params), Node("gather", "batch-gather"), Node("report", "step")
        flow = Blueprint("f", nodes, (Edge("scatter", "report"),))
        """,
        """
        params = {"workerUsesKey": "count", "gatherNodeId": "gather"}
        nodes = Node("scatter", "batch-scatter", params), Node("gather", "batch-gather"), Node("report", "step")
        flow = Blueprint("f", nodes, (Edge("gather", "report"),))
        """,
    ),
    constructs.BAD_TOLERANCE: (
        """
        flow = Blueprint("f", (Node("pages", "batch", {"workerUsesKey": "count", "toleratedFailurePercentage": 110}),))
        """,
        """
        flow = Blueprint("f", (Node("pages", "batch", {"workerUsesKey": "count", "toleratedFailurePercentage": 10}),))
        """,
    ),
    constructs.BAD_CONCURRENCY: (
        """
        flow = Blueprint("f", (Node("pages", "batch", {"workerUsesKey": "count", "concurrency": 0}),))
        """,
        """
        flow = Blueprint("f", (Node("pages", "batch", {"workerUsesKey": "count", "concurrency": 10}),))
        """,
    ),
    constructs.BAD_REDUCER: (
        """
        flow = Blueprint("f", (Node("pages", "batch", {"workerUsesKey": "count", "reduceUsesKey": "sleep"}),))
        """,
        """
        flow = Blueprint("f", (Node("pages", "batch", {"workerUsesKey": "count", "reduceUsesKey": "step"}),))
        """,
    ),
    constructs.BAD_PAGE_SIZE: (
        """
        flow = create_flow("f").batch("pages", step, page_size=0)
        """,
        """
        flow = create_flow("f").batch("pages", step, page_size=500)
        """,
    ),
    constructs.SUBFLOW_WITHOUT_FLOW: (
        """
        flow = Blueprint("f", (Node("charge", "subflow"),))
        """,
        """
        flow = Blueprint("f", (Node("charge", "subflow", {"blueprintId": "payment"}),))
        """,
    ),
    constructs.BAD_NAMES_MAP: (
        """
        payment = create_flow("payment").node("a", step)
        flow = create_flow("f").subflow("charge", payment, inputs={"amount": 3})
        """,
        """
        payment = create_flow("payment").node("a", step)
        flow = create_flow("f").subflow("charge", payment, inputs={"amount": "total"})
        """,
    ),
    constructs.BAD_SLEEP: (
        """
        flow = Blueprint("f", (Node("pause", "sleep", {"duration": "a while"}),))
        """,
        """
        flow = Blueprint("f", (Node("pause", "sleep", {"duration": "20m"}),))
        """,
    ),
    constructs.MISPLACED_TIMEOUT: (
        """
        flow = Blueprint("f", (Node("approval", "wait", {"timeout": 60_000}),))
        """,
        """
        flow = Blueprint("f", (Node("approval", "wait", config=NodeConfig(timeout=60_000)),))
        """,
    ),
    constructs.BAD_REMINDERS: (
        """
        flow = Blueprint("f", (Node("approval", "wait", {"remindUsesKey": "mail", "remindAfter": "soon"}),))
        """,
        """
        flow = Blueprint("f", (Node("approval", "wait", {"remindUsesKey": "mail", "remindAfter": "1d"}),))
        """,
    ),
    constructs.ENDLESS_WAIT_IN_BATCH: (
        """
        review = create_flow("review").wait("approval")
        flow = create_flow("f").node("pages", step).batch("reviews", review).edge("pages", "reviews")
        """,
        """
        review = create_flow("review").wait("approval", timeout="7d")
        flow = create_flow("f").node("pages", step).batch("reviews", review).edge("pages", "reviews")
        """,
    ),
    constructs.SEVERAL_ENDS: (
        """
        payment = create_flow("payment").node("charge", step).node("book", step).node("mail", step)
        payment.edge("charge", "book").edge("charge", "mail")
        flow = create_flow("f").subflow("pay", payment).node("report", step).edge("pay", "report")
        """,
        """
        payment = create_flow("payment").node("charge", step).node("book", step).node("mail", step)
        payment.edge("charge", "book").edge("book", "mail")
        flow = create_flow("f").subflow("pay", payment).node("report", step).edge("pay", "report")
        """,
    ),
    constructs.LIMIT_OF_WAIT: (
        """
        flow = Blueprint("f", (Node("pause", "sleep", {"duration": "1s"}, config=NodeConfig(limit="openai")),))
        """,
        """
        flow = create_flow("f").sleep("pause", "1s").node("ask", step, limit="openai").edge("pause", "ask")
        """,
    ),
}
