"""Examples for the rules about nodes, edges and joins."""

from ...rules import graphs

EXAMPLES = {
    graphs.DUPLICATE_NODE: (
        """
        flow = create_flow("f").node("a", step).node("a", step)
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step).edge("a", "b")
        """,
    ),
    graphs.UNKNOWN_END: (
        """
        flow = create_flow("f").node("fetch", step).node("store", step).edge("fetch", "stroe")
        """,
        """
        flow = create_flow("f").node("fetch", step).node("store", step).edge("fetch", "store")
        """,
    ),
    graphs.ACTION_ON_FAILURE: (
        """
        flow = create_flow("f").node("a", step).node("b", step).edge("a", "b", on="failure", action="timeout")
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step)
        flow.edge("a", "b", on="failure", condition="error.type == 'TimeoutError'")
        """,
    ),
    graphs.UNDECLARED_CYCLE: (
        """
        flow = create_flow("f").node("write", step).node("review", step)
        flow.edge("write", "review").edge("review", "write")
        """,
        """
        flow = create_flow("f").node("write", step).node("review", step).edge("write", "review")
        flow.loop("until_good", start="write", end="review", condition="input.grade < 3")
        """,
    ),
    graphs.TOO_MANY_TO_JOIN: (
        """
        flow = create_flow("f").node("a", step).node("b", step).node("c", step, join=3)
        flow.edge("a", "c").edge("b", "c")
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step).node("c", step, join=1)
        flow.edge("a", "c").edge("b", "c")
        """,
    ),
    graphs.BAD_JOIN: (
        """
        flow = create_flow("f").node("a", step).node("b", step, join="first").edge("a", "b")
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step, join="any").edge("a", "b")
        """,
    ),
    graphs.BAD_QUEUE: (
        """
        flow = Blueprint("f", (Node("a", "step", config=NodeConfig(queue="big machines")),))
        """,
        """
        flow = Blueprint("f", (Node("a", "step", config=NodeConfig(queue="big-machines")),))
        """,
    ),
    graphs.BAD_RETRIES: (
        """
        flow = Blueprint("f", (Node("a", "step", config=NodeConfig(retry_delay=-1)),))
        """,
        """
        flow = Blueprint("f", (Node("a", "step", config=NodeConfig(retry_delay=1_000)),))
        """,
    ),
    graphs.BAD_LIMIT: (
        """
        flow = create_flow("f").node("ask", step, limit="tenant:{tenant}")
        """,
        """
        flow = create_flow("f").node("ask", step, limit="tenant:{context.tenant}")
        """,
    ),
    graphs.BAD_ID: (
        """
        flow = create_flow("f").node("", step)
        """,
        """
        flow = create_flow("f").node("a", step)
        """,
    ),
    graphs.ORPHAN: (
        """
        flow = create_flow("f").node("a", step).node("b", step).node("audit", step).edge("a", "b")
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step).node("audit", step).edge("a", "b").edge("b", "audit")
        """,
    ),
    graphs.UNREACHABLE: (
        """
        flow = create_flow("f").node("a", step).node("b", step).edge("a", "b", condition="1 > 2")
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step).edge("a", "b", condition="result.output > 2")
        """,
    ),
    graphs.JOIN_NEVER_FIRES: (
        """
        def route(ctx):
            return NodeResult(ctx.input, action="card" if ctx.input else "cash")


        flow = create_flow("f").node("route", route).node("card", step).node("cash", step)
        flow.node("book", step, join=2)
        flow.edge("route", "card", action="card").edge("route", "cash", action="cash")
        flow.edge("card", "book").edge("cash", "book")
        """,
        """
        def route(ctx):
            return NodeResult(ctx.input, action="card" if ctx.input else "cash")


        flow = create_flow("f").node("route", route).node("card", step).node("cash", step)
        flow.node("book", step, join="any")
        flow.edge("route", "card", action="card").edge("route", "cash", action="cash")
        flow.edge("card", "book").edge("cash", "book")
        """,
    ),
    graphs.DICT_OF_BRANCHES: (
        """
        def total(ctx):
            return sum(ctx.input)


        flow = create_flow("f").node("a", step).node("b", step).node("total", total)
        flow.edge("a", "total").edge("b", "total")
        """,
        """
        def total(ctx: SyncNodeContext[dict[str, Any]]):
            return sum(ctx.input["a"]) + sum(ctx.input["b"])


        flow = create_flow("f").node("a", step).node("b", step).node("total", total)
        flow.edge("a", "total").edge("b", "total")
        """,
    ),
    graphs.FAILURE_MISSED: (
        """
        def report(ctx: SyncNodeContext[dict[str, Any]]):
            return ctx.input["fetch"]


        flow = create_flow("f").node("fetch", step).node("read", step).node("apologise", step).node("report", report)
        flow.edge("fetch", "report").edge("read", "report").edge("fetch", "apologise", on="failure")
        """,
        """
        def report(ctx: SyncNodeContext[dict[str, Any]]):
            return ctx.input.get("fetch")


        flow = create_flow("f").node("fetch", step).node("read", step).node("apologise", step).node("report", report)
        flow.edge("fetch", "report").edge("read", "report").edge("fetch", "apologise", on="failure")
        flow.edge("apologise", "report")
        """,
    ),
    graphs.UNKNOWN_ACTION: (
        """
        def check(ctx):
            return NodeResult(ctx.input, action="good" if ctx.input else "bad")


        flow = create_flow("f").node("check", check).node("praise", step).node("mend", step)
        flow.edge("check", "praise", action="fine").edge("check", "mend")
        """,
        """
        def check(ctx):
            return NodeResult(ctx.input, action="good" if ctx.input else "bad")


        flow = create_flow("f").node("check", check).node("praise", step).node("mend", step)
        flow.edge("check", "praise", action="good").edge("check", "mend")
        """,
    ),
    graphs.ACTION_WITHOUT_EDGE: (
        """
        def check(ctx):
            return NodeResult(ctx.input, action="good" if ctx.input else "bad")


        flow = create_flow("f").node("check", check).node("praise", step).edge("check", "praise", action="good")
        """,
        """
        def check(ctx):
            return NodeResult(ctx.input, action="good" if ctx.input else "bad")


        flow = create_flow("f").node("check", check).node("praise", step).node("mend", step)
        flow.edge("check", "praise", action="good").edge("check", "mend", action="bad")
        """,
    ),
    graphs.DUPLICATE_EDGE: (
        """
        flow = create_flow("f").node("a", step).node("b", step).edge("a", "b").edge("a", "b")
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step).edge("a", "b")
        """,
    ),
}
