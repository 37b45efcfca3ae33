"""The contracts of the four ports and of the backend, on SQS of LocalStack and DynamoDB of moto.

Also the queue on moto, which enforces the 12-hour cap on visibility; the statuses with the index; and the stores on
dynalite, for a second opinion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import attrs
import pytest
from aws_emulators import Place, add_index, client, environment_of, proxied
from aws_side_door import AwsSideDoor
from boto3.dynamodb.types import TypeSerializer
from flowcraft_aws import AwsBackend
from flowcraft_core import Clock
from flowcraft_core.ports import Backend, QueueLimits, StoreLimits
from flowcraft_testkit.contracts import (
    BackendContract,
    BackendMaker,
    ContextStoreContract,
    CoordinationStoreContract,
    Declared,
    FastClock,
    JobQueueContract,
    Opener,
    SideDoor,
    StatusStoreContract,
    Trouble,
    excused,
)
from on_aws import hastened
from on_emulators import RATE
from troubles import ProxyTrouble

DECLARED = Declared(
    queue_limits=QueueLimits(
        max_send=10, max_receive=10, max_body_bytes=262_144, max_delay=900.0, max_visibility=43_200.0
    ),
    store_limits=StoreLimits(max_value_bytes=389_120, max_keys_read=100, staleness=0.0),
    index_lag=1.0,
    skips_time=False,
    side_door=True,
    hand_written=True,
    cuts=True,
    outages=True,
    refusals=True,
    processes=True,
    other_store=True,
    by_url=True,
    depth="each",
    newest_first=False,
    diagnosis=True,
    transactions=False,
    named_queues=True,
    notices_death=False,
    starts=False,
)


class OnAws:
    """An opener of backends on a place of the test's own."""

    declared: ClassVar[Declared] = DECLARED

    _behind_proxies: Place | None = None

    def _opener(self, place: Place) -> Opener:
        def open_one() -> AwsBackend:
            return (self._behind_proxies or place).backend()

        return open_one

    @pytest.fixture
    def open_backend(self, place: Place) -> Opener:
        """See ``Contract``."""
        return self._opener(place)

    @pytest.fixture
    def side_door(self, place: Place) -> SideDoor:
        """See ``Contract``."""
        return AwsSideDoor(place)

    @pytest.fixture
    def trouble(self, place: Place) -> Iterator[Trouble]:
        """See ``Contract``; whatever is opened from now on goes through proxies."""
        with proxied(place) as (there, proxies):
            self._behind_proxies = there
            yield ProxyTrouble(proxies)

    @pytest.fixture
    def make_in_process(self, place: Place) -> BackendMaker:
        """See ``Contract``."""
        return place.backend

    @pytest.fixture
    def url(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> str:
        """See ``Contract``; the emulators' addresses are where boto3 looks for them."""
        for name, value in environment_of(sqs=place.sqs_url, dynamodb=place.dynamodb_url).items():
            monkeypatch.setenv(name, value)
        return place.url

    @pytest.fixture
    def open_other(self, place: Place) -> Opener:
        """See ``Contract``."""
        return Place.create(sqs=place.sqs_url, dynamodb=place.dynamodb_url).backend


class TestSqsJobQueue(OnAws, JobQueueContract):
    """The queue."""


class TestDynamoDbContextStore(OnAws, ContextStoreContract):
    """The facts and context values."""


class TestDynamoDbStatusStore(OnAws, StatusStoreContract):
    """The statuses, found by scans."""


class TestDynamoDbCoordinationStore(OnAws, CoordinationStoreContract):
    """The counters, leases and sets."""


class TestAwsBackend(OnAws, BackendContract):
    """All of it, on a clock that is faster than the queue's."""

    declared: ClassVar[Declared] = attrs.evolve(DECLARED, skips_time=True)
    beat: ClassVar[float] = 10.0

    @pytest.fixture
    def clock(self) -> Clock:
        """See ``Contract``."""
        return FastClock(RATE)

    @pytest.fixture
    def open_backend(self, place: Place, clock: FastClock) -> Opener:
        """See ``Contract``."""
        return lambda: hastened(self._behind_proxies or place, clock)

    async def write_by_hand(self, backend: Backend, run_id: str, blueprint_id: str, values: Mapping[str, Any]) -> None:
        """See ``BackendContract``."""
        place = self._place
        dynamodb = client("dynamodb", place.dynamodb_url)
        context = TypeSerializer().serialize(dict(values))
        dynamodb.put_item(TableName=place.contexts, Item={"runId": {"S": run_id}, "context": context})
        status = {
            "runId": {"S": run_id},
            "status": {"S": "running"},
            "lastUpdated": {"S": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")},
        }
        dynamodb.put_item(TableName=place.statuses, Item=status)

    @pytest.fixture
    def place(self, localstack: str, moto: str) -> Place:
        """See ``Contract``; the doctor has nothing to say of it."""
        return Place.provisioned(sqs=localstack, dynamodb=moto)

    @pytest.fixture(autouse=True)
    def _remember(self, place: Place) -> None:
        self._place = place


class TestDynamoDbStatusStoreWithIndex(OnAws, StatusStoreContract):
    """The statuses, found by the index."""

    @pytest.fixture
    def open_backend(self, place: Place) -> Opener:
        """See ``Contract``."""
        add_index(place)
        return self._opener(place)


class OnMoto(OnAws):
    """An opener of backends whose queue is moto's."""

    declared: ClassVar[Declared] = attrs.evolve(DECLARED, side_door=False)

    @pytest.fixture
    def place(self, moto: str) -> Place:
        """See ``Contract``."""
        return Place.create(sqs=moto, dynamodb=moto)


class TestSqsJobQueueOnMoto(OnMoto, JobQueueContract):
    """The queue, on moto."""


class OnDynalite(OnAws):
    """An opener of backends whose tables are dynalite's."""

    @pytest.fixture
    def place(self, localstack: str, dynalite: str) -> Place:
        """See ``Contract``."""
        return Place.create(sqs=localstack, dynamodb=dynalite)


class TestDynamoDbContextStoreOnDynalite(OnDynalite, ContextStoreContract):
    """The facts and context values, on dynalite."""

    test_positions_are_compared_by_code_point = excused(  # type: ignore[assignment]
        ContextStoreContract.test_positions_are_compared_by_code_point,
        reason="dynalite compares text as JavaScript does, by 16-bit units; DynamoDB by the bytes of its UTF-8",
    )


class TestDynamoDbStatusStoreOnDynalite(OnDynalite, StatusStoreContract):
    """The statuses, on dynalite."""


class TestDynamoDbCoordinationStoreOnDynalite(OnDynalite, CoordinationStoreContract):
    """The counters, leases and sets, on dynalite."""
