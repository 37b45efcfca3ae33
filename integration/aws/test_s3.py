"""Long values in a bucket, on S3 of LocalStack."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest
from aws_emulators import Place, client
from flowcraft_aws import S3PayloadStore
from flowcraft_core import FlowRuntime, NodeContext, create_flow
from flowcraft_core.errors import BackendError, ConfigurationError
from flowcraft_core.ports import Fact, PositionedValue


@attrs.frozen
class Bucket:
    """One of the test's own."""

    s3: Any
    name: str

    def payloads(self, threshold: int) -> S3PayloadStore:
        """A store of long values in it."""
        return S3PayloadStore(client=self.s3, bucket=self.name, threshold=threshold)

    def objects(self) -> list[str]:
        """What is in it."""
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket=self.name).get("Contents", [])]


@pytest.fixture
def bucket(place: Place, localstack: str) -> Bucket:
    made = Bucket(client("s3", localstack), place.queue_url.rpartition("/")[2])
    made.s3.create_bucket(Bucket=made.name)
    return made


async def _long(ctx: NodeContext) -> str:
    await ctx.context.set("long", "y" * 300_000)
    return "".join(chr(33 + number * 7 % 90) for number in range(500_000))


async def _length(ctx: NodeContext) -> int:
    return len(ctx.input) + len(await ctx.context.get("long"))


async def test_long_values_go_to_the_bucket_and_leave_it_with_the_run(place: Place, bucket: Bucket) -> None:
    flow = create_flow("long").node("make", _long).node("measure", _length).edge("make", "measure")
    payloads = bucket.payloads(threshold=1_000)
    adapter = place.adapter(FlowRuntime([flow]), payloads=payloads, poll=1.0)
    async with adapter:
        serving = asyncio.ensure_future(adapter.serve())
        started = await adapter.client.start(flow)
        result = await adapter.client.wait(started.run_id, timeout=60)
        assert result.outputs["measure"] == 800_000
        assert len(bucket.objects()) >= 2
        items = client("dynamodb", place.dynamodb_url).scan(TableName=place.contexts)["Items"]
        assert max(len(item["body"]["B"]) for item in items if "body" in item) < 1_000
        assert sum("s3_object" in item for item in items) >= 2
        async with adapter.context(started.run_id) as context:
            assert await context.get("long") == "y" * 300_000
        await adapter.client.purge(started.run_id)
        adapter.stop()
        await serving
    # What is not a run's own, as a blueprint, stays.
    assert bucket.objects() == []


async def test_a_program_without_the_bucket_says_so(place: Place, bucket: Bucket) -> None:
    with_bucket = place.backend(payloads=bucket.payloads(threshold=1))
    async with with_bucket, place.backend() as without:
        await with_bucket.context.put("run", "a", Fact(b"long", "writer"))
        assert (await with_bucket.context.get("run", ["a"]))["a"].body == b"long"
        with pytest.raises(ConfigurationError, match="S3PayloadStore"):
            await without.context.get("run", ["a"])


async def test_what_was_not_stored_leaves_no_object_behind(place: Place, bucket: Bucket) -> None:
    async with place.backend(payloads=bucket.payloads(threshold=1)) as backend:
        facts = [Fact(b"mine", "me"), Fact(b"theirs", "they")]
        assert await backend.context.put("run", "a", facts[0]) is None
        (kept,) = bucket.objects()
        assert await backend.context.put("run", "a", facts[1]) == facts[0]  # too late
        assert await backend.context.put("run", "a", facts[0]) == facts[0]  # again, as its answer was lost
        assert bucket.objects() == [kept]
        for position in ("2", "1"):
            await backend.context.apply("run", {"name": PositionedValue(position, position.encode())})
        assert (await backend.context.values("run", ["name"]))["name"].body == b"2"
        assert len(bucket.objects()) == 2
        await backend.context.delete("run", keys=["a"], names=["name"])
        assert bucket.objects() == []


async def test_an_object_that_is_gone_is_told_with_what_may_have_removed_it(place: Place, bucket: Bucket) -> None:
    async with place.backend(payloads=bucket.payloads(threshold=1)) as backend:
        await backend.context.put("run", "a", Fact(b"long", "writer"))
        for name in bucket.objects():
            bucket.s3.delete_object(Bucket=bucket.name, Key=name)
        with pytest.raises(BackendError, match=f"S3 bucket '{bucket.name}'.*lifecycle"):
            await backend.context.get("run", ["a"])
