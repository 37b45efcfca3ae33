"""``python integration azure``: the tests and scenarios on Azurite, a Cosmos DB server and Redis."""

from __future__ import annotations

from collections.abc import Sequence

from integrating import integrate
from known_gaps import ABSENT
from on_azure import OnAzure, end_emulators


def main(arguments: Sequence[str]) -> int:
    """Run what the command line asks for; the exit code is 0 if all of it holds."""
    try:
        return integrate("azure", arguments, OnAzure, absent=ABSENT)
    finally:
        end_emulators()
