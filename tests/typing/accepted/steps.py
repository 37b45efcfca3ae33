"""Steps of every kind: what their outputs are, and that they stay functions."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal, TypedDict, assert_type

from flowcraft_core import (
    Call,
    Dependencies,
    ErrorData,
    FailedItem,
    Flow,
    FlowRuntime,
    NodeContext,
    NodeResult,
    PerAttempt,
    Proceed,
    Provided,
    SyncNodeContext,
    first_of,
)


class Order(TypedDict):
    customer: str
    euros: int


class Approval(TypedDict):
    ok: bool


@dataclass
class Mailer:
    sender: str


@dataclass
class Services:
    mailer: Mailer
    rates: dict[str, float]


flow = Flow[Order, str]("orders")
services = flow.dependencies(Services)
language = flow.value("language", str, default="en")


@flow.step
def price(order: Order = flow.input, rates: dict[str, float] = services.rates) -> float:
    return order["euros"] * rates["EUR"]


@flow.step(retries=2, timeout="5s")
async def lines(ctx: NodeContext, euros: int = flow.input["euros"], tongue: str = language.value) -> list[str]:
    language.set(ctx, tongue)
    return [str(euros)]


@flow.step(when=price.output > 100)
def check(total: float = price.output) -> Literal["large", "huge"]:
    return "huge" if total > 1000 else "large"


@flow.step(unless=(price.output > 100) | (flow.input["customer"] == "Ada"), after=lines)
def decide(ctx: SyncNodeContext, sender: str = services.mailer.sender) -> NodeResult[int]:
    return NodeResult(len(sender), action=ctx.node_id)


@flow.batch(over=lines.output, retries=1)
async def count(line: str, tongue: str = language.value) -> int:
    return len(line) + len(tongue)


@flow.batch(over=lines.output, tolerated_failure_percentage=50, concurrency=5)
def risky(line: str, ctx: SyncNodeContext) -> int:
    return len(line) + ctx.attempt


@flow.step
def either(what: Literal["large", "huge"] | None = check.maybe, how_many: int | None = decide.maybe) -> str:
    return f"{what} {how_many}"


@lines.fallback
async def no_lines(euros: int, tongue: str) -> list[str]:
    return [tongue] * euros


@price.fallback
def usual_price(order: Order) -> float:
    return float(order["euros"])


approval = flow.wait("approval", Approval, timeout="2d", after=[price, lines])
pause = flow.sleep("pause", 5, count.output)
winner = first_of(lines.output, decide.output)


@flow.step(when=approval.output["ok"] & (pause.output[0] > 1))
def approved(said: Approval = approval.output, which: list[str] | int = winner) -> str:
    return f"{said['ok']} {which}"


@flow.step(when=approval.timed_out)
def late() -> str:
    return "late"


def take_back(text: str, ctx: NodeContext) -> None:
    """Takes what the step gives."""


def take_back_what_may_be(text: str | None) -> None:
    """Takes None where the step was cut off."""


@flow.step(undo=take_back)
async def said(order: Order = flow.input) -> str:
    return order["customer"]


@flow.step(undo=take_back_what_may_be, undo_unsure=True, retries=2, undo_retries=3, undo_timeout="5s")
def shouted(text: str = said.output) -> str:
    return text.upper()


declined = price.failed_with(PermissionError)


@flow.step(after=[lines.ended, count.failed])
def handled(error: ErrorData = declined.output, kind: str = price.failed.output["type"]) -> str:
    return f"{error['message']} {kind} {error['attempts'] + 1}"


@flow.step(when=price.failed.output["attempts"] > 1)
def both(total: float | None = price.maybe, error: ErrorData | None = price.failed.maybe) -> str:
    return f"{total} {error}"


flow.returns(first_of(approved.output, late.output, handled.output))

assert_type(said.output, str)
assert_type(shouted.output, str)

assert_type(flow, Flow[Order, str])
assert_type(flow.input, Order)
assert_type(price.output, float)
assert_type(price.maybe, float | None)
assert_type(lines.output, list[str])
assert_type(check.output, Literal["large", "huge"])
assert_type(decide.output, int)
assert_type(count.output, list[int])
assert_type(risky.results, list[int | FailedItem])
assert_type(approval.output, Approval)
assert_type(pause.output, list[int])
assert_type(declined.output, ErrorData)
assert_type(price.failed.maybe, ErrorData | None)
assert_type(lines.ended.output, None)
assert_type(language.value, str)
assert_type(winner, list[str] | int)


async def test_steps() -> None:
    """They are called as the functions that they are."""
    assert_type(price({"customer": "Ada", "euros": 3}, {"EUR": 1.0}), float)
    assert_type(await count("line", tongue="de"), int)
    assert_type(either(None, how_many=3), str)


# dependencies by type, and what stands around steps


class Database:
    name: str


@asynccontextmanager
async def opened() -> AsyncGenerator[Mailer, None]:
    yield Mailer("ada")


stock = Flow[int, str]("stock")


@stock.step
def look_up(ctx: SyncNodeContext[int, Dependencies], db: Provided[Database], number: int = stock.input) -> str:
    assert_type(db, Database)
    assert_type(ctx.dependencies[Mailer], Mailer)
    return f"{db.name} {number}"


@stock.batch(over=look_up.output)
async def letters(letter: str, mailer: Provided[Mailer]) -> str:
    return letter + mailer.sender


assert_type(look_up.output, str)
stock.returns(look_up.output)


async def timed(call: Call, proceed: Proceed) -> object:
    return await proceed() if call.node.id else NodeResult(call.key)


class Counted:
    async def __call__(self, call: Call, proceed: Proceed) -> object:
        return await proceed()


around = FlowRuntime(
    [stock], dependencies={Database: Database(), Mailer: PerAttempt(opened)}, middleware=[timed, Counted()]
)
assert_type(around.run_sync(stock, 3).output, str)
