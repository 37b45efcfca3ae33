"""A service that fails is asked again, and then something stands in."""

from flowcraft_core import SyncNodeContext, create_flow


def trim(ctx: SyncNodeContext) -> str:
    return str(ctx.context.get("input")).strip("?")


def ask(ctx: SyncNodeContext[str]) -> str:
    if ctx.input == "when":
        return f"{ctx.input} now"
    raise ConnectionError(ctx.input)


def cached(ctx: SyncNodeContext[str]) -> str:
    return f"{ctx.input} from the {ctx.context.get('source') or 'cache'}"


def show(ctx: SyncNodeContext[str]) -> str:
    return f"{ctx.input}."


flow = create_flow("retry").node("trim", trim).node("ask", ask, retries=2, fallback=cached).node("show", show)
flow.edge("trim", "ask").edge("ask", "show")
