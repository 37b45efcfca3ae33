"""Nodes, edges and joins."""

from .rule import Rule

DUPLICATE_NODE = Rule(
    code="FC101",
    name="duplicate-node",
    meaning="Two nodes have one id.",
    remedy="Give each node an id of its own.",
)
UNKNOWN_END = Rule(
    code="FC102",
    name="unknown-end",
    meaning="An edge leads from or to a node that is not there.",
    remedy="Add the node, or mend the edge.",
)
ACTION_ON_FAILURE = Rule(
    code="FC103",
    name="action-on-failure",
    meaning="An edge on failure, or one that is always taken, names an action.",
    remedy="Leave the action out: a failure has none. Use a condition.",
)
UNDECLARED_CYCLE = Rule(
    code="FC104",
    name="undeclared-cycle",
    meaning="Edges lead round in a circle that is no loop.",
    remedy="Declare it with `loop`, or break it.",
)
TOO_MANY_TO_JOIN = Rule(
    code="FC105",
    name="too-many-to-join",
    meaning="A node joins more of its edges than lead to it from different nodes.",
    remedy="Draw edges from more nodes to it, or join fewer.",
)
BAD_JOIN = Rule(
    code="FC106",
    name="bad-join",
    meaning="It is not said how a node joins its edges: by `all`, by `any`, or by a whole number of them.",
    remedy="Say one of these.",
)
BAD_QUEUE = Rule(
    code="FC107",
    name="bad-queue",
    meaning="A queue has a name that no backend takes.",
    remedy="Use 1 to 80 ASCII letters, digits, `-`, `_` and `.`, beginning with a letter or a digit.",
)
BAD_RETRIES = Rule(
    code="FC108",
    name="bad-retries",
    meaning="A node's settings for retries cannot mean anything.",
    remedy="Give the setting what the message asks for.",
)
BAD_LIMIT = Rule(
    code="FC109",
    name="bad-limit",
    meaning="A node names a limit in a way that none can be called.",
    remedy='Write it as in `"openai"`, `"tenant:acme"`, `"tenant:{context.tenant}"` or `"tenant:{input.tenant}"`.',
)
BAD_ID = Rule(
    code="FC110",
    name="bad-id",
    meaning="A flow or a node has an empty id, or one that is too long for what is named by it.",
    remedy="Use 1 to 500 characters.",
)
ORPHAN = Rule(
    code="FC121",
    name="orphan",
    meaning="No edge leads to a node, and none from it, although the flow has others.",
    remedy="Draw the edge that was forgotten, or remove the node; ignore the rule if it is to run by itself.",
    severity="warning",
)
UNREACHABLE = Rule(
    code="FC122",
    name="unreachable",
    meaning="A node can never run, since no edge to it can ever be taken.",
    remedy="Mend the conditions on the way to it, or remove it.",
    severity="warning",
)
JOIN_NEVER_FIRES = Rule(
    code="FC123",
    name="join-never-fires",
    meaning="A node joins so many of its edges that they can never be taken in one run: some exclude each other.",
    remedy="Join fewer, such as `any`, or lead to it from branches that are taken together.",
    severity="warning",
)
DICT_OF_BRANCHES = Rule(
    code="FC124",
    name="dict-of-branches",
    meaning="A second edge to a step turns its input into a dict by source, and nothing says that it expects one.",
    remedy="Annotate the input (`ctx: SyncNodeContext[dict[str, Any]]`), say `inputs=`, or join by `any`.",
    severity="warning",
)
FAILURE_MISSED = Rule(
    code="FC125",
    name="failure-missed",
    meaning="A join may go on without the input of a node whose failure was handled.",
    remedy="Let what handles the failure lead to the join, too, unless it can do without.",
    severity="warning",
)
UNKNOWN_ACTION = Rule(
    code="FC126",
    name="unknown-action",
    meaning="An edge asks for an action that its source never gives.",
    remedy="Correct the action, or let the step give it.",
    severity="warning",
)
ACTION_WITHOUT_EDGE = Rule(
    code="FC127",
    name="action-without-edge",
    meaning="A step gives an action that no edge takes: the path ends there, without a word.",
    remedy="Draw an edge for it, or one without an action for all others; `FlowRuntime(strict=True)` makes it fail.",
    severity="warning",
)
DUPLICATE_EDGE = Rule(
    code="FC128",
    name="duplicate-edge",
    meaning="Two edges lead from one node to another in the same case: both are taken, and the input becomes a dict.",
    remedy="Leave one out, or let their actions or conditions tell them apart.",
    severity="warning",
)
