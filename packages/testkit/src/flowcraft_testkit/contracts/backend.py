"""The contract of a whole backend: runs on it, with the real client, workers and reconciler."""

from __future__ import annotations

from .addressing import AddressClauses
from .answering import AnsweringClauses
from .asking import AskingClauses
from .beginning import BeginningClauses
from .catching import CatchingClauses
from .data import DataClauses
from .deferring import DeferringClauses
from .deliveries import DeliveryClauses
from .describing import DescribingClauses
from .diagnosing import DiagnosingClauses
from .dying import DyingClauses
from .ending import EndingClauses
from .forking import ForkingClauses
from .hugeness import HugenessClauses
from .joining import JoiningClauses
from .laning import LaningClauses
from .limiting import LimitingClauses
from .minding import MindingClauses
from .outside import OutsideClauses
from .paging import PagingClauses
from .queueing import QueueingClauses
from .quorum import QuorumClauses
from .reconciling import ReconcilingClauses
from .reducing import ReducingClauses
from .reminding import RemindingClauses
from .scheduling import SchedulingClauses
from .shapes import ShapeClauses
from .starting import StartingClauses
from .surrounding import SurroundingClauses
from .telling import TellingClauses
from .tracing import TracingClauses
from .undoing import UndoingClauses
from .undoing_calls import CallUndoingClauses
from .waiting import WaitingClauses


class BackendContract(
    AddressClauses,
    StartingClauses,
    BeginningClauses,
    ShapeClauses,
    QuorumClauses,
    CatchingClauses,
    UndoingClauses,
    CallUndoingClauses,
    LaningClauses,
    HugenessClauses,
    PagingClauses,
    ReducingClauses,
    WaitingClauses,
    AnsweringClauses,
    RemindingClauses,
    DeliveryClauses,
    DyingClauses,
    DeferringClauses,
    EndingClauses,
    ReconcilingClauses,
    SchedulingClauses,
    QueueingClauses,
    LimitingClauses,
    ForkingClauses,
    MindingClauses,
    DataClauses,
    SurroundingClauses,
    AskingClauses,
    OutsideClauses,
    TellingClauses,
    TracingClauses,
    DescribingClauses,
    DiagnosingClauses,
    JoiningClauses,
):
    """What a ``Backend`` promises. It does not need a store of its own, nor an empty queue, for each clause."""
