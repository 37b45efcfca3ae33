"""A shop's flow, as an application has it: its steps talk to services that no test should talk to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from flowcraft_core import Flow, NodeContext, RetryPolicy


@dataclass(frozen=True)
class Order:
    """What somebody wants to have."""

    customer: str
    lines: list[str]


@dataclass(frozen=True)
class Services:
    """What the steps talk to.

    Attributes:
        price: What one line costs, in euros.
        charge: Charges a customer so many euros under a key; gives a receipt's number.
        refund: Gives the money of a receipt back.
        mail: Writes a text to a customer.
    """

    price: Callable[[str], int]
    charge: Callable[[str, int, str], Awaitable[str]]
    refund: Callable[[str], Awaitable[None]]
    mail: Callable[[str, str], Awaitable[None]]


shop = Flow[Order, str]("shop")
services = shop.dependencies(Services)


@shop.batch(shop.input.lines, limit="prices")
def price(line: str, ask: Services = services) -> int:
    """What one line costs."""
    return ask.price(line)


@shop.step
def total(prices: list[int] = price.output) -> int:
    """What all of it costs."""
    return sum(prices)


approval = shop.wait("approval", str, after=total, timeout="2d")


@approval.remind(after="20h")
async def remind(ask: Services = services, order: Order = shop.input, euros: int = total.output) -> None:
    """Ask once more whether somebody approves."""
    await ask.mail("the boss", f"{order.customer} wants to spend {euros} euros")


async def refund(receipt: str, ask: Services) -> None:
    """Give the money back."""
    await ask.refund(receipt)


@shop.step(retries=RetryPolicy(max_attempts=3, delay=60.0), undo=refund)
async def charge(
    ctx: NodeContext[None],
    ask: Services = services,
    order: Order = shop.input,
    euros: int = total.output,
    approved_by: str = approval.output,
) -> str:
    """Charge the customer, once somebody approves."""
    return await ask.charge(order.customer, euros, ctx.idempotency_key)


arrival = shop.sleep("arrival", "3d", charge.output)


@shop.step
async def survey(ask: Services = services, order: Order = shop.input, receipt: str = arrival.output) -> str:
    """Ask how it was."""
    await ask.mail(order.customer, f"how was order {receipt}?")
    return receipt


shop.returns(survey.output)
