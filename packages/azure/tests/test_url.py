import pytest
from flowcraft_azure.settings import AzureSettings
from flowcraft_core import ConfigurationError

KEYS = {
    "AZURE_STORAGE_CONNECTION_STRING": "AccountName=a;AccountKey=hunter2",
    "COSMOS_DB_CONNECTION_STRING": "AccountEndpoint=https://a;AccountKey=hunter2",
    "FLOWCRAFT_QUEUE": "from-the-environment",
}


def test_what_the_url_leaves_out_comes_from_the_environment() -> None:
    settings = AzureSettings.from_url("azure:///shop?statuses=mine", KEYS)
    assert settings.storage == KEYS["AZURE_STORAGE_CONNECTION_STRING"]
    assert (settings.cosmos_database_name, settings.queue_name) == ("shop", "from-the-environment")
    assert (settings.context_container_name, settings.status_container_name) == ("contexts", "mine")


def test_an_account_in_the_url_is_opened_with_a_token() -> None:
    settings = AzureSettings.from_url("azure://shop/runs?cosmos=other&queue=jobs", KEYS)
    assert settings.storage == "https://shop.queue.core.windows.net"
    assert settings.cosmos == "https://other.documents.azure.com"
    assert (settings.cosmos_database_name, settings.queue_name) == ("runs", "jobs")
    assert "hunter2" not in repr(settings)
    assert AzureSettings.from_url("azure:///a?prefix=mine:", KEYS).redis_prefix == "mine:"


@pytest.mark.parametrize("url", ["azure://shop/a/b", "azure:///a?cosmos=b", "azure://a/b?key=hunter2", "azure:///a"])
def test_what_means_nothing_is_refused_without_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        AzureSettings.from_url(url, {} if url == "azure:///a" else KEYS)
    assert "hunter2" not in str(raised.value)


def test_further_queues_are_named_by_the_url_or_the_environment() -> None:
    settings = AzureSettings.from_url("azure:///shop?queue=jobs&queues=gpu,urgent", KEYS)
    assert [settings.named_queue(name) for name in settings.queues] == ["jobs-gpu", "jobs-urgent"]
    settings = AzureSettings.from_environment({**KEYS, "FLOWCRAFT_NAMED_QUEUES": "gpu"})
    assert list(settings.queue_clients) == ["gpu"]


@pytest.mark.parametrize("name", ["GPU", "a_b", "poison", "-a"])
def test_a_queue_that_storage_does_not_take_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"FLOWCRAFT_NAMED_QUEUES names '{name}'"):
        AzureSettings.from_environment({**KEYS, "FLOWCRAFT_NAMED_QUEUES": name})
