"""Every rule has a code, a place that names it, and an example that breaks it and no other."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path
from types import ModuleType

import flowcraft_core
import pytest
from flowcraft_core import BlueprintError, ConfigurationError, create_flow
from flowcraft_core.linting import RULES, Rule, lint
from flowcraft_core.linting.examples import EXAMPLES, PRELUDE
from flowcraft_core.rules import TOPICS

SOURCES = Path(flowcraft_core.__file__).parent
NAMES = {name: rule for module in TOPICS.values() for name, rule in vars(module).items() if isinstance(rule, Rule)}


def codes_in(source: str, folder: Path) -> set[str]:
    path = folder / "example.py"  # in a file, so that what steps return can be read there
    path.write_text(f"{PRELUDE}\n\n\n{source}\n", encoding="utf-8")
    return {problem.code for problem in lint(lambda: runpy.run_path(str(path))["flow"])}


@pytest.mark.parametrize("code", RULES)
def test_an_example_breaks_its_rule_and_no_other_and_what_is_better_breaks_none(code: str, tmp_path: Path) -> None:
    bad, good = EXAMPLES[code]
    assert (codes_in(bad, tmp_path), codes_in(good, tmp_path)) == ({code}, set())


def test_each_rule_has_a_code_of_its_topic_and_a_name_of_its_own() -> None:
    assert len(NAMES) == len(RULES) == len({rule.name for rule in RULES.values()})
    for topic, module in TOPICS.items():
        for rule in rules_of(module):
            assert re.fullmatch(rf"{topic}\d\d", rule.code)
            assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
            assert rule.meaning.endswith(".")
            assert rule.remedy.endswith(".")


def rules_of(module: ModuleType) -> list[Rule]:
    return [rule for rule in vars(module).values() if isinstance(rule, Rule)]


def test_each_rule_is_named_where_something_breaks_it_and_nothing_makes_problems_without_one() -> None:
    named: set[str] = set()
    for path in SOURCES.rglob("*.py"):
        inside = path.relative_to(SOURCES).parts
        if inside[0] == "rules" or "examples" in inside:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "Problem", f"{path}: make a problem by its rule"
            named |= {node.attr} if isinstance(node, ast.Attribute) else set()
            named |= {node.id} if isinstance(node, ast.Name) else set()
    assert set(NAMES) - named == set()


def test_what_is_refused_says_the_rule_in_the_message_and_as_data() -> None:
    flow = create_flow("f").node("a", lambda ctx: 1).node("a", lambda ctx: 2).edge("a", "b")
    with pytest.raises(BlueprintError) as refused:
        flow.to_blueprint()
    assert str(refused.value).splitlines()[1:] == [
        "  - node 'a' is defined twice: give each node an id of its own [FC101]",
        "  - edge 'a' -> 'b': there is no node 'b'; add it or mend the edge [FC102]",
    ]
    first, second = refused.value.problems
    assert (first.flow, first.node, first.edge) == ("f", "a", None)
    assert second.to_dict() == {
        "code": "FC102",
        "name": "unknown-end",
        "severity": "error",
        "flow": "f",
        "node": "a",
        "edge": ["a", "b"],
        "problem": "edge 'a' -> 'b': there is no node 'b'; add it or mend the edge",
    }


def test_an_error_about_something_else_has_no_problems() -> None:
    assert ConfigurationError("max_threads must be a whole number").problems == ()
