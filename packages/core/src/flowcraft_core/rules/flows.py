"""The flow as a whole, and as data."""

from .rule import Rule

NOT_BUILT = Rule(
    code="FC001",
    name="not-built",
    meaning="Describing the flow raises an error that no other rule is about.",
    remedy="Do what the message says.",
)
NOT_JSON = Rule(
    code="FC002",
    name="not-json",
    meaning="A blueprint's text is not JSON, or not one object.",
    remedy="Write it by `Blueprint.to_json()`, or mend the text where the message says.",
)
WRONG_SHAPE = Rule(
    code="FC003",
    name="wrong-shape",
    meaning="A field of a blueprint's JSON is missing, or holds what it cannot hold.",
    remedy="Give the field what the message asks for.",
)
UNSTORABLE_TEXT = Rule(
    code="FC004",
    name="unstorable-text",
    meaning="A blueprint holds half a character, a lone surrogate, which no backend can store.",
    remedy="Take it out; it often comes from text that was cut off or decoded wrongly.",
)
EMPTY_FLOW = Rule(
    code="FC005",
    name="empty-flow",
    meaning="A flow has no nodes.",
    remedy="Add one.",
)
DUPLICATE_FLOW = Rule(
    code="FC006",
    name="duplicate-flow",
    meaning="Two different flows have one id.",
    remedy="Rename one; or make the flow once, and hand on that one.",
)
MISSPELT_FIELD = Rule(
    code="FC007",
    name="misspelt-field",
    meaning="A blueprint has a field that means nothing here, and is spelt almost like one that does.",
    remedy="Correct the spelling; fields for programs of your own are left alone if they look like no other.",
    severity="warning",
)
UNKNOWN_FLOW = Rule(
    code="FC008",
    name="unknown-flow",
    meaning="A subflow or a batch calls a flow that is not there.",
    remedy="Hand the flow itself to `subflow` or `batch`, or give the runtime the blueprint under that id.",
)
