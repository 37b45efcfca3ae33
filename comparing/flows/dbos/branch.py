"""One of two ways, which meet again."""

from dbos import DBOS


@DBOS.step()
def weigh(kilos: int) -> int:
    return kilos


@DBOS.step()
def freight(kilos: int) -> str:
    return f"{kilos} kg by freight"


@DBOS.step()
def post(kilos: int) -> str:
    return f"{kilos} kg by post"


@DBOS.step()
def label(way: str) -> str:
    return f"{way}!"


@DBOS.workflow()
def branch(kilos: int) -> str:
    limit = 30
    weight = weigh(kilos)
    way = freight(weight) if weight > limit else post(weight)
    return label(way)
