"""``flowcraft lint``: what building a flow refuses, and what is allowed and seldom meant."""

from __future__ import annotations

from typing import Any

import click
from flowcraft_core.errors import FlowcraftError
from flowcraft_core.linting import RULES, Problem, Rule, lint, problems_of, require_codes
from flowcraft_core.linting.examples import EXAMPLES
from flowcraft_core.runtime import FlowRuntime

from ..command import App, Commands
from ..exits import Answer, CommandError, Exit
from ..loading import Found, load


def register(main: Commands) -> None:
    """Add the command."""
    main.command(
        "lint",
        examples="""
            flowcraft lint                  the flows of the settings
            flowcraft lint app.flows orders.json --strict
            flowcraft lint app.flows --ignore FC121 --context tenant
            flowcraft lint --explain FC204
        """,
    )(lint_flows)


@click.argument("flows", nargs=-1, metavar="[FLOW]...")
@click.option("--ignore", multiple=True, metavar="CODE", help="Leave a rule out, or all whose codes begin so.")
@click.option("--context", multiple=True, metavar="NAME", help="A value that runs are started with; once for each.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
@click.option("--explain", metavar="CODE", help="Say what a rule means, with an example, and look at nothing.")
def lint_flows(
    app: App,
    flows: tuple[str, ...],
    ignore: tuple[str, ...],
    context: tuple[str, ...],
    strict: bool,
    explain: str | None,
) -> Answer:
    """Say what cannot be run in flows, and warn of what is seldom meant.

    All of it at once, each with the code of a rule: cycles, unknown nodes, missing steps, bad expressions, misspelt
    names, actions that no edge takes. Exits with 1 if there is an error, and with --strict also for a warning.
    """
    if explain is not None:
        return _explained(app, explain)
    references = flows or app.settings["flows"]
    if not references:
        raise CommandError("say what to look at: FLOW on the command line, or the setting 'flows'")
    ignored = ignore or app.settings["lint_ignore"]
    require_codes(ignored)
    checked: dict[str, None] = {}
    found: dict[tuple[str, Problem], None] = {}
    for reference in references:
        try:
            for flow in load(reference, app.settings):
                checked.update(dict.fromkeys(_ids(flow)))
                for problem in lint(flow, ignore=ignored, context=context or None):
                    found[reference, problem] = None
        except CommandError:
            raise
        except FlowcraftError as error:
            found.update({(reference, problem): None for problem in problems_of(error)})
    errors = sum(problem.rule.severity == "error" for _, problem in found)
    for reference, problem in found:
        app.out.say(f"{reference}: {problem.rule.severity}: {problem.in_flow()}")
    warnings = len(found) - errors
    if not errors:
        counted = f", {warnings} warning{'s' * (warnings > 1)}" if warnings else ""
        app.out.say(f"{len(checked)} flows, nothing to mend{counted}: {', '.join(checked)}")
    fields = {
        "flows": list(checked),
        "problems": [{"reference": reference, **problem.to_dict()} for reference, problem in found],
        "errors": errors,
        "warnings": warnings,
    }
    return Answer(fields, Exit.FAILED if errors or (strict and warnings) else Exit.OK)


def _ids(flow: Found) -> list[str]:
    return sorted(flow.catalogue.graphs) if isinstance(flow, FlowRuntime) else [flow.id]


def _explained(app: App, code: str) -> Answer:
    rule = RULES.get(code.upper())
    if rule is None:
        raise CommandError(f"there is no rule {code!r}; there are: {', '.join(RULES)}")
    bad, good = EXAMPLES[rule.code]
    app.out.say(f"{rule.code} {rule.name} ({rule.severity})\n\n{rule.meaning}\n{rule.remedy}\n")
    app.out.say(f"Not so:\n\n{_indented(bad)}\n\nBut so:\n\n{_indented(good)}")
    return Answer({"rule": _fields(rule), "bad": bad, "good": good})


def _indented(source: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in source.splitlines())


def _fields(rule: Rule) -> dict[str, Any]:
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity,
        "meaning": rule.meaning,
        "remedy": rule.remedy,
    }
