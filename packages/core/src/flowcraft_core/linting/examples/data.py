"""Examples for the rules about expressions, inputs and types."""

from ...rules import data

EXAMPLES = {
    data.BAD_EXPRESSION: (
        """
        flow = create_flow("f").node("a", step).node("b", step).edge("a", "b", condition="len(result.output) > 3")
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step).edge("a", "b", condition="result.output.length > 3")
        """,
    ),
    data.UNKNOWN_NAME: (
        """
        flow = create_flow("f").node("count", step).node("b", step).edge("count", "b", condition="result.otput > 3")
        """,
        """
        flow = create_flow("f").node("count", step).node("b", step).edge("count", "b", condition="result.output > 3")
        """,
    ),
    data.INPUT_FROM_FALLBACK: (
        """
        flow = create_flow("f").node("a", step, fallback="b").node("b", step).node("c", step, inputs="b").edge("a", "c")
        """,
        """
        flow = create_flow("f").node("a", step, fallback="b").node("b", step).node("c", step, inputs="a").edge("a", "c")
        """,
    ),
    data.INPUT_LEFT_BEHIND: (
        """
        flow = create_flow("f").node("s", step).node("a", step).node("b", step).node("e", step, join="any")
        flow.edge("s", "a").edge("s", "b").edge("a", "e").edge("b", "e")
        flow.loop("again", start="s", end="e", condition="input < 3")
        flow.node("last", step, inputs="a").edge("again", "last")
        """,
        """
        flow = create_flow("f").node("s", step).node("a", step).node("b", step).node("e", step, join="any")
        flow.edge("s", "a").edge("s", "b").edge("a", "e").edge("b", "e")
        flow.loop("again", start="s", end="e", condition="input < 3")
        flow.node("last", step, inputs="again").edge("again", "last")
        """,
    ),
    data.INPUT_TOO_EARLY: (
        """
        flow = create_flow("f").node("a", step).node("b", step).node("c", step, inputs="b")
        flow.edge("a", "b").edge("a", "c")
        """,
        """
        flow = create_flow("f").node("a", step).node("b", step).node("c", step, inputs="b")
        flow.edge("a", "b").edge("b", "c")
        """,
    ),
    data.MISSPELT_INPUT: (
        """
        flow = create_flow("f").node("fetch", step).node("store", step, inputs="fetsh").edge("fetch", "store")
        """,
        """
        flow = create_flow("f").node("fetch", step).node("store", step, inputs="fetch").edge("fetch", "store")
        """,
    ),
    data.WRONG_TYPE: (
        """
        def words(ctx: SyncNodeContext[str]) -> list[str]:
            return ctx.input.split()


        def double(ctx: SyncNodeContext[int]) -> int:
            return ctx.input * 2


        flow = create_flow("f").node("words", words).node("double", double).edge("words", "double")
        """,
        """
        def words(ctx: SyncNodeContext[str]) -> list[str]:
            return ctx.input.split()


        def double(ctx: SyncNodeContext[int]) -> int:
            return ctx.input * 2


        flow = create_flow("f").node("words", words).node("double", double)
        flow.edge("words", "double", transform="input.length")
        """,
    ),
    data.DICT_NOT_TAKEN: (
        """
        def double(ctx: SyncNodeContext[int]) -> int:
            return ctx.input * 2


        flow = create_flow("f").node("a", step).node("b", step).node("double", double)
        flow.edge("a", "double").edge("b", "double")
        """,
        """
        def double(ctx: SyncNodeContext[int]) -> int:
            return ctx.input * 2


        flow = create_flow("f").node("a", step).node("b", step).node("double", double, join="any")
        flow.edge("a", "double").edge("b", "double")
        """,
    ),
    data.NOT_A_LIST: (
        """
        def count(ctx) -> int:
            return 3


        flow = create_flow("f").node("count", count).batch("each", step).edge("count", "each")
        """,
        """
        def numbers(ctx) -> list[int]:
            return [1, 2, 3]


        flow = create_flow("f").node("numbers", numbers).batch("each", step).edge("numbers", "each")
        """,
    ),
    data.FAILURE_NOT_TAKEN: (
        """
        def mend(ctx: SyncNodeContext[str]) -> str:
            return ctx.input


        flow = create_flow("f").node("a", step).node("mend", mend).edge("a", "mend", on="failure")
        """,
        """
        def mend(ctx: SyncNodeContext[str]) -> str:
            return ctx.input


        flow = create_flow("f").node("a", step).node("mend", mend)
        flow.edge("a", "mend", on="failure", transform="error.message")
        """,
    ),
    data.UNKNOWN_MEMBER: (
        """
        class Order(TypedDict):
            total: int


        flow = Flow[Order, int]("f")


        @flow.step
        def charge(amount: Any = flow.input["totla"]) -> int:
            return amount


        flow.returns(charge.output)
        """,
        """
        class Order(TypedDict):
            total: int


        flow = Flow[Order, int]("f")


        @flow.step
        def charge(amount: int = flow.input["total"]) -> int:
            return amount


        flow.returns(charge.output)
        """,
    ),
}
