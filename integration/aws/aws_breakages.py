"""Queues, tables, credentials and ways to AWS that are broken on purpose, on emulators."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest import mock

import attrs
import aws_emulators
import boto3
from aws_emulators import CREDENTIALS, Place, client, proxied
from breakage import Breakages
from flowcraft_aws import S3PayloadStore, client_config
from flowcraft_aws.symptoms import SYMPTOMS
from flowcraft_core.diagnosis import CLOCK_SKEW
from flowcraft_core.ports import Backend
from proxy import OTHER_HOUR, HttpProxy
from servers import free_port

BREAKAGES = Breakages({symptom.code for symptom in (*SYMPTOMS, CLOCK_SKEW)})


@contextlib.asynccontextmanager
async def ground() -> AsyncIterator[tuple[str, str]]:
    """SQS of LocalStack and DynamoDB of moto, for all breakages."""
    with aws_emulators.localstack() as localstack, aws_emulators.moto() as moto:
        yield localstack.url, moto.url


@contextlib.asynccontextmanager
async def place(ground: tuple[str, str]) -> AsyncIterator[Place]:
    """A queue and tables of its own for each breakage, as ``provision`` makes them."""
    sqs, dynamodb = ground
    yield Place.provisioned(sqs=sqs, dynamodb=dynamodb)


@contextlib.asynccontextmanager
async def healthy(place: Place) -> AsyncIterator[Backend]:
    """A backend that nothing is wrong with."""
    yield place.backend()


# --- the queue --------------------------------------------------------------------------------------------------------


@BREAKAGES.found_as("AWS-QUEUE-MISSING", "jobs-")
async def the_queue_is_deleted(place: Place) -> AsyncIterator[Backend]:
    client("sqs", place.sqs_url).delete_queue(QueueUrl=place.queue_url)
    yield place.backend()


@BREAKAGES.found_as("AWS-QUEUE-MISSING", "no-such-queue")
async def there_is_no_queue_of_that_name(place: Place) -> AsyncIterator[Backend]:
    yield place.backend(queue_url="no-such-queue")


@BREAKAGES.found_as("AWS-REGION", "us-east-1", "eu-west-1")
async def the_client_asks_in_another_region(place: Place) -> AsyncIterator[Backend]:
    yield place.backend(sqs_client=_client("sqs", place.sqs_url, region_name="eu-west-1"))


@BREAKAGES.found_as("AWS-QUEUE-VISIBILITY", "jobs-", "VisibilityTimeout", "360")
async def the_queue_hides_messages_for_a_moment(place: Place) -> AsyncIterator[Backend]:
    _set(place, VisibilityTimeout="30")
    yield place.backend()


@BREAKAGES.found_as("AWS-QUEUE-RETENTION", "jobs-", "MessageRetentionPeriod", "1209600")
async def the_queue_forgets_after_an_hour(place: Place) -> AsyncIterator[Backend]:
    _set(place, MessageRetentionPeriod="3600")
    yield place.backend()


@BREAKAGES.found_as("AWS-QUEUE-MESSAGE-SIZE", "jobs-", "MaximumMessageSize")
async def the_queue_takes_short_messages_only(place: Place) -> AsyncIterator[Backend]:
    _set(place, MaximumMessageSize="2048")
    yield place.backend()


@BREAKAGES.found_as("AWS-QUEUE-REDRIVE", "jobs-", "maxReceiveCount")
async def the_queue_sets_messages_aside_early(place: Place) -> AsyncIterator[Backend]:
    sqs = client("sqs", place.sqs_url)
    answer = sqs.get_queue_attributes(QueueUrl=place.queue_url, AttributeNames=["RedrivePolicy"])
    policy = json.loads(answer["Attributes"]["RedrivePolicy"])
    _set(place, RedrivePolicy=json.dumps({**policy, "maxReceiveCount": 3}))
    yield place.backend()


# --- the tables -------------------------------------------------------------------------------------------------------


@BREAKAGES.found_as("AWS-TABLE-MISSING", "contexts-")
async def a_table_is_deleted(place: Place) -> AsyncIterator[Backend]:
    client("dynamodb", place.dynamodb_url).delete_table(TableName=place.contexts)
    yield place.backend()


@BREAKAGES.found_as("AWS-TABLE-MISSING", "contexts-", "statuses-", "coordination-", "us-east-1")
async def all_tables_are_deleted(place: Place) -> AsyncIterator[Backend]:
    """Nobody mends one after the other."""
    for name in (place.contexts, place.statuses, place.coordination):
        client("dynamodb", place.dynamodb_url).delete_table(TableName=name)
    yield place.backend()


@BREAKAGES.found_as("AWS-TABLES-SHARED", "contexts-")
async def one_table_is_given_twice(place: Place) -> AsyncIterator[Backend]:
    yield attrs.evolve(place, statuses=place.contexts).backend()


@BREAKAGES.found_as("AWS-TABLE-KEY", "statuses-", "'id'")
async def a_table_has_another_key(place: Place) -> AsyncIterator[Backend]:
    _make_again(place, place.statuses, [("id", "S", "HASH")])
    yield place.backend()


@BREAKAGES.found_as("AWS-TABLE-KEY", "contexts-", "'at'")
async def a_table_has_a_sort_key_too(place: Place) -> AsyncIterator[Backend]:
    _make_again(place, place.contexts, [("runId", "S", "HASH"), ("at", "N", "RANGE")])
    yield place.backend()


@BREAKAGES.found_as("AWS-INDEX-MISSING", "statuses-", "'due'")
async def the_index_is_deleted(place: Place) -> AsyncIterator[Backend]:
    client("dynamodb", place.dynamodb_url).update_table(
        TableName=place.statuses, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "due"}}]
    )
    yield place.backend()


@BREAKAGES.found_as("AWS-INDEX-WRONG", "statuses-", "KEYS_ONLY")
async def the_index_has_keys_only(place: Place) -> AsyncIterator[Backend]:
    keys = [("due_shard", "S", "HASH"), ("next_check", "N", "RANGE")]
    _make_again(place, place.statuses, [("runId", "S", "HASH")], index=keys, projection="KEYS_ONLY")
    yield place.backend()


@BREAKAGES.found_as("AWS-INDEX-WRONG", "statuses-", "'status'")
async def the_index_has_another_key(place: Place) -> AsyncIterator[Backend]:
    _make_again(place, place.statuses, [("runId", "S", "HASH")], index=[("status", "S", "HASH")])
    yield place.backend()


@BREAKAGES.found_as("AWS-EXPIRY-OFF", "coordination-", "'ttl'")
async def hints_do_not_expire(place: Place) -> AsyncIterator[Backend]:
    _make_again(place, place.coordination, [("key", "S", "HASH")])
    yield place.backend()


@BREAKAGES.found_as("AWS-EXPIRY-OFF", "coordination-", "'expires_on'", "'ttl'")
async def hints_expire_by_what_they_have_not(place: Place) -> AsyncIterator[Backend]:
    _make_again(place, place.coordination, [("key", "S", "HASH")])
    _expire(place, place.coordination, "expires_on")
    yield place.backend()


@BREAKAGES.found_as("AWS-EXPIRY-OF-RUNS", "statuses-", "'next_check'")
async def runs_expire_when_they_are_due(place: Place) -> AsyncIterator[Backend]:
    _expire(place, place.statuses, "next_check")
    yield place.backend()


# --- who asks, and on which way ---------------------------------------------------------------------------------------


@BREAKAGES.found_as("AWS-CREDENTIALS", "AWS_PROFILE")
async def there_are_no_credentials(place: Place) -> AsyncIterator[Backend]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    none = {
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with mock.patch.dict(os.environ, {**kept, **none}, clear=True):
        session = boto3.Session(region_name="us-east-1")
        sqs: Any = session.client("sqs", endpoint_url=place.sqs_url, config=client_config())
        dynamodb: Any = session.client("dynamodb", endpoint_url=place.dynamodb_url, config=client_config())
        yield place.backend(sqs_client=sqs, dynamodb_client=dynamodb)


@BREAKAGES.found_as("AWS-UNREACHABLE", "SQS", "http://127.0.0.1:")
async def nobody_answers_for_sqs(place: Place) -> AsyncIterator[Backend]:
    yield place.backend(sqs_client=_client("sqs", f"http://127.0.0.1:{free_port()}"))


@BREAKAGES.found_as("AWS-UNREACHABLE", "DynamoDB", "http://127.0.0.1:")
async def nobody_answers_for_dynamodb(place: Place) -> AsyncIterator[Backend]:
    yield place.backend(dynamodb_client=_client("dynamodb", f"http://127.0.0.1:{free_port()}"))


@BREAKAGES.found_as("AWS-PERMISSION", "dynamodb:PutItem", "contexts-", "statuses-", "coordination-")
async def records_may_not_be_written(place: Place) -> AsyncIterator[Backend]:
    with _behind_proxies(place) as (there, _, dynamodb), dynamodb.trouble(["forbidden"], only={"PutItem"}):
        yield there.backend()


@BREAKAGES.found_as("AWS-PERMISSION", "sqs:SendMessage", "jobs-")
async def messages_may_not_be_sent(place: Place) -> AsyncIterator[Backend]:
    with _behind_proxies(place) as (there, sqs, _), sqs.trouble(["forbidden"], only={"SendMessageBatch"}):
        yield there.backend()


@BREAKAGES.found_as("AWS-UNSEEN", "dynamodb:DescribeTimeToLive", "coordination-")
async def it_may_not_be_asked_how_hints_expire(place: Place) -> AsyncIterator[Backend]:
    with _behind_proxies(place) as (there, _, dynamodb), dynamodb.trouble(["forbidden"], only={"DescribeTimeToLive"}):
        yield there.backend()


@BREAKAGES.found_as("CLOCK-SKEW", "ahead of", "DynamoDB")
async def the_clocks_differ(place: Place) -> AsyncIterator[Backend]:
    with _behind_proxies(place) as (there, _, dynamodb), dynamodb.trouble([OTHER_HOUR]):
        yield there.backend()


@BREAKAGES.found_as("AWS-BUCKET-MISSING", "no-such-bucket")
async def the_bucket_is_not_there(place: Place) -> AsyncIterator[Backend]:
    yield place.backend(payloads=S3PayloadStore(client=client("s3", place.sqs_url), bucket="no-such-bucket"))


# --- what they have in common -----------------------------------------------------------------------------------------


def _client(service: Any, url: str, **options: Any) -> Any:
    return boto3.client(service, endpoint_url=url, config=client_config(), **{**CREDENTIALS, **options})


def _set(place: Place, **attributes: Any) -> None:
    client("sqs", place.sqs_url).set_queue_attributes(QueueUrl=place.queue_url, Attributes=attributes)


def _make_again(
    place: Place, name: str, key: list[tuple[str, str, str]], *, index: Any = (), projection: str = "ALL"
) -> None:
    """Make a table anew: of each attribute of a key the name, type and kind."""
    dynamodb = client("dynamodb", place.dynamodb_url)
    dynamodb.delete_table(TableName=name)

    def schema(parts: Any) -> list[dict[str, str]]:
        return [{"AttributeName": attribute, "KeyType": kind} for attribute, _, kind in parts]

    indexes: Any = (
        {
            "GlobalSecondaryIndexes": [
                {"IndexName": "due", "KeySchema": schema(index), "Projection": {"ProjectionType": projection}}
            ]
        }
        if index
        else {}
    )
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": type_} for each, type_, _ in (*key, *index)],
        KeySchema=schema(key),
        BillingMode="PAY_PER_REQUEST",
        **indexes,
    )


def _expire(place: Place, name: str, attribute: str) -> None:
    client("dynamodb", place.dynamodb_url).update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
    )


@contextlib.contextmanager
def _behind_proxies(place: Place) -> Iterator[tuple[Place, HttpProxy, HttpProxy]]:
    with proxied(place) as (there, (sqs, dynamodb)):
        yield there, sqs, dynamodb
