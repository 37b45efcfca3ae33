"""The ten flows, of decorated functions."""

from __future__ import annotations

from flowcraft_core import FailedItem, Flow, NodeContext, SyncNodeContext, first_of

from .shapes import Approval, Draft, Order, Services, Turn, think


def orders() -> Flow[Order, str]:
    """An order that a person approves, if it is a large one."""
    flow = Flow[Order, str]("orders")
    services = flow.dependencies(Services)

    @flow.step
    def price(order: Order = flow.input, rates: dict[str, float] = services.rates) -> float:
        return order["euros"] * rates["EUR"]

    approval = flow.wait("approval", Approval, after=price, when=price.output > 100)

    @flow.step(unless=price.output > 100)
    def small(total: float = price.output) -> str:
        return f"paid {total:g}"

    @flow.step(when=approval.output["ok"])
    def large(total: float = price.output, by: str = approval.output["by"]) -> str:
        return f"paid {total:g}, says {by}"

    @flow.step(unless=approval.output["ok"])
    def refuse(by: str = approval.output["by"]) -> str:
        return f"refused by {by}"

    flow.returns(first_of(small.output, large.output, refuse.output))
    return flow


def etl() -> Flow[str, dict[str, int]]:
    """Three extractions side by side, and what comes of them together."""
    flow = Flow[str, dict[str, int]]("etl")

    @flow.step
    async def people(day: str = flow.input) -> list[str]:
        return [f"{day} Ada", f"{day} Alan"]

    @flow.step
    async def places(day: str = flow.input) -> list[str]:
        return [f"{day} Oslo"]

    @flow.step
    async def prices(day: str = flow.input) -> dict[str, int]:
        return {day: 3}

    @flow.step
    def load(
        who: list[str] = people.output, where: list[str] = places.output, what: dict[str, int] = prices.output
    ) -> dict[str, int]:
        return {"rows": len(who) + len(where) + len(what)}

    flow.returns(load.output)
    return flow


def retries() -> Flow[str, str]:
    """A service that fails, and a cache that stands in."""
    flow = Flow[str, str]("retries")

    @flow.step(retries=2, timeout="5s")
    def ask(question: str = flow.input) -> str:
        raise ConnectionError(question)

    @ask.fallback
    def cached(ctx: SyncNodeContext, question: str) -> str:
        return f"{question}? from the cache, after {ctx.error.attempts if ctx.error else 0} attempts"

    @flow.step
    def show(answer: str = ask.output) -> str:
        return answer.upper()

    flow.returns(show.output)
    return flow


def drafts() -> Flow[str, Draft]:
    """A text that is improved until it is good."""
    flow = Flow[str, Draft]("drafts")

    @flow.step
    def begin(title: str = flow.input) -> Draft:
        return Draft(title, 40)

    again = flow.loop("again", begin.output)

    @flow.step
    def improve(draft: Draft = again.value) -> Draft:
        return Draft(f"{draft.text}!", draft.score)

    @flow.step
    def review(draft: Draft = improve.output) -> Draft:
        return Draft(draft.text, draft.score + 30)

    again.again(review.output, when=review.output.score < 80)

    @flow.step
    def publish(draft: Draft = again.output) -> Draft:
        return Draft(draft.text.title(), draft.score)

    flow.returns(publish.output)
    return flow


def documents() -> Flow[list[str], str]:
    """Each of many documents is read, some of them badly."""
    flow = Flow[list[str], str]("documents")
    language = flow.value("language", str, default="Latin")

    @flow.batch(over=flow.input, tolerated_failure_count=1)
    def read(name: str, tongue: str = language.value) -> str:
        if name == "torn":
            raise ValueError(name)
        return f"{tongue} text of {name}"

    @flow.step
    def index(texts: list[str | FailedItem] = read.results) -> str:
        return f"{sum(isinstance(text, str) for text in texts)} of {len(texts)}"

    flow.returns(index.output)
    return flow


