"""What can be wrong with a queue, tables and credentials on AWS, and what to do about it."""

from __future__ import annotations

from flowcraft_core.diagnosis import Symptom

_PROVISION = "flowcraft_aws.provision() and the templates in deploy/aws"

CREDENTIALS = Symptom(
    code="AWS-CREDENTIALS",
    part="credentials",
    severity="error",
    problem="{service} does not take the credentials: {why}",
    remedy="give boto3 valid ones (AWS_PROFILE, AWS_ACCESS_KEY_ID, a role) and let it renew what expires",
)
UNREACHABLE = Symptom(
    code="AWS-UNREACHABLE",
    part="network",
    severity="error",
    problem="{service} does not answer at {endpoint}: {why}",
    remedy="see whether this machine reaches it (proxy, security group, VPC endpoint), and whether the client's region "
    "or endpoint_url is the right one",
)
REGION = Symptom(
    code="AWS-REGION",
    part="queue",
    severity="error",
    problem="SQS queue {url!r} is in {region}, and the client of SQS asks in {asked}",
    remedy="set AWS_DEFAULT_REGION={region}, or give clients of that region",
)
PERMISSION = Symptom(
    code="AWS-PERMISSION",
    part="permissions",
    severity="error",
    problem="the credentials are not allowed {actions}",
    remedy="attach the policy in deploy/aws/policy.json, with your account, region and names in it, to whom they are "
    "of",
)
UNSEEN = Symptom(
    code="AWS-UNSEEN",
    part="permissions",
    severity="warning",
    problem="the credentials are not allowed {actions}, so that this was not looked at",
    remedy="runs do without it; the policy in deploy/aws/policy.json allows it, or ask with the rights of who creates "
    "tables",
)
QUEUE_MISSING = Symptom(
    code="AWS-QUEUE-MISSING",
    part="queue",
    severity="error",
    problem="there is no SQS queue {url!r} in {region}",
    remedy=f"create it, as {_PROVISION} do, or mend queue_url, which is of one account and region",
)
QUEUE_VISIBILITY = Symptom(
    code="AWS-QUEUE-VISIBILITY",
    part="queue",
    severity="warning",
    problem="SQS queue {url!r} hides a received message for {seconds} s (VisibilityTimeout)",
    remedy="set VisibilityTimeout to {wanted}: where Lambda receives, it is to be six times the function's timeout, or "
    "messages come again while they are worked on. Workers say themselves how long they hold one",
)
QUEUE_RETENTION = Symptom(
    code="AWS-QUEUE-RETENTION",
    part="queue",
    severity="warning",
    problem="SQS queue {url!r} keeps messages for {days:.3g} days only (MessageRetentionPeriod)",
    remedy="set MessageRetentionPeriod to {wanted}: after an outage of workers that is longer, every run waits until a "
    "reconciler has found it",
)
QUEUE_MESSAGE_SIZE = Symptom(
    code="AWS-QUEUE-MESSAGE-SIZE",
    part="queue",
    severity="warning",
    problem="SQS queue {url!r} takes messages of {most} bytes at most (MaximumMessageSize)",
    remedy="set MaximumMessageSize to {wanted} or more: what is longer is refused",
)
QUEUE_REDRIVE = Symptom(
    code="AWS-QUEUE-REDRIVE",
    part="queue",
    severity="error",
    problem="SQS queue {url!r} sets a message aside after {receives} receives (maxReceiveCount of its RedrivePolicy)",
    remedy="set maxReceiveCount to {wanted}: draining workers count too, and a message that SQS has taken leaves its "
    "run "
    "standing, where the engine would fail it by name",
)
TABLES_SHARED = Symptom(
    code="AWS-TABLES-SHARED",
    part="tables",
    severity="error",
    problem="the tables of contexts, statuses and hints are {names}, and so one of them has two roles",
    remedy="give each a table of its own, as items of a run have the same name in two of them",
)
TABLE_MISSING = Symptom(
    code="AWS-TABLE-MISSING",
    part="tables",
    severity="error",
    problem="there is no DynamoDB table {names} in {region}",
    remedy=f"create it, as {_PROVISION} do, or mend its name or the client's region",
)
TABLE_KEY = Symptom(
    code="AWS-TABLE-KEY",
    part="tables",
    severity="error",
    problem="DynamoDB table {name!r} has the key {key}, and not {wanted!r} alone, of type string",
    remedy="use another table: a key cannot be changed",
)
TABLE_NOT_ACTIVE = Symptom(
    code="AWS-TABLE-NOT-ACTIVE",
    part="tables",
    severity="error",
    problem="DynamoDB table {name!r} is {state}",
    remedy="wait until it is ACTIVE, if it is being created; else see in the console what has become of it",
)
INDEX_MISSING = Symptom(
    code="AWS-INDEX-MISSING",
    part="tables",
    severity="warning",
    problem="DynamoDB table {name!r} has no index {index!r}",
    remedy=f"create it, as {_PROVISION} do: without it every look of a reconciler reads the whole table, and pays "
    "for it",
)
INDEX_WRONG = Symptom(
    code="AWS-INDEX-WRONG",
    part="tables",
    severity="error",
    problem="index {index!r} of DynamoDB table {name!r} has {what}",
    remedy=f"delete the index and create it anew, as {_PROVISION} do: as it is, reconcilers do not find the runs that "
    "are due",
)
INDEX_NOT_ACTIVE = Symptom(
    code="AWS-INDEX-NOT-ACTIVE",
    part="tables",
    severity="warning",
    problem="index {index!r} of DynamoDB table {name!r} is {state}",
    remedy="wait until it is ACTIVE: until then reconcilers read the whole table",
)
EXPIRY_OFF = Symptom(
    code="AWS-EXPIRY-OFF",
    part="tables",
    severity="warning",
    problem="DynamoDB table {name!r} {what}",
    remedy="let it expire by {wanted!r} (TimeToLiveSpecification): else what was a hint is never removed, and the "
    "table "
    "grows for ever",
)
EXPIRY_OF_RUNS = Symptom(
    code="AWS-EXPIRY-OF-RUNS",
    part="tables",
    severity="error",
    problem="DynamoDB table {name!r} expires by {attribute!r}, which is when a live run is due for a look",
    remedy="turn that off at once (TimeToLiveSpecification): runs vanish from the lists, and from reconcilers, while "
    "they "
    "are under way",
)
BUCKET_MISSING = Symptom(
    code="AWS-BUCKET-MISSING",
    part="bucket",
    severity="error",
    problem="there is no S3 bucket {name!r}",
    remedy="create the bucket, or mend its name",
)
UNUSABLE = Symptom(
    code="AWS-UNUSABLE",
    part="services",
    severity="error",
    problem="{place} cannot be used: {why}",
    remedy="do what the message says",
)

#: All of them.
SYMPTOMS = (
    CREDENTIALS,
    UNREACHABLE,
    REGION,
    PERMISSION,
    UNSEEN,
    QUEUE_MISSING,
    QUEUE_VISIBILITY,
    QUEUE_RETENTION,
    QUEUE_MESSAGE_SIZE,
    QUEUE_REDRIVE,
    TABLES_SHARED,
    TABLE_MISSING,
    TABLE_KEY,
    TABLE_NOT_ACTIVE,
    INDEX_MISSING,
    INDEX_WRONG,
    INDEX_NOT_ACTIVE,
    EXPIRY_OFF,
    EXPIRY_OF_RUNS,
    BUCKET_MISSING,
    UNUSABLE,
)
