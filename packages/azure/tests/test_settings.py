from collections.abc import Callable

import pytest
from azure.cosmos.aio import CosmosClient
from flowcraft_azure import AzureBackend, AzureSettings, CosmosCoordinationStore, RedisCoordinationStore
from flowcraft_azure.settings import _redis_url
from flowcraft_core import ConfigurationError

STORAGE = "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=a2V5;EndpointSuffix=core.windows.net"
COSMOS = "AccountEndpoint=https://a.documents.azure.com:443/;AccountKey=a2V5"
ENVIRONMENT = {"AZURE_STORAGE_CONNECTION_STRING": STORAGE, "COSMOS_DB_CONNECTION_STRING": COSMOS}


def test_names_have_the_defaults_of_the_set_up_and_can_be_chosen() -> None:
    settings = AzureSettings.from_environment(ENVIRONMENT)
    assert (settings.queue_name, settings.cosmos_database_name) == ("flowcraft-jobs", "flowcraft-db")
    assert (settings.context_container_name, settings.status_container_name) == ("contexts", "statuses")
    chosen = AzureSettings.from_environment({**ENVIRONMENT, "FLOWCRAFT_QUEUE": "q", "FLOWCRAFT_DATABASE": ""})
    assert (chosen.queue_name, chosen.cosmos_database_name) == ("q", "flowcraft-db")
    assert chosen.queue_client().queue_name == "q"


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_service_that_is_not_named_is_named_in_the_error(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"set {name} or "):
        AzureSettings.from_environment({key: value for key, value in ENVIRONMENT.items() if key != name})


def test_secrets_are_not_shown() -> None:
    assert "a2V5" not in repr(AzureSettings.from_environment({**ENVIRONMENT, "REDIS_CONNECTION_STRING": "a2V5"}))


def test_redis_is_optional() -> None:
    without = AzureBackend.from_environment(ENVIRONMENT)
    assert isinstance(without.coordination, CosmosCoordinationStore)
    redis = {**ENVIRONMENT, "REDIS_CONNECTION_STRING": "redis://127.0.0.1:1/0"}
    assert isinstance(AzureBackend.from_environment(redis).coordination, RedisCoordinationStore)
    with pytest.raises(ConfigurationError, match="REDIS_CONNECTION_STRING is not set"):
        _ = AzureSettings.from_environment(ENVIRONMENT).redis_client()


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("rediss://:k@h:10000/0", "rediss://:k@h:10000/0"),
        ("h.redis.cache.windows.net:6380,password=a+b/c=,ssl=True,abortConnect=False",
         "rediss://:a%2Bb%2Fc%3D@h.redis.cache.windows.net:6380/0"),
        ("localhost:6379", "redis://:@localhost:6379/0"),
    ],
)  # fmt: skip
def test_the_portals_form_of_a_redis_address_is_understood(given: str, url: str) -> None:
    assert _redis_url(given) == url


def test_tls_is_spoken_where_the_address_says_so() -> None:
    settings = AzureSettings.from_environment({**ENVIRONMENT, "REDIS_CONNECTION_STRING": "h:10000,password=k,ssl=True"})
    pool = settings.redis_client().connection_pool
    assert pool.connection_class.__name__ == "SSLConnection"
    assert pool.connection_kwargs["port"] == 10000
    assert pool.connection_kwargs["password"] == "k"


async def test_addresses_without_a_key_get_the_credential_that_was_given() -> None:
    class Credential:
        async def get_token(self, *scopes: str, **options: object) -> object:
            raise NotImplementedError

        async def close(self) -> None: ...

        async def __aexit__(self, *_: object) -> None: ...

    made: list[Credential] = []

    def credential() -> Credential:
        made.append(Credential())
        return made[-1]

    settings = AzureSettings(
        storage="https://a.queue.core.windows.net",
        cosmos="https://a.documents.azure.com",
        credential=credential,  # type: ignore[arg-type]
    )
    assert settings.queue_client().credential is made[0]
    assert isinstance(settings.cosmos_client(), CosmosClient)
    assert len(made) == 2


@pytest.mark.parametrize("given", ["secret", "AccountName=a;AccountKey", "foo://secret", "h:secret,password=k"])
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("AZURE_STORAGE_CONNECTION_STRING", AzureSettings.queue_client),
        ("COSMOS_DB_CONNECTION_STRING", AzureSettings.cosmos_client),
    ],
)
def test_what_cannot_be_read_is_named_and_not_shown(
    name: str, make: Callable[[AzureSettings], object], given: str
) -> None:
    settings = AzureSettings.from_environment({**ENVIRONMENT, name: given})
    with pytest.raises(ConfigurationError, match=f"{name} cannot be read") as caught:
        make(settings)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("given", ["foo://h:1/0", "redis://:half/secret@h:1/0", "h:secret,password=k"])
def test_an_address_of_redis_that_cannot_be_read_is_named_and_not_shown(given: str) -> None:
    settings = AzureSettings(storage=STORAGE, cosmos=COSMOS, redis=given)
    with pytest.raises(ConfigurationError, match="REDIS_CONNECTION_STRING cannot be read") as caught:
        _ = settings.redis_client()
    assert "secret" not in str(caught.value)
