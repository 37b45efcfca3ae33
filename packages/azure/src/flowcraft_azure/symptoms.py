"""What can be wrong with a queue, containers, Redis and credentials on Azure, and what to do about it."""

from __future__ import annotations

from flowcraft_core.diagnosis import Symptom

_PROVISION = "flowcraft_azure.provision() and the templates in deploy/azure"

SETTINGS = Symptom(
    code="AZURE-SETTINGS",
    part="settings",
    severity="error",
    problem="{service} cannot be asked: {why}",
    remedy="mend the setting that is named, or the function that makes the client",
)
CREDENTIALS = Symptom(
    code="AZURE-CREDENTIALS",
    part="credentials",
    severity="error",
    problem="{service} does not take the key or token: {why}",
    remedy="give the connection string whole, as the portal shows it, or give the program an identity (az login, a "
    "managed identity)",
)
UNREACHABLE = Symptom(
    code="AZURE-UNREACHABLE",
    part="network",
    severity="error",
    problem="{service} does not answer: {why}",
    remedy="see whether the address is right, and whether this machine reaches it (firewall of the account, private "
    "endpoint, proxy)",
)
PERMISSION = Symptom(
    code="AZURE-PERMISSION",
    part="permissions",
    severity="error",
    problem="the key or identity is not allowed {actions}",
    remedy="give the identity the roles that deploy/azure gives: Storage Queue Data Contributor on the queue, Cosmos "
    "DB Built-in Data Contributor on the database; in Redis all commands on the keys with the prefix, scripts too",
)
QUEUE_MISSING = Symptom(
    code="AZURE-QUEUE-MISSING",
    part="queue",
    severity="error",
    problem="there is no storage queue {name!r}",
    remedy=f"create it, as {_PROVISION} do, or mend its name or the storage account",
)
QUEUE_ENCODING = Symptom(
    code="AZURE-QUEUE-ENCODING",
    part="queue",
    severity="error",
    problem="the client of queue {name!r} encodes messages by {policy}, and so does flowcraft-azure",
    remedy="make the client without a message_encode_policy",
)
CONTAINERS_SHARED = Symptom(
    code="AZURE-CONTAINERS-SHARED",
    part="containers",
    severity="error",
    problem="the container {name!r} was given for both contexts and statuses",
    remedy="give each one of its own, as what is written by hand of a run has the run's id in both",
)
DATABASE_MISSING = Symptom(
    code="AZURE-DATABASE-MISSING",
    part="containers",
    severity="error",
    problem="there is no Cosmos DB database {name!r}",
    remedy=f"create it, as {_PROVISION} do, or mend its name or the account",
)
CONTAINER_MISSING = Symptom(
    code="AZURE-CONTAINER-MISSING",
    part="containers",
    severity="error",
    problem="there is no container {names} in the Cosmos DB database {database!r}",
    remedy=f"create it, as {_PROVISION} do, or mend its name",
)
CONTAINER_KEY = Symptom(
    code="AZURE-CONTAINER-KEY",
    part="containers",
    severity="error",
    problem="container {name!r} is partitioned by {paths}, and not by {wanted!r}",
    remedy="use another container: how one is partitioned cannot be changed",
)
EXPIRY_OFF = Symptom(
    code="AZURE-EXPIRY-OFF",
    part="containers",
    severity="warning",
    problem="documents of container {name!r} cannot expire (no default time to live)",
    remedy="set its default time to live to -1, on without a default: else what was a hint is never removed, and the "
    "container grows for ever",
)
EXPIRY_OF_RUNS = Symptom(
    code="AZURE-EXPIRY-OF-RUNS",
    part="containers",
    severity="error",
    problem="documents of container {name!r} expire {days:.3g} days after they were written (default time to live)",
    remedy="set its default time to live to -1, or to longer than any run, sleeps and waits included: a run that has "
    "lost its facts cannot go on",
)
INDEX_MISSING = Symptom(
    code="AZURE-INDEX-MISSING",
    part="containers",
    severity="warning",
    problem="container {name!r} does not index {paths}",
    remedy=f"give it the indexing policy that {_PROVISION} give: else each question reads every document, and pays for "
    "it",
)
INDEX_COSTLY = Symptom(
    code="AZURE-INDEX-COSTLY",
    part="containers",
    severity="warning",
    problem="container {name!r} indexes all that is in its documents",
    remedy=f"give it the indexing policy that {_PROVISION} give: nobody asks for what is in a fact, and indexing it "
    "makes every write dearer",
)
REDIS_EVICTION = Symptom(
    code="AZURE-REDIS-EVICTION",
    part="redis",
    severity="warning",
    problem="Redis refuses to write once its memory is full (maxmemory-policy {policy})",
    remedy="set maxmemory-policy to volatile-lru: all that is in it may be evicted, and while it refuses, runs stand "
    "still",
)
REDIS_READ_ONLY = Symptom(
    code="AZURE-REDIS-READ-ONLY",
    part="redis",
    severity="error",
    problem="Redis at {address} is a replica, which cannot be written to",
    remedy="give the address of the primary",
)
UNUSABLE = Symptom(
    code="AZURE-UNUSABLE",
    part="services",
    severity="error",
    problem="{service} cannot be used: {why}",
    remedy="do what the message says",
)

#: All of them.
SYMPTOMS = (
    SETTINGS,
    CREDENTIALS,
    UNREACHABLE,
    PERMISSION,
    QUEUE_MISSING,
    QUEUE_ENCODING,
    CONTAINERS_SHARED,
    DATABASE_MISSING,
    CONTAINER_MISSING,
    CONTAINER_KEY,
    EXPIRY_OFF,
    EXPIRY_OF_RUNS,
    INDEX_MISSING,
    INDEX_COSTLY,
    REDIS_EVICTION,
    REDIS_READ_ONLY,
    UNUSABLE,
)
