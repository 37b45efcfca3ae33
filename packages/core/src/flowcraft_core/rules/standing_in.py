"""Fallbacks and undos: nodes that are no part of the graph."""

from .rule import Rule

FALLBACK_NO_STEP = Rule(
    code="FC301",
    name="fallback-no-step",
    meaning="A fallback is a construct, a wait or a sleep.",
    remedy="Name a plain step.",
)
FALLBACK_OF_NO_STEP = Rule(
    code="FC302",
    name="fallback-of-no-step",
    meaning="A construct, a wait or a sleep has a fallback.",
    remedy="Draw an edge on failure from it, or give the fallback to the steps inside.",
)
FALLBACK_OF_FALLBACK = Rule(
    code="FC303",
    name="fallback-of-fallback",
    meaning="A fallback has a fallback itself.",
    remedy="Handle its failure inside the step.",
)
FALLBACK_WITH_QUEUE = Rule(
    code="FC304",
    name="fallback-with-queue",
    meaning="A fallback names a queue, although it runs where the node does that it stands in for.",
    remedy="Give the queue to that node, or none.",
)
EDGE_TO_FALLBACK = Rule(
    code="FC305",
    name="edge-to-fallback",
    meaning="An edge leads to a fallback, which runs only in the place of another node.",
    remedy="Remove the edge, or the fallback setting.",
)
FALLBACK_NAME_TAKEN = Rule(
    code="FC306",
    name="fallback-name-taken",
    meaning="A node is called as the fallback of another node is.",
    remedy="Rename the node.",
)
UNDO_NO_STEP = Rule(
    code="FC311",
    name="undo-no-step",
    meaning="An undo is a construct, a wait or a sleep.",
    remedy="Name a plain step.",
)
UNDO_OF_NO_STEP = Rule(
    code="FC312",
    name="undo-of-no-step",
    meaning="What is no plain step has an undo.",
    remedy="Give the undo to the steps inside.",
)
UNDO_WITH_SETTINGS = Rule(
    code="FC313",
    name="undo-with-settings",
    meaning="An undo has a fallback or an undo itself.",
    remedy="Handle its failure inside the step.",
)
UNDO_OF_FALLBACK = Rule(
    code="FC314",
    name="undo-of-fallback",
    meaning="A fallback names an undo.",
    remedy="Name the undo at the node that it stands in for.",
)
EDGE_OF_UNDO = Rule(
    code="FC315",
    name="edge-of-undo",
    meaning="An edge leads to or from an undo, which is no part of the graph.",
    remedy="Remove the edge.",
)
