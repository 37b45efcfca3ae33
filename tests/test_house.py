"""Every distribution is complete, and the lists that name them all name them all."""

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from flowcraft_cli.settings import SETTINGS

ROOT = Path(__file__).parent.parent
PACKAGES = sorted(project.parent for project in ROOT.glob("packages/*/pyproject.toml"))
TEST_TOOLS = {"coverage", "flowcraft-testkit", "hypothesis", "moto", "mypy", "pytest", "testcontainers"}

every_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def project_of(package: Path) -> dict[str, Any]:
    project: dict[str, Any] = read_toml(package / "pyproject.toml")["project"]
    return project


def test_there_are_packages() -> None:
    assert {"core", "testkit", "sqlite", "aws", "azure", "postgres"} <= {package.name for package in PACKAGES}


@every_package
def test_a_package_explains_itself(package: Path) -> None:
    name = project_of(package)["name"]
    assert (package / "README.md").read_text(encoding="utf-8").startswith(f"# {name}\n")
    assert (package / "CHANGELOG.md").read_text(encoding="utf-8").startswith(f"# Changelog of {name}\n")


@every_package
def test_a_package_carries_the_licence_of_the_house(package: Path) -> None:
    assert (package / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    project = project_of(package)
    assert (project["license"], project["license-files"]) == ("Apache-2.0", ["LICENSE"])


@every_package
def test_a_package_is_typed(package: Path) -> None:
    assert (package / "src" / f"flowcraft_{package.name}" / "py.typed").is_file()
    assert "Typing :: Typed" in project_of(package)["classifiers"]


@every_package
def test_the_version_is_static_and_heads_the_changelog(package: Path) -> None:
    project = project_of(package)
    assert "version" not in project.get("dynamic", [])
    heads = re.findall(r"^## (.+)$", (package / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    version = re.escape(project["version"])
    assert re.fullmatch(rf"{version} (\(unreleased\)|- \d{{4}}-\d\d-\d\d)", heads[0])


@every_package
def test_name_and_python_are_those_of_the_house(package: Path) -> None:
    project = project_of(package)
    assert (project["name"], project["requires-python"]) == (f"flowcraft-{package.name}", ">=3.11")


@pytest.mark.parametrize("package", [p for p in PACKAGES if p.name != "testkit"], ids=lambda package: package.name)
def test_what_users_run_depends_on_no_test_tool(package: Path) -> None:
    project = project_of(package)
    optional = [requirement for extra in project.get("optional-dependencies", {}).values() for requirement in extra]
    names = {re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower() for requirement in project["dependencies"] + optional}
    assert not {name for name in names if name in TEST_TOOLS or name.startswith("pytest")}


@every_package
def test_a_package_has_tests_of_its_own(package: Path) -> None:
    assert list((package / "tests").rglob("test_*.py"))


def test_the_tools_know_every_package() -> None:
    tools = read_toml(ROOT / "pyproject.toml")["tool"]
    names = {package.name for package in PACKAGES}
    assert set(tools["mypy"]["mypy_path"]) == {f"$MYPY_CONFIG_FILE_DIR/packages/{name}/src" for name in names}
    assert set(tools["importlinter"]["root_packages"]) == {f"flowcraft_{name}" for name in names}
    layers = {name for layer in tools["importlinter"]["contracts"][0]["layers"] for name in layer.split(" | ")}
    assert layers == {f"flowcraft_{name}" for name in names}


def test_the_tools_know_every_program_folder() -> None:
    named = set(read_toml(ROOT / "pyproject.toml")["tool"]["pytest"]["ini_options"]["pythonpath"])
    mains = [*ROOT.glob("*/__main__.py"), *ROOT.glob("examples/*/__main__.py")]
    assert {main.parent.relative_to(ROOT).as_posix() for main in mains} <= named


def test_modules_of_program_folders_have_names_of_their_own() -> None:
    # They import one another by plain name, their folders come first on the path, and their tests run in one process.
    named = read_toml(ROOT / "pyproject.toml")["tool"]["pytest"]["ini_options"]["pythonpath"]
    modules = [path.stem for folder in named for path in (ROOT / folder).glob("*.py") if path.stem != "__main__"]
    assert len(modules) == len(set(modules)), sorted(modules)
    assert not sys.stdlib_module_names.intersection(modules)


def test_no_adapter_reads_a_variable_that_is_the_commands() -> None:
    """One name means one thing; what is in the environment of a worker is read by the command and by its backend."""
    commands = {f"FLOWCRAFT_{name.upper()}" for name in SETTINGS} - {"FLOWCRAFT_BACKEND"}
    adapters = [package for package in PACKAGES if package.name not in ("cli", "ui")]
    read = {
        name: path.relative_to(ROOT)
        for package in adapters
        for path in package.glob("src/**/*.py")
        for name in re.findall(r"\bFLOWCRAFT_[A-Z_]+\b", path.read_text(encoding="utf-8"))
    }
    assert {name: path for name, path in read.items() if name in commands} == {}
