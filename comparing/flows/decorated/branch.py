"""One of two ways, which meet again."""

from flowcraft_core import Flow, first_of

flow = Flow[int, str]("branch")
limit = flow.value("limit", int, default=30)


@flow.step
def weigh(kilos: int = flow.input) -> int:
    return kilos


@flow.step(when=weigh.output > limit.value)
def freight(kilos: int = weigh.output) -> str:
    return f"{kilos} kg by freight"


@flow.step(unless=weigh.output > limit.value)
def post(kilos: int = weigh.output) -> str:
    return f"{kilos} kg by post"


sent = first_of(freight.output, post.output)


@flow.step
def label(way: str = sent) -> str:
    return f"{way}!"


flow.returns(label.output)
