"""Where orders are worked on, for all programs alike: the file, the services, the links. The environment says it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Self

import attrs
from flowcraft_core import FlowRuntime
from flowcraft_core.webhooks import WebhookSigner
from flowcraft_sqlite import SqliteBackend
from nightly import nightly
from order_flow import PRINTER, order
from services import Services


@attrs.frozen
class Place:
    """Where orders are worked on.

    Attributes:
        database: The SQLite file.
        services: The URL of the other services.
        links: The URL at which answers are taken.
        key: Signs the links: 32 random bytes, in hexadecimal.
    """

    database: str
    services: str
    links: str
    key: str = attrs.field(repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The place that ``ORDERS_DATABASE`` and so on say."""
        return cls(**{field.name: environment[f"ORDERS_{field.name.upper()}"] for field in attrs.fields(cls)})

    def as_environment(self) -> dict[str, str]:
        """The variables that say it."""
        return {f"ORDERS_{name.upper()}": value for name, value in attrs.asdict(self).items()}

    def backend(self) -> SqliteBackend:
        """The backend, not open yet."""
        return SqliteBackend(self.database)

    def signer(self) -> WebhookSigner:
        """What signs the links, and reads them."""
        return WebhookSigner(url=self.links, keys={"orders": bytes.fromhex(self.key)})

    def runtime(self) -> FlowRuntime:
        """The flows, with all that their steps need."""
        return FlowRuntime(
            [order(), nightly],
            dependencies=Services(self.services),
            limits=[PRINTER],
            webhooks=self.signer(),
        )
