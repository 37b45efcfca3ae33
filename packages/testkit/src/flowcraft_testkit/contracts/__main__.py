"""``python -m flowcraft_testkit.contracts``: the clauses as a Markdown page."""

import sys

from . import (
    BackendContract,
    ContextStoreContract,
    CoordinationStoreContract,
    JobQueueContract,
    StatusStoreContract,
)
from .listing import listing

sys.stdout.write(
    listing([JobQueueContract, ContextStoreContract, StatusStoreContract, CoordinationStoreContract, BackendContract])
)
