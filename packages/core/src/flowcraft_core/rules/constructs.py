"""Loops, batches, subflows, waits and sleeps."""

from .rule import Rule

LOOP_WITHOUT_START = Rule(
    code="FC201",
    name="loop-without-start",
    meaning="A loop has not exactly one edge with the action `continue`.",
    remedy="Draw one, from the loop to the first node of its body.",
)
LOOP_OF_ITSELF = Rule(
    code="FC202",
    name="loop-of-itself",
    meaning="A loop begins with itself.",
    remedy="Lead its edge `continue` to the first node of its body.",
)
LOOP_WITHOUT_END = Rule(
    code="FC203",
    name="loop-without-end",
    meaning="A loop is reached from none of its body's nodes, or has two exits from its body into it.",
    remedy="Let exactly one end node, that its start leads to, have an edge to the loop.",
)
LOOP_ENTERED_IN_THE_MIDDLE = Rule(
    code="FC204",
    name="loop-entered-in-the-middle",
    meaning="A loop has a second entry: an edge from outside leads into its body, and not to its start.",
    remedy="Lead the edge to the loop's start, or to the loop.",
)
LOOP_LEFT_IN_THE_MIDDLE = Rule(
    code="FC205",
    name="loop-left-in-the-middle",
    meaning="A loop has a second exit: an edge leads out of its body.",
    remedy="Draw the edge from the loop, or lead it to the body's end.",
)
LOOP_FAILURE_EDGE = Rule(
    code="FC206",
    name="loop-failure-edge",
    meaning="An edge on failure, or one that is always taken, ends a loop's pass or leaves its body.",
    remedy="Draw it from the loop, which fails when its body does.",
)
LOOPS_NOT_NESTED = Rule(
    code="FC207",
    name="loops-not-nested",
    meaning="Two loops share nodes, and neither lies wholly inside the other.",
    remedy="Nest them, or give each its own nodes.",
)
BATCH_WITHOUT_WORKER = Rule(
    code="FC211",
    name="batch-without-worker",
    meaning="A batch names no worker.",
    remedy="Name it in `params.workerUsesKey`, or a flow in `params.workerBlueprintId`.",
)
SCATTER_WITHOUT_GATHER = Rule(
    code="FC212",
    name="scatter-without-gather",
    meaning="A scatter node names no gather node.",
    remedy="Name one in `params.gatherNodeId`.",
)
GATHER_WITHOUT_SCATTER = Rule(
    code="FC213",
    name="gather-without-scatter",
    meaning="No scatter node names a gather node.",
    remedy="Name it in the `params.gatherNodeId` of one.",
)
GATHER_OF_TWO = Rule(
    code="FC214",
    name="gather-of-two",
    meaning="Two scatter nodes name one gather node.",
    remedy="Give each its own.",
)
BATCH_EDGE = Rule(
    code="FC215",
    name="batch-edge",
    meaning="An edge hangs on the wrong end of a batch of two nodes.",
    remedy="What a batch waits for leads to its scatter node; what follows it hangs on its gather node.",
)
BAD_TOLERANCE = Rule(
    code="FC216",
    name="bad-tolerance",
    meaning="It cannot be so many items of a batch that may fail.",
    remedy="Give a whole number from 0, or a percentage from 0 to 100.",
)
BAD_CONCURRENCY = Rule(
    code="FC217",
    name="bad-concurrency",
    meaning="It cannot be so many items of a batch that are under way at most.",
    remedy="Give a whole number from 1.",
)
BAD_PAGE_SIZE = Rule(
    code="FC218",
    name="bad-page-size",
    meaning="It cannot be so many items of a batch that are stored together.",
    remedy="Give a whole number from 1.",
)
BAD_REDUCER = Rule(
    code="FC219",
    name="bad-reducer",
    meaning="What is to make one value of a batch's results is no step.",
    remedy="Name a plain step in `params.reduceUsesKey`.",
)
SUBFLOW_WITHOUT_FLOW = Rule(
    code="FC221",
    name="subflow-without-flow",
    meaning="A subflow does not say which flow it calls.",
    remedy="Name it in `params.blueprintId`.",
)
BAD_NAMES_MAP = Rule(
    code="FC222",
    name="bad-names-map",
    meaning="What a call hands in or out does not map names to names.",
    remedy='Write it as in `{"name there": "name here"}`.',
)
BAD_SLEEP = Rule(
    code="FC231",
    name="bad-sleep",
    meaning="A sleep does not say how long.",
    remedy='Give milliseconds, or text such as `"20m"`.',
)
MISPLACED_TIMEOUT = Rule(
    code="FC232",
    name="misplaced-timeout",
    meaning="A wait's timeout stands among its parameters, where nobody looks.",
    remedy="Put it into `config.timeout`, milliseconds.",
)
BAD_REMINDERS = Rule(
    code="FC233",
    name="bad-reminders",
    meaning="A wait's reminders do not say what is called, or when.",
    remedy="Give both `remindUsesKey` and `remindAfter`.",
)
ENDLESS_WAIT_IN_BATCH = Rule(
    code="FC234",
    name="endless-wait-in-batch",
    meaning="A batch calls a flow with a wait that has no timeout: an item that nobody answers holds up all of it.",
    remedy="Give the wait a timeout.",
    severity="warning",
)
SEVERAL_ENDS = Rule(
    code="FC235",
    name="several-ends",
    meaning="A flow that is called has several last nodes, so the call's output is a dict by their ids.",
    remedy="Lead them to one last node, or say `outputs=` at the call.",
    severity="warning",
)
LIMIT_OF_WAIT = Rule(
    code="FC236",
    name="limit-of-wait",
    meaning="A wait or a sleep names a limit, although it uses nothing up.",
    remedy="Name the limit at the steps that do.",
)
