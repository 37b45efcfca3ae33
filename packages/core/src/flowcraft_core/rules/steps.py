"""The implementations of nodes, and who brings them."""

from .rule import Rule

MISSING_STEP = Rule(
    code="FC501",
    name="missing-step",
    meaning="A node uses a step that nobody brings.",
    remedy="Add it to the registry, or pass the flow that brings it.",
)
UNKNOWN_FALLBACK = Rule(
    code="FC502",
    name="unknown-fallback",
    meaning="A node's fallback is neither a node of the flow nor a step that somebody brings.",
    remedy="Correct its name, or add it to the registry.",
)
UNKNOWN_WORKER = Rule(
    code="FC503",
    name="unknown-worker",
    meaning="A batch's worker is a step that nobody brings.",
    remedy="Correct its name, or add it to the registry.",
)
STEP_BROUGHT_TWICE = Rule(
    code="FC504",
    name="step-brought-twice",
    meaning="Both a flow and the registry bring a step of one name.",
    remedy="Take it out of the registry, or name it there as the flow's node does.",
)
