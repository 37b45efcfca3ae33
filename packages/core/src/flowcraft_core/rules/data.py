"""What is handed on: expressions, inputs, and the types at both ends."""

from .rule import Rule

BAD_EXPRESSION = Rule(
    code="FC401",
    name="bad-expression",
    meaning="A condition or a transform is no expression.",
    remedy="Mend it where the message says; what is more than looking at data is done in a step.",
)
UNKNOWN_NAME = Rule(
    code="FC402",
    name="unknown-name",
    meaning="An expression reads a name that nothing gives a value, so that it is always `null`.",
    remedy="Correct the name; where a run is started with it, tell the linter so (`context=`, `--context`).",
    severity="warning",
)
INPUT_FROM_FALLBACK = Rule(
    code="FC411",
    name="input-from-fallback",
    meaning="A node's `inputs` name a fallback.",
    remedy="Name the node that it stands in for: its output is that.",
)
INPUT_LEFT_BEHIND = Rule(
    code="FC412",
    name="input-left-behind",
    meaning="A node's `inputs` name one inside of a loop, which may end without it.",
    remedy="Name the loop instead.",
)
INPUT_TOO_EARLY = Rule(
    code="FC413",
    name="input-too-early",
    meaning="A node's `inputs` name one that may not have ended when it starts.",
    remedy="Draw an edge so that it always comes first, or name another node.",
)
MISSPELT_INPUT = Rule(
    code="FC414",
    name="misspelt-input",
    meaning="A node's `inputs` name nothing that is there, or a part that the output has not; it gets `None`.",
    remedy="Correct the name or the path.",
    severity="warning",
)
WRONG_TYPE = Rule(
    code="FC421",
    name="wrong-type",
    meaning="What one step is annotated to give does not fit what another is annotated to take.",
    remedy="Change one of the two, or put a transform on the edge.",
)
DICT_NOT_TAKEN = Rule(
    code="FC422",
    name="dict-not-taken",
    meaning="A step gets a dict, since it is a join or names several inputs, and is annotated to take something else.",
    remedy="Take a dict, say `inputs=` with one name, or join by `any`.",
)
NOT_A_LIST = Rule(
    code="FC423",
    name="not-a-list",
    meaning="A batch is given what is no list.",
    remedy="Let the step before it give a list, or say `items=`.",
)
FAILURE_NOT_TAKEN = Rule(
    code="FC424",
    name="failure-not-taken",
    meaning="An edge on failure, or one that is always taken, carries a dict to a step that takes something else.",
    remedy="Take a dict, or put a transform on the edge.",
)
UNKNOWN_MEMBER = Rule(
    code="FC425",
    name="unknown-member",
    meaning="A step needs a part of an output that its type has not.",
    remedy="Correct the name of the part.",
)
