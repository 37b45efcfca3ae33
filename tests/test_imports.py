"""The directions of imports, as the contracts in pyproject.toml state them, and proof that the contracts bite."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    return subprocess.run(
        [*command, "--no-cache", "--no-logo"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_every_import_points_the_permitted_way() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("flowcraft_core.blueprint", "asyncio"),
        ("flowcraft_core.graph", "time"),
        ("flowcraft_core.graph", "flowcraft_core.runtime"),
        ("flowcraft_core.runtime", "opentelemetry"),
        ("flowcraft_core", "flowcraft_sqlite"),
        ("flowcraft_aws", "flowcraft_azure"),
        ("flowcraft_sqlite", "flowcraft_testkit"),
    ],
)
def test_an_import_the_wrong_way_is_found(importer: str, imported: str, tmp_path: Path) -> None:
    for package in ROOT.glob("packages/*/src/*"):
        shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path.joinpath(*importer.split("."))
    module = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    with module.open("a", encoding="utf-8") as file:
        file.write(f"\nimport {imported}\n")

    done = lint_imports(tmp_path)

    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{importer} is not allowed to import {imported}" in done.stdout
