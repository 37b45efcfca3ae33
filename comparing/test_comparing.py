"""The comparison's own parts; the command itself takes the libraries, and minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from comparison_page import PAGE, lines_table
from flowcraft_core import BlueprintError
from planting import code_lines, lines_of, planted
from ten import CASES, FORMS, MISTAKES, NAMES, Form

every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)


def test_lines_of_code_are_those_with_code() -> None:
    heading = '"""Says."""\n\nimport os  # here\n\n\n'
    text = f'{heading}def f() -> str:\n    """Says\n    more."""\n    # why\n    return """a\n\nb"""\n'
    assert code_lines(text) == 5


@every_form
def test_each_mistake_can_be_planted_in_each_flow(form: Form) -> None:
    programs = planted(form)
    assert list(programs) == [(flow, mistake) for flow in NAMES for mistake in MISTAKES]
    for program in programs.values():
        compile(program, form.name, "exec")


@pytest.mark.parametrize("name", ["decorated", "builder"])
def test_the_flows_give_their_answers(name: str) -> None:
    form = next(form for form in FORMS if form.name == name)
    cases = [case for case in CASES if case.flow != "approval" or case.answer is not None]  # that one takes its time
    said = json.dumps([[case.flow, case.given, case.answer] for case in cases])
    runner = Path(__file__).with_name("flow_runner.py")
    done = subprocess.run(
        [sys.executable, runner, form.folder, said], capture_output=True, text=True, check=True, timeout=300
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one.get("answer", one) for one in told[1:]] == [case.wanted for case in cases]


@pytest.mark.parametrize("name", ["decorated", "builder"])
def test_before_anything_runs_a_wrong_type_and_a_renamed_step_are_refused(name: str) -> None:
    form = next(form for form in FORMS if form.name == name)
    for (flow, mistake), program in planted(form).items():
        if mistake == "misspelt_value" and name == "builder":
            continue
        module = ModuleType(f"planted_{flow}_{mistake}")
        sys.modules[module.__name__] = module  # where annotations are looked up
        try:
            with pytest.raises((BlueprintError, NameError)):
                _build(module, program)
        finally:
            del sys.modules[module.__name__]


def _build(module: ModuleType, program: str) -> None:
    exec(compile(program, module.__name__, "exec"), module.__dict__)
    module.flow.compile()


def test_the_page_tells_the_lines_of_today() -> None:
    assert lines_table({form.name: lines_of(form) for form in FORMS}) in PAGE.read_text(encoding="utf-8")


def test_environments_are_pinned() -> None:
    for form in FORMS[2:]:
        assert form.requirements is not None
        assert len(form.requirements.read_text(encoding="utf-8").strip().split("==")) == 2
