"""Flows of decorated functions."""

from .rule import Rule

NODE_LIKE_VALUE = Rule(
    code="FC601",
    name="node-like-value",
    meaning="A node and a context value have one name.",
    remedy="Rename one of them.",
)
RETURNS_NOTHING = Rule(
    code="FC602",
    name="returns-nothing",
    meaning="A flow says which type it gives, and never which output.",
    remedy="Call `flow.returns(...)`.",
)
STEP_OF_ANOTHER_FLOW = Rule(
    code="FC603",
    name="step-of-another-flow",
    meaning="A step needs what another flow has: the output of a step, its input, or a context value.",
    remedy="Call that flow instead, or need what this one has.",
)
LOOP_WITHOUT_AGAIN = Rule(
    code="FC604",
    name="loop-without-again",
    meaning="A loop never says when it goes on.",
    remedy="Call its `again(...)`.",
)
NEEDED_FROM_INSIDE = Rule(
    code="FC605",
    name="needed-from-inside",
    meaning="A step after a loop needs what is inside of it.",
    remedy="Need the loop's output, or let the step that `again` names need it.",
)
LOOP_ENDS_OUTSIDE = Rule(
    code="FC606",
    name="loop-ends-outside",
    meaning="A loop ends with a step that does not need its value.",
    remedy="Need the loop's value in a pass.",
)
WAIT_FOR_EACH_OTHER = Rule(
    code="FC607",
    name="wait-for-each-other",
    meaning="Two steps wait for each other.",
    remedy="Let what a loop's steps need come before the loop.",
)
PARAMETER_WITHOUT_SOURCE = Rule(
    code="FC608",
    name="parameter-without-source",
    meaning="Nothing says where a parameter of a step comes from.",
    remedy="Give it a default, such as `fetch.output` or `flow.input`, or annotate it as a `NodeContext`.",
)