def invoices() -> Flow[int, str]:
    """A flow that calls another one, once and many times."""
    tax = Flow[int, float]("tax")

    @tax.step
    def rate() -> float:
        return 1.25

    @tax.step
    def gross(net: int = tax.input, factor: float = rate.output) -> float:
        return net * factor

    tax.returns(gross.output)

    flow = Flow[int, str]("invoices")

    @flow.step
    def lines(count: int = flow.input) -> list[int]:
        return [100 * (number + 1) for number in range(count)]

    each = flow.call_each(tax, lines.output, name="each")

    @flow.step
    def net(of: list[int] = lines.output) -> int:
        return sum(of)

    total = flow.call(tax, net.output, name="total")

    @flow.step
    def show(all_of_it: float = total.output, one_by_one: list[float] = each.output) -> str:
        return f"{all_of_it:g} = {' + '.join(f'{one:g}' for one in one_by_one)}"

    flow.returns(show.output)
    return flow


def claims() -> Flow[str, str]:
    """A claim that waits for somebody, but not for ever."""
    flow = Flow[str, str]("claims")
    services = flow.dependencies(Services)

    @flow.step
    def notify(claim: str = flow.input, sent: list[str] = services.sent) -> str:
        sent.append(claim)
        return claim

    answer = flow.wait("answer", Approval, after=notify, timeout="2d")

    @flow.step
    def settle(claim: str = notify.output, said: Approval = answer.output) -> str:
        return f"{claim}: {'paid' if said['ok'] else 'refused'} by {said['by']}"

    @flow.step(when=answer.timed_out)
    def escalate(claim: str = notify.output) -> str:
        return f"{claim}: nobody answered"

    flow.returns(first_of(settle.output, escalate.output))
    return flow


def parcels() -> Flow[int, str]:
    """Two ways that exclude each other, and what both have in common."""
    flow = Flow[int, str]("parcels")

    @flow.step
    def weigh(kilos: int = flow.input) -> int:
        return kilos

    @flow.step(when=weigh.output > 30)
    def freight(kilos: int = weigh.output) -> str:
        return f"freight of {kilos} kg"

    @flow.step
    def insure(way: str = freight.output) -> str:
        return f"{way}, insured"

    @flow.step(unless=weigh.output > 30)
    def post(kilos: int = weigh.output) -> str:
        return f"post of {kilos} kg"

    sent_by = first_of(insure.output, post.output)

    @flow.step
    def label(kilos: int = weigh.output, way: str = sent_by) -> str:
        return f"{kilos}: {way}"

    flow.returns(label.output)
    return flow


def agent() -> Flow[str, str]:
    """An agent that thinks and uses tools, until it knows."""
    flow = Flow[str, str]("agent")

    @flow.step
    def ask(question: str = flow.input) -> Turn:
        return Turn(question)

    turns = flow.loop("turns", ask.output)

    @flow.step
    def move(turn: Turn = turns.value) -> Turn:
        return think(turn)

    @flow.batch(over=move.output.calls)
    async def use(call: str, ctx: NodeContext) -> str:
        return f"{call} in {ctx.run_id[:0]}tool"

    @flow.step
    def note(turn: Turn = move.output, results: list[str] = use.output) -> Turn:
        turn.seen += results
        return turn

    turns.again(note.output, when=note.output.is_open)

    @flow.step
    def tell(answer: str = turns.output.answer) -> str:
        return answer

    flow.returns(tell.output)
    return flow


def nightly() -> Flow[None, str]:
    """A report that is made without being asked, after a pause."""
    flow = Flow[None, str]("nightly")
    services = flow.dependencies(Services)

    @flow.step
    async def collect() -> list[int]:
        return [3, 4]

    settled = flow.sleep("settled", 0.01, collect.output)

    @flow.step
    def report(numbers: list[int] = settled.output) -> str:
        return f"{sum(numbers)} sold"

    @flow.step
    def send(text: str = report.output, sent: list[str] = services.sent) -> None:
        sent.append(text)

    @flow.step(after=[send])
    def tidy() -> None: ...

    flow.returns(report.output)
    return flow
