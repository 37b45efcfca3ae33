"""The contracts of the four ports as pytest classes: subclass one, give it one fixture, and it holds you to them.

They need pytest, which ``flowcraft-testkit[pytest]`` brings; the rest of the testkit does not.
"""

from collections.abc import Mapping
from typing import Any

try:
    import pytest
    import pytest_asyncio  # noqa: F401 - runs the clauses, which are coroutines
except ImportError as error:
    raise ImportError(
        "flowcraft_testkit.contracts needs pytest and pytest-asyncio: install flowcraft-testkit[pytest]"
    ) from error

# So that a clause that fails shows its values, as a test of one's own does. Must come before the modules are imported.
_CLAUSES = (
    *("contract", "context", "coordination", "facts", "finding", "queue", "sending", "status"),
    *("drawn.clauses", "drawn.context", "drawn.hints", "drawn.messages", "drawn.statuses"),
    *("addressing", "asking", "backend", "beginning", "data", "deliveries", "diagnosing", "dying", "ending", "forking"),
    *("joining", "limiting", "minding", "outside", "programs"),
    *("queueing", "reconciling", "shapes", "starting", "surrounding", "telling", "troubled", "waiting"),
)
pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _CLAUSES))

from .backend import BackendContract  # noqa: E402
from .clauses import Clause, Declared, excused  # noqa: E402
from .context import ContextStoreContract  # noqa: E402
from .contract import Contract, Opener, opened  # noqa: E402
from .coordination import CoordinationStoreContract  # noqa: E402
from .fast_clock import FastClock  # noqa: E402
from .program_rows import ProgramRows  # noqa: E402
from .queue import JobQueueContract  # noqa: E402
from .queueing import QUEUES  # noqa: E402
from .side_door import SideDoor  # noqa: E402
from .status import StatusStoreContract  # noqa: E402
from .trouble import BackendMaker, Trouble  # noqa: E402

#: The contracts by the names that stand in the ids of their clauses.
CONTRACTS: Mapping[str, type[Contract[Any]]] = {
    contract.contract: contract
    for contract in (
        JobQueueContract,
        ContextStoreContract,
        StatusStoreContract,
        CoordinationStoreContract,
        BackendContract,
    )
}

__all__ = [
    "CONTRACTS",
    "QUEUES",
    "BackendContract",
    "BackendMaker",
    "Clause",
    "ContextStoreContract",
    "Contract",
    "CoordinationStoreContract",
    "Declared",
    "FastClock",
    "JobQueueContract",
    "Opener",
    "ProgramRows",
    "SideDoor",
    "StatusStoreContract",
    "Trouble",
    "excused",
    "opened",
]
