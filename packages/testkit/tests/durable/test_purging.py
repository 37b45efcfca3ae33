"""A purge that is cut off anywhere, in the middle of a call too, is finished by purging again: nothing is left."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
from flowcraft_core import ConfigurationError
from flowcraft_core.durable import Client
from flowcraft_core.durable.runs import RECORD_KEY
from flowcraft_core.durable.storage import BLUEPRINTS
from flowcraft_core.ports import ContextStore, Fact

from .flows import CASES, chain
from .helpers import SMALL_STORE, left_of, place

pytestmark = pytest.mark.usefixtures("quiet")


class CutOffError(Exception):
    """The program is killed."""


class CutOff:
    """A context store that applies a part of one deletion, and no other after it."""

    def __init__(self, inner: ContextStore, at: int, chance: random.Random) -> None:
        self._inner, self._left, self._chance = inner, at, chance

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def delete(self, run_id: str, *, keys: Sequence[str], names: Sequence[str]) -> None:
        """Remove some of them, in whatever order, and be killed; or all of them."""
        self._left -= 1
        if self._left:
            await self._inner.delete(run_id, keys=keys, names=names)
            return
        some = [list(all_) for all_ in (keys, names)]
        for part in some:
            self._chance.shuffle(part)
        some_keys, some_names = (part[: self._chance.randint(0, len(part))] for part in some)
        await self._inner.delete(run_id, keys=some_keys, names=some_names)
        raise CutOffError


@pytest.mark.parametrize("name", CASES)
async def test_a_purge_that_was_cut_off_is_finished_by_another(name: str) -> None:
    case, cut = CASES[name], 0
    for at in itertools.count(1):
        flow = case.build()
        options: dict[str, Any] = {"store_limits": SMALL_STORE} if case.big else {}
        async with place(flow, **options) as here:
            async with here.working(queues=case.queues):
                await here.client.start(flow, run_id="run")
                for key, output in case.answers.items():
                    await here.client.resume("run", key, output=output, early=True)
                await here.clock.sleep(30)
                for key, output in case.resumes.items():
                    await here.client.resume("run", key, output=output)
                await here.client.wait("run", timeout=600)
            async with here.backend.connect() as cutting:
                cutting.context = CutOff(cutting.context, at, random.Random(at))
                client = Client(cutting, flows=[flow], clock=here.clock)
                try:
                    await client.purge("run")
                except CutOffError:
                    cut += 1
                    await here.client.purge("run")
            assert left_of(here.backend, "run") == set(), at
        if cut < at:
            break
    assert cut >= 2


@pytest.mark.parametrize("what", ["record", "blueprint", "lost blueprint", "outcome"])
async def test_a_run_under_way_of_which_something_cannot_be_read_can_be_purged(what: str) -> None:
    flow = chain()
    async with place(flow) as here:
        await here.client.start(flow, run_id="run", delay=1000.0)
        first = flow.to_blueprint().nodes[0].id
        run_id, key = {"record": ("run", RECORD_KEY), "outcome": ("run", first)}.get(
            what, (BLUEPRINTS, flow.to_blueprint().content_hash())
        )
        with pytest.raises(ConfigurationError, match="cancel it before"):  # nothing is damaged yet
            await here.client.purge("run", damaged=True)
        await here.backend.context.delete(run_id, keys=[key], names=[])
        if what != "lost blueprint":
            await here.backend.context.put(run_id, key, Fact(b"w\x00{broken", "somebody"))
        client = Client(here.backend, clock=here.clock)  # it has read nothing yet
        with pytest.raises(ConfigurationError, match="cancel it before"):
            await client.purge("run")
        await client.purge("run", damaged=True)
        assert await here.backend.status.get("run") is None
        assert left_of(here.backend, "run") <= {key}
        async with here.working():  # what is due of it comes to nothing
            await here.clock.sleep(2000)
        assert await here.backend.status.get("run") is None
