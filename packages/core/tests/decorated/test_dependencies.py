"""What steps ask the runtime for by type."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NewType, Protocol

import attrs
import pytest
from flowcraft_core import (
    ConfigurationError,
    Dependencies,
    Flow,
    FlowRuntime,
    NodeContext,
    PerAttempt,
    Provided,
    RetryPolicy,
    SyncNodeContext,
    create_flow,
)
from flowcraft_testkit import FlowTester

from ..on_workers import on_a_worker
from ..test_middleware import Runner, in_process


@attrs.frozen
class Database:
    name: str


class Replica(Database):
    pass


class Session:
    def __init__(self) -> None:
        self.is_open = True


class Mailer(Protocol):
    sender: str


@attrs.frozen
class Smtp:
    sender: str


Key = NewType("Key", str)


@pytest.fixture(params=[in_process, on_a_worker], ids=["in process", "on a worker"])
def run(request: pytest.FixtureRequest) -> Runner:
    runner: Runner = request.param
    return runner


def asking() -> Flow[str, str]:
    flow = Flow[str, str]("f")

    @flow.step
    def fetch(db: Provided[Database], what: str = flow.input) -> str:
        return f"{what} of {db.name}"

    @flow.step
    async def show(ctx: NodeContext, mail: Provided[Mailer], key: Provided[Key], text: str = fetch.output) -> str:
        return f"{ctx.key}: {text} by {mail.sender} with {key}"

    flow.returns(show.output)
    return flow


async def test_a_parameter_gets_what_there_is_for_its_type(run: Runner) -> None:
    provided = {Database: Database("pg"), Mailer: Smtp("ada"), Key: "k"}
    result = await run(asking(), "rows", dependencies=provided)
    assert result.output == "show: rows of pg by ada with k"


async def test_in_a_list_each_is_known_by_its_class_and_found_by_one_above(run: Runner) -> None:
    flow = Flow[None, str]("f")

    @flow.step
    def fetch(db: Provided[Database], mail: Provided[Smtp]) -> str:
        return f"{type(db).__name__} {mail.sender}"

    flow.returns(fetch.output)
    assert (await run(flow, dependencies=[Replica("r"), Smtp("ada")])).output == "Replica ada"


async def test_one_object_for_all_is_asked_for_by_its_class_too(run: Runner) -> None:
    flow = Flow[None, str]("f")
    whole = flow.dependencies(Database)

    @flow.step
    def fetch(db: Provided[Database], name: str = whole.name) -> str:
        return f"{db.name} {name}"

    flow.returns(fetch.output)
    assert (await run(flow, dependencies=Database("pg"))).output == "pg pg"
    assert (await run(flow, dependencies=[Database("pg"), Smtp("ada")])).output == "pg pg"


async def test_the_item_of_a_batch_may_come_after_what_is_asked_for(run: Runner) -> None:
    flow = Flow[list[int], Any]("f")

    def work(ctx: SyncNodeContext[Any, Any], database: Provided[Database], item: int) -> str:
        return f"{ctx.key} {database.name} {item}"

    decorate: Any = flow.batch(flow.input)  # a checker wants the item in the first place
    flow.returns(decorate(work).output)
    outcome = await run(flow, [7], dependencies=[Database("orders")])
    assert outcome.output == ["work[0].work orders 7"]


async def test_batches_fallbacks_undos_and_reminders_ask_as_steps_do(run: Runner) -> None:
    flow, undone = Flow[None, list[str]]("f"), list[str]()

    def take_back(rows: Any, db: Provided[Database]) -> None:
        undone.append(f"{rows} {db.name}")

    @flow.step(undo=take_back)
    def rows() -> list[int]:
        return [1]

    @flow.batch(over=rows.output)
    def fetch(row: int, db: Provided[Database]) -> str:
        return f"{row} {db.name}"

    @flow.step
    def fail(fetched: list[str] = fetch.output) -> list[str]:
        raise ValueError("no")

    @fail.fallback
    def stand_in(fetched: list[str], db: Provided[Database]) -> list[str]:
        return [*fetched, db.name]

    @flow.step
    def last(got: list[str] = fail.output) -> list[str]:
        raise ValueError(str(got))

    flow.returns(last.output)
    result = await run(flow, dependencies=[Database("pg")])
    assert [error.message for error in result.errors] == ["['1 pg', 'pg']"]
    assert undone == ["[1] pg"]


async def test_what_is_opened_per_attempt_is_closed_after_it_and_told_the_error(run: Runner) -> None:
    told: list[str] = []

    @asynccontextmanager
    async def session() -> AsyncIterator[Session]:
        opened = Session()
        told.append("open")
        try:
            yield opened
        except ValueError as error:
            told.append(f"rolled back: {error}")
            raise
        else:
            told.append("committed")
        finally:
            opened.is_open = False

    flow = Flow[None, bool]("f")

    @flow.step(retries=RetryPolicy(max_attempts=2, delay=0))
    def use(ctx: SyncNodeContext[Any, Dependencies], session: Provided[Session], db: Provided[Database]) -> bool:
        if ctx.attempt == 1:
            raise ValueError("no")
        return session.is_open and ctx.dependencies[Session] is session and ctx.dependencies[Database] is db

    @flow.step
    def beside(used: bool = use.output) -> bool:
        return used

    flow.returns(beside.output)
    result = await run(flow, dependencies={Session: PerAttempt(session), Database: Database("pg")})
    assert result.output is True
    assert told == ["open", "rolled back: no", "open", "committed"]


async def test_steps_of_the_builder_find_them_by_type(run: Runner) -> None:
    def fetch(ctx: SyncNodeContext[Any, Dependencies]) -> str:
        return ctx.dependencies[Database].name

    flow = create_flow("f").node("a", fetch)
    assert (await run(flow, dependencies=[Database("pg"), Smtp("ada")])).outputs == {"a": "pg"}


class TestRefused:
    def test_what_is_not_there_when_the_runtime_is_made_by_step_and_parameter(self) -> None:
        with pytest.raises(ConfigurationError) as raised:
            FlowRuntime([asking()], dependencies=[Database("pg")])
        assert str(raised.value) == (
            "step 'show' of flow 'f': parameter 'mail' asks for a Mailer: no dependency is a Mailer; there are: "
            "Database; step 'show' of flow 'f': parameter 'key' asks for a Key: no dependency is a Key; there are: "
            "Database"
        )
        for nothing in (None, Smtp("ada"), {"database": Database("pg")}):
            with pytest.raises(ConfigurationError, match="parameter 'db' asks for a Database"):
                FlowRuntime([asking()], dependencies=nothing)

    async def test_also_of_a_flow_that_comes_later_or_is_called(self) -> None:
        with pytest.raises(ConfigurationError, match="parameter 'db' asks for a Database"):
            await FlowRuntime().run(asking(), "rows")
        around = Flow[str, str]("around")
        around.returns(around.call(asking(), around.input).output)
        with pytest.raises(ConfigurationError, match="parameter 'db' asks for a Database"):
            FlowRuntime([around])

    def test_members_of_what_is_not_there(self) -> None:
        flow = Flow[None, str]("f")
        whole = flow.dependencies(Database)

        @flow.step
        def fetch(name: str = whole.name) -> str:
            return name

        flow.returns(fetch.output)
        for nothing in (None, [Smtp("ada")]):
            with pytest.raises(
                ConfigurationError, match="step 'fetch' of flow 'f': parameter 'name' asks for a Database"
            ):
                FlowRuntime([flow], dependencies=nothing)
        assert FlowRuntime([flow], dependencies=attrs.make_class("Double", ["name"])("x")).run_sync(flow).output == "x"

    def test_what_several_are(self) -> None:
        flow = Flow[None, None]("f")

        @flow.step
        def fetch(db: Provided[Database]) -> None: ...

        one, two = attrs.make_class("One", [], (Database,)), attrs.make_class("Two", [], (Database,))
        with pytest.raises(ConfigurationError, match=r"several dependencies are a Database \(One, Two\)"):
            FlowRuntime([flow], dependencies=[one("a"), two("b")])
        FlowRuntime([flow], dependencies={one: one("a"), Database: two("b")})

    def test_two_of_one_class_in_a_list(self) -> None:
        with pytest.raises(ConfigurationError, match="dependencies: two are a Database"):
            FlowRuntime(dependencies=[Database("a"), Database("b")])

    def test_what_is_no_class(self) -> None:
        flow = Flow[None, None]("f")
        with pytest.raises(
            ConfigurationError, match=r"parameter 'db' asks for a dependency by a class, not by Database"
        ):

            @flow.step
            def fetch(db: Provided[Database | None]) -> None: ...

    async def test_what_is_opened_per_attempt_where_nobody_asks_by_a_parameter(self) -> None:
        @asynccontextmanager
        async def session() -> AsyncIterator[Session]:
            yield Session()

        flow = create_flow("f").node("a", lambda ctx: ctx.dependencies[Session].is_open)
        result = await FlowRuntime([flow], dependencies={Session: PerAttempt(session)}).run(flow)
        assert "ask" in result.errors[0].message
        assert "Provided[Session]" in result.errors[0].message


def test_a_step_is_called_by_hand_with_what_it_asks_for() -> None:
    flow = Flow[None, str]("f")

    @flow.step
    def fetch(db: Provided[Database], least: int = 1) -> str:
        return f"{db.name} {least}"

    assert fetch(Database("pg")) == "pg 1"
    with pytest.raises(TypeError, match="fetch"):
        fetch()  # type: ignore[call-arg]


def test_who_fakes_a_step_needs_not_have_what_it_asks_for() -> None:
    with FlowTester() as tester:
        tester.replace("fetch", returns="rows")
        tester.replace("show", returns="shown")
        assert tester.run(asking(), "rows").output == "shown"
