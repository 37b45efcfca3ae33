"""The clauses of a whole backend on what it says of how it is set up, where it has that power."""

from __future__ import annotations

from collections.abc import Sequence

from flowcraft_core.durable import diagnose
from flowcraft_core.ports import Backend, Fact, Finding, Message, PositionedValue, RunStatus

from .clauses import needs
from .programs import ProgramClauses


class DiagnosingClauses(ProgramClauses):
    """What a ``Backend`` promises of its ``diagnose``."""

    @needs("diagnosis")
    async def test_a_backend_that_is_set_up_as_it_should_be_has_no_findings(self) -> None:
        """Open or not: who is told of what is no trouble stops to listen."""
        async with self._open_backend() as backend:
            assert await diagnose(backend) == []
        assert await diagnose(backend) == [], "after it was closed"
        async with self._open_backend() as again:  # nor is it open by that
            assert await again.status.get(self.id("nobody")) is None

    @needs("diagnosis")
    async def test_diagnosing_changes_nothing_and_leaves_nothing_behind(self) -> None:
        """No message is received by it, no record written, no hint taken; and its user goes on as before."""
        run_id, body = self.id("run"), self.id("body")
        async with self._open_backend() as backend, self._open_backend() as other:
            now = self.now()
            status = RunStatus(run_id=run_id, state="running", blueprint_id="flow", created=now, updated=now)
            await backend.status.create(status)
            await backend.context.put(run_id, "key", Fact(b"fact", "writer"))
            await backend.context.apply(run_id, {"name": PositionedValue("1", b"value")})
            await backend.coordination.set_if_absent(run_id, "mine", ttl=100 * self.beat)
            await backend.queue.send([Message(body, run_id)])
            await self.pass_time(backend.context.limits.staleness)
            before = await _runs(backend)
            for each in (backend, other):
                assert await diagnose(each) == []
            await self.pass_time(backend.context.limits.staleness)
            stored = await backend.status.get(run_id)
            assert stored is not None
            assert (stored.state, stored.blueprint_id, stored.next_check) == ("running", "flow", None)
            facts = await backend.context.get(run_id, ["key"])
            assert {key: fact.body for key, fact in facts.items()} == {"key": b"fact"}
            values = await backend.context.values(run_id, ["name"])
            assert values == {"name": PositionedValue("1", b"value")}
            assert await backend.coordination.get(run_id) == "mine"
            assert await _runs(backend) <= before | {run_id}

            async def count() -> int:
                for delivery in await backend.queue.receive(max_messages=10, wait=self.beat, visibility=6 * self.beat):
                    await backend.queue.acknowledge([delivery])
                    assert "doctor" not in delivery.body, "it has sent something"
                    if delivery.body == body:
                        return delivery.count
                return 0

            assert await self.until(count, 100 * self.beat) == 1, "it has received the message"
            await backend.status.delete(run_id)
            await backend.context.delete(run_id, keys=["key"], names=["name"])

    @needs("diagnosis", "outages")
    async def test_what_cannot_be_reached_is_a_finding_and_no_error(self) -> None:
        """It is asked just then: by one that was opened before, and by one that never was."""
        async with self._open_backend() as backend:
            await self.trouble_maker.take_down()
            try:
                found = await diagnose(backend)
            finally:
                await self.trouble_maker.bring_up()
            _tell_what_to_do(found)

            async def is_well() -> bool:
                return not await diagnose(backend)

            await self.until(is_well, 100 * self.beat)

    @needs("diagnosis", "refusals")
    async def test_what_refuses_everything_is_a_finding_and_no_error(self) -> None:
        """Whoever has no rights is told which are missing, or what is not there."""
        async with self._open_backend() as backend:
            await self.trouble_maker.refuse()
            _tell_what_to_do(await diagnose(backend))


async def _runs(backend: Backend) -> set[str]:
    """The runs that are there, in whatever state."""
    found: set[str] = set()
    for state in ("running", "awaiting", "completed", "failed", "cancelled", "dead"):
        cursor = None
        while True:
            page = await backend.status.find(state=state, cursor=cursor)
            found |= {status.run_id for status in page.items}
            if (cursor := page.cursor) is None:
                break
    return found


def _tell_what_to_do(findings: Sequence[Finding]) -> None:
    assert [finding for finding in findings if finding.severity == "error"], "it has found nothing"
    for finding in findings:
        assert finding.code != "DIAGNOSIS-FAILED", finding.problem
        assert finding.problem
        assert finding.remedy
