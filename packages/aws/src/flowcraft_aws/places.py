"""What the parts of the backend are called: by default, and as a URL says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import attrs
from flowcraft_core.errors import ConfigurationError
from flowcraft_core.queues import require_queue

QUEUE = "flowcraft-jobs"
CONTEXT_TABLE = "flowcraft-contexts"
STATUS_TABLE = "flowcraft-statuses"
COORDINATION_TABLE = "flowcraft-coordination"

_NAME = "flowcraft"


@attrs.frozen
class AwsPlace:
    """What ``aws://REGION/NAME`` names: a queue ``NAME-jobs`` and tables ``NAME-contexts``, ``NAME-statuses`` and
    ``NAME-coordination``. Without a region it is boto3's own, without a name it is ``flowcraft``.

    Each has an option of its own, for other names: ``?queue=`` (a name, or a queue's URL), ``contexts=``,
    ``statuses=``, ``coordination=``. ``queues=gpu,urgent`` names further queues, which are called as the queue is with
    ``_gpu`` and ``_urgent`` behind that. ``bucket=`` is the S3 bucket for long values. Credentials and addresses of
    services are where boto3 looks for them: its files, roles, and ``AWS_...`` in the environment.

    Attributes:
        region: The region; None for boto3's own.
        queue: The queue's name, or its URL.
        tables: The names of the three tables, as arguments of ``AwsBackend`` and ``provision``.
        bucket: The bucket for long values.
        queues: Further queues by name, as ``queue`` is.
    """  # noqa: D205 - the form of the URL is the summary

    region: str | None
    queue: str
    tables: Mapping[str, Any]
    bucket: str | None = None
    queues: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def of(cls, url: str) -> Self:
        """Read a URL.

        Raises:
            ConfigurationError: It cannot be read, or says something else.
        """
        from flowcraft_core.urls import BackendUrl  # noqa: PLC0415 # for those who name a backend by a URL

        parts = BackendUrl.parse(url, ("bucket", "contexts", "coordination", "queue", "queues", "statuses"))
        name = parts.path.strip("/") or _NAME
        if "/" in name:
            raise ConfigurationError(f"{parts}: write aws://REGION/NAME, with one name")
        tables = {
            "context_table_name": parts.options.get("contexts", f"{name}-contexts"),
            "status_table_name": parts.options.get("statuses", f"{name}-statuses"),
            "coordination_table_name": parts.options.get("coordination", f"{name}-coordination"),
        }
        queue = parts.options.get("queue", f"{name}-jobs")
        named = [each for each in parts.options.get("queues", "").split(",") if each]
        queues = {require_queue(f"{parts}: queues=", each): named_queue(queue, each) for each in named}
        return cls(parts.host or None, queue, tables, parts.options.get("bucket"), queues)


def named_queue(queue: str, name: str) -> str:
    """What a further queue is called, where nobody says otherwise.

    Args:
        queue: The name, or URL, of the queue that there is anyway.
        name: The name that flows and workers call it by.
    """
    return f"{queue}_{name}"
