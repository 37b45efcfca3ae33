"""Flowcraft: describe a graph of steps, write the steps as plain Python functions, and run it anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .analysis import BlueprintAnalysis, analyze_blueprint, check_for_cycles
    from .blueprint import Blueprint, Edge, Node, NodeConfig
    from .builder import FlowBuilder, create_flow
    from .clock import Clock, SystemClock
    from .contexts import NodeContext, SyncNodeContext
    from .decorated import Batch, ContextValue, ErrorData, FailedItem, Flow, Loop, Wait, first_of, some_of
    from .definition import FlowDefinition
    from .dependencies import Dependencies, PerAttempt, Provided
    from .errors import (
        BlueprintError,
        ConfigurationError,
        ExpressionError,
        FlowcraftError,
        ImplementationMissingError,
        LostActionError,
        NonRetryableError,
        ResumeError,
        RunCancelledError,
        SerializationError,
        StepEndedError,
        StepError,
        StepTimeoutError,
    )
    from .events import Event, EventSink
    from .graph.facts import NodeError
    from .graph.gathered import Gathered
    from .limits import Limit
    from .middleware import Call, Middleware, Proceed
    from .retries import RetryAfter, RetryPolicy
    from .runtime import (
        FlowRuntime,
        NoOutputError,
        RunFailedError,
        RunHandle,
        RunResult,
        Status,
        TraceEntry,
    )
    from .runtime.stepping import Stepped, Stepping
    from .serialization import Serializer
    from .steps import BaseNode, NodeResult, Step

__all__ = [
    "BaseNode",
    "Batch",
    "Blueprint",
    "BlueprintAnalysis",
    "BlueprintError",
    "Call",
    "Clock",
    "ConfigurationError",
    "ContextValue",
    "Dependencies",
    "Edge",
    "ErrorData",
    "Event",
    "EventSink",
    "ExpressionError",
    "FailedItem",
    "Flow",
    "FlowBuilder",
    "FlowDefinition",
    "FlowRuntime",
    "FlowcraftError",
    "Gathered",
    "ImplementationMissingError",
    "Limit",
    "Loop",
    "LostActionError",
    "Middleware",
    "NoOutputError",
    "Node",
    "NodeConfig",
    "NodeContext",
    "NodeError",
    "NodeResult",
    "NonRetryableError",
    "PerAttempt",
    "Proceed",
    "Provided",
    "ResumeError",
    "RetryAfter",
    "RetryPolicy",
    "RunCancelledError",
    "RunFailedError",
    "RunHandle",
    "RunResult",
    "SerializationError",
    "Serializer",
    "Status",
    "Step",
    "StepEndedError",
    "StepError",
    "StepTimeoutError",
    "Stepped",
    "Stepping",
    "SyncNodeContext",
    "SystemClock",
    "TraceEntry",
    "Wait",
    "analyze_blueprint",
    "check_for_cycles",
    "create_flow",
    "first_of",
    "some_of",
]

# What a program does not use, it does not import: each name is fetched from its module when it is asked for. Checkers
# read the imports above instead, and know nothing of what follows.
if not TYPE_CHECKING:
    from .on_demand import on_demand

    _MODULES = {
        "analysis": "BlueprintAnalysis analyze_blueprint check_for_cycles",
        "blueprint": "Blueprint Edge Node NodeConfig",
        "builder": "FlowBuilder create_flow",
        "clock": "Clock SystemClock",
        "contexts": "NodeContext SyncNodeContext",
        "decorated": "Batch ContextValue ErrorData FailedItem Flow Loop Wait first_of some_of",
        "definition": "FlowDefinition",
        "dependencies": "Dependencies PerAttempt Provided",
        "errors": (
            "BlueprintError ConfigurationError ExpressionError FlowcraftError ImplementationMissingError "
            "LostActionError NonRetryableError ResumeError RunCancelledError SerializationError StepEndedError "
            "StepError StepTimeoutError"
        ),
        "events": "Event EventSink",
        "graph.facts": "NodeError",
        "graph.gathered": "Gathered",
        "limits": "Limit",
        "middleware": "Call Middleware Proceed",
        "retries": "RetryAfter RetryPolicy",
        "runtime": "FlowRuntime NoOutputError RunFailedError RunHandle RunResult Status TraceEntry",
        "runtime.stepping": "Stepped Stepping",
        "serialization": "Serializer",
        "steps": "BaseNode NodeResult Step",
    }
    __getattr__, __dir__, _MODULE_OF = on_demand(__name__, _MODULES)
