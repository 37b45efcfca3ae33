"""The expressions that drawn flows use: their texts, and what they mean.

Most look only at the output and action they are given. The others name a node or a context value, and ``named`` tells
what that is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

#: What a name stands for, where an expression is evaluated.
Named: TypeAlias = Callable[[str], Any]

#: For edges and loops.
CONDITIONS: dict[str, Callable[[Any, str | None], bool]] = {
    "true": lambda output, action: True,
    "false": lambda output, action: False,
    "result.output.n > 0": lambda output, action: number(output) > 0,
    "input.n == 1": lambda output, action: number(output) == 1,
    "result.action == 'a'": lambda output, action: action == "a",
}

#: For edges, the last three for edges into batches.
TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "input.n": lambda output: member(output, "n"),
    '{"w": input.n, "v": input.v}': lambda output: {"w": member(output, "n"), "v": member(output, "v")},
    "[]": lambda output: [],
    "[input.n]": lambda output: [member(output, "n")],
    "[input.n, input.v, 7]": lambda output: [member(output, "n"), member(output, "v"), 7],
}
LISTS = ("[input.n, input.v, 7]", "[input.n]", "[]")

#: For failure and always edges. The last one but two fails on its data where there is an error, and so does not hold.
ON_FAILURE: dict[str, Callable[[Any], bool]] = {
    "error.type == 'ScriptedError'": lambda error: member(error, "type") == "ScriptedError",
    "error.attempts > 1": lambda error: error is not None and error["attempts"] > 1,
    "error == null": lambda error: error is None,
    "error.type > 1": lambda error: False,
    "result == null": lambda error: error is not None,
    "error.attempts == 1": lambda error: member(error, "attempts") == 1,
}
BOTH = '{"r": result.output.v, "e": error.node}'

# What looks at the result, which a failure has not.
_OF_RESULT = ("result.output.n > 0", "result.action == 'a'")

#: For loops: in the third pass every ``n`` is 0 (see ``script``), so each of them ends the loop.
LOOP_CONDITIONS = ("result.output.n > 0", "result.output.n > 0", "result.output.n > 0", "input.n == 1", "false")

_NAMED_CONDITION = re.compile(r"(\w+)\.n (> 0|== 1|!= 2)")
_NAMED_TRANSFORM = re.compile(r'\{"o": (\w+)\.n, "h": (\w+)\.v, "n": input\.n\}')
_NAMED_LIST = re.compile(r"\[(\w+)\.n, input\.v\]")


def condition_on(name: str, test: str) -> str:
    """A condition that names something; ``test`` is ``> 0``, ``== 1`` or ``!= 2``."""
    return f"{name}.n {test}"


def transform_with(name: str) -> str:
    """A transform that names something."""
    return f'{{"o": {name}.n, "h": {name}.v, "n": input.n}}'


def list_with(name: str) -> str:
    """A transform to a list that names something."""
    return f"[{name}.n, input.v]"


def holds_on(text: str | None, output: Any, action: str | None, error: Any, named: Named) -> bool:
    """Whether the condition of a failure or always edge holds; one that fails on its data does not."""
    if text is None:
        return True
    if text in ON_FAILURE:
        return ON_FAILURE[text](error)
    if error is None:
        return holds(text, output, action, named)
    # On a failure there is no result, and the input of the condition is the error.
    return text not in _OF_RESULT and holds(text, error, None, named)


def transformed_on(text: str | None, output: Any, error: Any, named: Named) -> Any:
    """What a failure or always edge with that transform carries: of the output, or else of the error."""
    given = output if error is None else error
    if text == BOTH:
        return {"r": None if error is not None else member(output, "v"), "e": member(error, "node")}
    return transformed(text, given, named)


def names_in(text: str | None) -> list[str]:
    """What an expression names, beside what it is given."""
    if text in CONDITIONS or text in TRANSFORMS or text in ON_FAILURE or text == BOTH:
        return []
    for pattern in (_NAMED_CONDITION, _NAMED_TRANSFORM, _NAMED_LIST):
        if text is not None and (found := pattern.fullmatch(text)):
            return [found[1]]
    return []


def holds(text: str, output: Any, action: str | None, named: Named) -> bool:
    """What a condition comes to."""
    if text in CONDITIONS:
        return CONDITIONS[text](output, action)
    found = _NAMED_CONDITION.fullmatch(text)
    assert found is not None
    value = member(named(found[1]), "n")
    if found[2] == "!= 2":
        return bool(value != 2)
    return isinstance(value, int) and (value > 0 if found[2] == "> 0" else value == 1)


def transformed(text: str | None, output: Any, named: Named) -> Any:
    """What an edge with that transform carries."""
    if text is None:
        return output
    if text in TRANSFORMS:
        return TRANSFORMS[text](output)
    if found := _NAMED_LIST.fullmatch(text):
        return [member(named(found[1]), "n"), member(output, "v")]
    found = _NAMED_TRANSFORM.fullmatch(text)
    assert found is not None
    value = named(found[1])
    return {"o": member(value, "n"), "h": member(value, "v"), "n": member(output, "n")}


def member(value: Any, name: str) -> Any:
    """A member of a dict; None where there is none."""
    return value.get(name) if isinstance(value, dict) else None


def number(output: Any) -> int:
    """A number for comparing: whatever has none is below all others."""
    found = member(output, "n")
    return found if isinstance(found, int) else -1
