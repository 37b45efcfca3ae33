"""What the documentation shows is true: its programs print what it says, and its links lead somewhere."""

import ast
import logging
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
# A program is a block of Python. It prints the block of text that follows it, or the line of "It prints `...`.", or
# nothing.
PAGES = [
    "README.md",
    "docs/around-steps.md",
    "docs/blueprints.md",
    "docs/debugging.md",
    "docs/doctor.md",
    "docs/durable.md",
    "docs/guide.md",
    "docs/inspector.md",
    "docs/logging.md",
    "docs/observing.md",
    "docs/limits.md",
    "docs/pictures.md",
    "docs/queues.md",
    "docs/schedules.md",
    "docs/steps.md",
    "docs/telemetry.md",
    "docs/testing.md",
    "docs/typescript.md",
    "packages/testkit/README.md",
]


# Their programs need services: they are compiled, and what they show is run by the tests of the examples.
WITH_SERVICES = ["packages/aws/README.md", "packages/azure/README.md", "packages/postgres/README.md"]
# It quotes the template of an adapter; tests of the testkit compare the quotations.
QUOTING = ["docs/write-an-adapter.md"]
# Its programs are examples of what is told by the linter, and begin all alike; below.
LINTED = ["docs/lint.md"]
# It is the transcript of what `hatch run walk` does.
WALKED = ["docs/walk.md"]


class Program(NamedTuple):
    page: str
    line: int
    code: str
    output: str


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def markdown_files() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*.md")):
        inside = path.relative_to(ROOT).parts
        # Not what tools keep here: hidden folders, and environments of whatever name.
        if not any(part.startswith(".") for part in inside) and not (ROOT / inside[0] / "pyvenv.cfg").exists():
            yield path


def programs(page: str) -> Iterator[Program]:
    text = read(page)
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        following = text[block.end() :]
        if shown := re.match(r"\n+```text\n(.*?)^```$", following, re.MULTILINE | re.DOTALL):
            output = shown[1]
        elif said := re.match(r"\n+It prints `([^`]+)`\.$", following, re.MULTILINE):
            output = said[1] + "\n"
        else:
            output = ""
        yield Program(page, text.count("\n", 0, block.start(1)), block[1], output)


def place(program: Program) -> str:
    return f"{program.page}:{program.line + 1}"


@pytest.mark.parametrize("program", [program for page in PAGES for program in programs(page)], ids=place)
def test_a_program_prints_what_its_page_says(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    source = "\n" * program.line + program.code  # so that a traceback shows the line of the page
    try:
        exec(compile(source, ROOT / program.page, "exec", dont_inherit=True), {"__name__": "__main__"})
    finally:
        logging.getLogger("flowcraft").setLevel(logging.NOTSET)  # which some pages have quiet
    assert capsys.readouterr().out == program.output


@pytest.mark.parametrize("program", [program for page in WITH_SERVICES for program in programs(page)], ids=place)
def test_a_program_that_needs_services_is_python(program: Program) -> None:
    compile(program.code, ROOT / program.page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


def test_every_page_with_programs_is_listed() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in markdown_files() if "```python" in path.read_text("utf-8")}
    assert found == {*PAGES, *WITH_SERVICES, *QUOTING, *LINTED, *WALKED}


@pytest.mark.parametrize("page", PAGES)
def test_no_block_of_a_page_is_passed_over(page: str) -> None:
    # Indented, or with another word after the fence, it would be Python that nobody runs or output that nobody checks.
    found = list(programs(page))
    assert len(re.findall(r"(```|~~~) *py", read(page), re.IGNORECASE)) == len(found)
    shown = len(re.findall(r"```text$", read(page), re.MULTILINE)) + len(re.findall(r"It prints `", read(page)))
    assert shown == sum(bool(program.output) for program in found)


@pytest.mark.parametrize("program", [".ci/run", ".ci/nightly"])
def test_a_newcomer_is_told_what_ci_runs(program: str) -> None:
    ci = read(program)
    hatch, tests = re.search(r'^hatch="(.+)"$', ci, re.MULTILINE), re.search(r'^readme_test="(.+)"$', ci, re.MULTILINE)
    assert hatch
    assert tests
    make = f"python3 -m venv .venv && .venv/bin/pip install -q {hatch[1]} && .venv/bin/"
    commands = read("README.md").partition("## Two commands")[2]
    blocks = re.findall(r"^```sh\n(.*?)^```$", commands, re.MULTILINE | re.DOTALL)
    assert blocks == [f"{make}hatch run demo\n", f"{make}{tests[1]}\n"]
    assert f"{make}{tests[1]}\n" in read("CONTRIBUTING.md")


def without_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """The anchors that headings get: lower case, hyphens for spaces, no other marks."""
    headings = re.findall(r"^#+ +(.+?) *$", without_blocks(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", list(markdown_files()), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(path: Path) -> None:
    prose = re.sub(r"`[^`\n]*`", "code", without_blocks(path.read_text(encoding="utf-8")))
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        exists = target.is_relative_to(ROOT) and target.exists()
        if not exists or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            broken.append(link)
    assert not broken


def test_the_page_on_logs_has_the_catalogue_as_it_is() -> None:
    """`python tools/log_catalogue.py` writes its tables."""
    text = read("docs/logging.md")
    assert runpy.run_path(str(ROOT / "tools" / "log_catalogue.py"))["page"](text) == text


def test_the_page_on_telemetry_has_the_catalogue_as_it_is() -> None:
    """`python tools/telemetry_catalogue.py` writes its tables."""
    text = read("docs/telemetry.md")
    assert runpy.run_path(str(ROOT / "tools" / "telemetry_catalogue.py"))["page"](text) == text


def test_the_page_on_the_command_has_its_help_as_it_is() -> None:
    """`python tools/cli_page.py` writes it."""
    text = read("docs/cli.md")
    assert runpy.run_path(str(ROOT / "tools" / "cli_page.py"))["page"](text) == text


def test_the_page_on_the_doctor_has_every_finding_as_it_is() -> None:
    """`python tools/findings_catalogue.py` writes its tables."""
    text = read("docs/doctor.md")
    assert runpy.run_path(str(ROOT / "tools" / "findings_catalogue.py"))["page"](text) == text


def test_the_page_on_linting_has_every_rule_and_what_is_said_of_its_example_as_it_is() -> None:
    """`python tools/lint_catalogue.py` writes its rules, and runs their examples."""
    text = read("docs/lint.md")
    assert "```python" not in text.partition("<!-- from the catalogue -->")[0]  # nobody would run it
    assert runpy.run_path(str(ROOT / "tools" / "lint_catalogue.py"))["page"](text) == text


def test_no_two_findings_have_one_code() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "findings_catalogue.py"))
    codes = [symptom.code for module in tool["PARTS"].values() for symptom in tool["symptoms_of"](module)]
    assert len(set(codes)) == len(codes)
    assert [code for code in codes if not re.fullmatch(r"[A-Z]+(-[A-Z]+)+", code)] == []
