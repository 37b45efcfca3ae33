import pytest
from flowcraft_aws import AwsBackend
from flowcraft_aws.places import AwsPlace
from flowcraft_core import ConfigurationError
from flowcraft_core.errors import UnknownQueueError

TABLES = ("context_table_name", "status_table_name", "coordination_table_name")


@pytest.mark.parametrize("url", ["aws://", "aws:///", "aws:///flowcraft"])
def test_without_a_name_all_is_called_as_provision_calls_it(url: str) -> None:
    place = AwsPlace.of(url)
    assert (place.region, place.queue, place.bucket) == (None, "flowcraft-jobs", None)
    assert [place.tables[name] for name in TABLES] == [
        "flowcraft-contexts",
        "flowcraft-statuses",
        "flowcraft-coordination",
    ]


def test_a_url_names_the_region_and_what_all_names_begin_with() -> None:
    place = AwsPlace.of("aws://eu-west-1/shop?statuses=mine&bucket=long")
    assert (place.region, place.queue, place.bucket) == ("eu-west-1", "shop-jobs", "long")
    assert [place.tables[name] for name in TABLES] == ["shop-contexts", "mine", "shop-coordination"]


@pytest.mark.parametrize("url", ["aws://eu-west-1/a/b", "aws://eu-west-1/a?secret_key=hunter2"])
def test_what_means_nothing_is_refused_without_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        AwsPlace.of(url)
    assert "hunter2" not in str(raised.value)


async def test_a_backend_is_made_without_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hunter2")
    backend = AwsBackend.from_url("aws://eu-west-1/shop?bucket=long")
    assert backend.name == "aws eu-west-1 (tables shop-contexts, shop-statuses, shop-coordination)"
    await backend.close()


def test_a_url_names_further_queues() -> None:
    place = AwsPlace.of("aws://eu-west-1/shop?queues=gpu,urgent")
    assert place.queues == {"gpu": "shop-jobs_gpu", "urgent": "shop-jobs_urgent"}
    with pytest.raises(ConfigurationError, match=r"queues=.*a queue's name, not 'no name'"):
        AwsPlace.of("aws://eu-west-1/shop?queues=no%20name")


async def test_a_backend_knows_the_queues_that_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hunter2")
    backend = AwsBackend.from_url("aws://eu-west-1/shop?queues=gpu")
    assert await backend.queues.names() == ["gpu"]
    assert backend.queues.named("gpu").name == "shop-jobs_gpu"  # type: ignore[attr-defined]
    with pytest.raises(UnknownQueueError, match=r"no queue 'tpu'; there are: default, gpu. Further ones: AwsBackend"):
        backend.queues.named("tpu")
    await backend.close()
