"""The order's ways, in this process and in virtual time, against the stub."""

import secrets
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from flowcraft_core import FlowRuntime, NonRetryableError, RetryAfter, RunResult
from flowcraft_core.webhooks import WebhookSigner
from flowcraft_testkit import VirtualClock
from order_flow import PRINTER, order
from services import Services
from stub_services import NOWHERE, StubServices


@attrs.frozen
class Shop:
    """The flow in this process, and the services."""

    stub: StubServices
    url: str
    clock: VirtualClock = attrs.field(factory=VirtualClock)

    def runtime(self) -> FlowRuntime:
        signer = WebhookSigner(url="http://localhost/hooks", keys={"test": secrets.token_bytes(32)})
        services = Services(self.url)
        return FlowRuntime([order()], dependencies=services, limits=[PRINTER], webhooks=signer, clock=self.clock)

    async def order(self, answer: str | None, *, address: str = "3 Mill Lane") -> RunResult:
        context = {"order": "1", "documents": ["a", "b", "c"], "price": 3, "address": address}
        run = self.runtime().start("order", context)
        if answer is not None:
            run.resume("approval", output={"by": "Ada"}, action=answer, early=True)
        return await run.result()

    def did(self) -> dict[str, int]:
        return {service: len(done) for service, done in self.stub.done.items() if done}


@pytest.fixture
def shop() -> Iterator[Shop]:
    stub = StubServices()
    with stub.served() as url:
        yield Shop(stub, url)


async def test_an_order_that_is_approved_is_printed_and_shipped(shop: Shop) -> None:
    result = await shop.order("approved")
    assert (result.status, result.outputs["ship"]) == ("completed", "shipments-1")
    assert shop.did() == {"reservations": 1, "mails": 1, "charges": 1, "documents": 3, "shipments": 1}


async def test_an_order_that_is_rejected_is_released(shop: Shop) -> None:
    result = await shop.order("rejected")
    assert (result.status, [error.message for error in result.errors]) == ("failed", ["refused by Ada"])
    assert shop.did() == {"reservations": 1, "mails": 1, "releases": 1}


async def test_an_order_that_nobody_answers_for_is_asked_about_again_after_one_and_three_days_and_expires_after_five(
    shop: Shop,
) -> None:
    began = shop.clock.now()
    result = await shop.order(None)
    assert (result.status, result.errors[0].message) == ("failed", "nobody has answered in time")
    assert shop.clock.now() - began == pytest.approx(5 * 86_400, abs=1)
    assert [mail["subject"].partition(":")[0] for mail in shop.stub.done["mails"]] == [
        "Shall we go on?",
        "Reminder 1",
        "Reminder 2",
    ]
    assert shop.did() == {"reservations": 1, "mails": 3, "releases": 1}


async def test_what_cannot_be_shipped_is_refunded_and_then_released(shop: Shop) -> None:
    result = await shop.order("approved", address=NOWHERE)
    assert (result.status, [undone.key for undone in result.undone]) == ("failed", ["charge", "reserve"])
    assert [error.message for error in result.errors] == ["shipments: there is no such address"]
    assert shop.did() == {
        "reservations": 1, "mails": 1, "charges": 1, "documents": 3, "refunds": 1, "releases": 1
    }  # fmt: skip
    assert Services(shop.url).total() == 0


def test_what_the_services_answer_is_said_in_the_words_of_steps() -> None:
    stub = StubServices(sheets=1, rest=3600, seconds=0)
    with stub.served() as url:
        services = Services(url)
        page: dict[str, Any] = {"order": "1", "document": "a"}
        assert services.post("documents", page, key="k1") == services.post("documents", page, key="k1")
        assert (len(stub.done["documents"]), stub.replayed["documents"]) == (1, 1)
        with pytest.raises(RetryAfter, match="documents: busy") as later:
            services.post("documents", page, key="k2")
        assert (later.value.counts, later.value.delay(0) > 3_500) == (False, True)
        with pytest.raises(NonRetryableError, match="shipments: there is no such address"):
            services.post("shipments", {"address": NOWHERE}, key="k3")
    with pytest.raises(OSError, match="refused"):
        services.post("documents", page, key="k4")
