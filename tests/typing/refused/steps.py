"""What is handed on and is not what is wanted; names that are not there."""

from dataclasses import dataclass
from typing import Literal, TypedDict

from flowcraft_core import (
    Call,
    Dependencies,
    ErrorData,
    Flow,
    FlowRuntime,
    PerAttempt,
    Proceed,
    Provided,
    SyncNodeContext,
    first_of,
)


class Order(TypedDict):
    customer: str
    euros: int


@dataclass
class Services:
    rates: dict[str, float]


flow = Flow[Order, str]("orders")
services = flow.dependencies(Services)
language = flow.value("language", str, default="en")


@flow.step
def price(order: Order = flow.input) -> float:
    return float(order["euros"])


@flow.step
async def lines(order: Order = flow.input) -> list[str]:
    return [order["customer"]]


@flow.step
def kind(total: float = price.output) -> Literal["large", "small"]:
    return "large" if total > 100 else "small"


either = first_of(price.output, kind.output)

# a wrong type handed on


@flow.step
def wrong_output(total: int = price.output) -> None: ...  #: mypy=assignment pyright=reportArgumentType


@flow.step
async def wrong_async_output(line: str = lines.output) -> None: ...  #: mypy=assignment pyright=reportArgumentType


@flow.step
def wrong_literal(what: Literal["large"] = kind.output) -> None: ...  #: mypy=assignment pyright=reportArgumentType


@flow.step
def wrong_maybe(total: float = price.maybe) -> None: ...  #: mypy=assignment pyright=reportArgumentType


@flow.step
def wrong_race(total: float = either) -> None: ...  #: mypy=assignment pyright=reportArgumentType


@flow.step
def wrong_input(order: str = flow.input) -> None: ...  #: mypy=assignment pyright=reportArgumentType


@flow.step
def wrong_field(euros: str = flow.input["euros"]) -> None: ...  #: mypy=assignment pyright=reportArgumentType


@flow.step
def wrong_value(tongue: int = language.value) -> None: ...  #: mypy=assignment pyright=reportArgumentType


@flow.step
def wrong_dependency(rates: list[float] = services.rates) -> None: ...  #: mypy=assignment pyright=reportArgumentType


@flow.batch(over=lines.output)  #: mypy=arg-type pyright=reportCallIssue,reportArgumentType
def wrong_item(number: int) -> int:
    return number


@flow.batch(over=price.output)  #: mypy=arg-type pyright=reportArgumentType
def no_list(number: float) -> float:
    return number


@flow.batch(over=lines.output, tolerated_failure_count=1)
def each(line: str) -> int:
    return len(line)


@flow.step
def wrong_results(counts: list[str] = each.results) -> None: ...  #: mypy=assignment pyright=reportArgumentType


@price.fallback  #: mypy=arg-type pyright=reportCallIssue,reportArgumentType
def wrong_fallback(order: Order) -> str:
    return order["customer"]


answer = flow.wait("answer", Order)


@flow.step
def wrong_answer(said: str = answer.output) -> None: ...  #: mypy=assignment pyright=reportArgumentType


# failures


@flow.step
def no_error(error: float = price.failed.output) -> None: ...  #: mypy=assignment pyright=reportArgumentType


@flow.step
def certain_error(error: ErrorData = price.failed.maybe) -> None: ...  #: mypy=assignment pyright=reportArgumentType


error = price.failed.output


@flow.step
def misspelt_part(text: str = error["mesage"]) -> None: ...  #: mypy=typeddict-item pyright=reportGeneralTypeIssues


no_class = price.failed_with(404)  #: mypy=arg-type pyright=reportArgumentType


@flow.step(when=price.failed)  #: mypy=call-overload pyright=reportArgumentType
def failed_as_condition() -> None: ...


@flow.step(after=price.failed.output)  #: mypy=call-overload pyright=reportArgumentType
def after_an_error() -> None: ...


# a name that is not there, as after a renaming


@flow.step
def renamed(total: float = prize.output) -> None: ...  #: mypy=name-defined pyright=reportUndefinedVariable


@flow.step
def misspelt_output(total: float = price.outputs) -> None: ...  #: mypy=attr-defined pyright=reportAttributeAccessIssue


@flow.step
def misspelt_field(euros: int = flow.input["euro"]) -> None: ...  #: mypy=typeddict-item pyright=reportGeneralTypeIssues


@flow.step
def misspelt_value(tongue: str = langauge.value) -> None: ...  #: mypy=name-defined pyright=reportUndefinedVariable


@flow.step
def misspelt_need(rate: object = services.rate) -> None: ...  #: mypy=attr-defined pyright=reportAttributeAccessIssue


# settings


@flow.step(when=price.output)  #: mypy=call-overload pyright=reportArgumentType
def no_condition() -> None: ...


@flow.step(when=kind.output == "lagre")  #: mypy=comparison-overlap pyright=reportUnnecessaryComparison
def impossible_condition() -> None: ...


@flow.step(after=len)  #: mypy=call-overload pyright=reportArgumentType
def after_no_step() -> None: ...


@flow.step(retrys=3)  #: mypy=call-overload pyright=reportCallIssue
def misspelt_setting() -> None: ...


def take_back(number: int) -> None:
    """Takes what no step here gives."""


@flow.step(undo=take_back)  #: mypy=arg-type pyright=reportArgumentType,reportCallIssue
def undone_by_another() -> str:
    return "text"


def setting(ctx: SyncNodeContext) -> None:
    """A context value is set to what it is not."""
    language.set(ctx, 3)  #: mypy=arg-type pyright=reportArgumentType


def called_by_hand() -> None:
    """With what the function does not take."""
    price("tea")  #: mypy=arg-type pyright=reportArgumentType
    price(ordr={"customer": "Ada", "euros": 3})  #: mypy=call-arg pyright=reportCallIssue
    text: str = price({"customer": "Ada", "euros": 3})  #: mypy=assignment pyright=reportAssignmentType
    text.upper()


# dependencies by type, and what stands around steps


class Database:
    name: str


@flow.step
def wrong_use(db: Provided[Database]) -> int:
    return db.name  #: mypy=return-value pyright=reportReturnType


@flow.step
def wrong_by_type(ctx: SyncNodeContext[Order, Dependencies]) -> str:
    return ctx.dependencies[Database]  #: mypy=return-value pyright=reportReturnType


wrong_use("pg")  #: mypy=arg-type pyright=reportArgumentType
wrong_use()  #: mypy=call-arg pyright=reportCallIssue


def not_async(call: Call, proceed: Proceed) -> int:
    return 1


FlowRuntime(middleware=[not_async])  #: mypy=list-item pyright=reportArgumentType
PerAttempt(Database)  #: mypy=arg-type pyright=reportArgumentType
