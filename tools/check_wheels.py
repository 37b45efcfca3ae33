"""Build every distribution, then prove each wheel on its own.

Each wheel is installed into a fresh environment with its declared dependencies and nothing else (siblings come from
the wheels just built), and every module in it is imported. So a module, a marker file or a dependency that was
forgotten shows here rather than at the user's.

    hatch run wheels [--json]

The files are left in ``dist/``, ready to be uploaded. With ``--json`` the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"

# Runs inside the fresh environment. Prints how many modules could be imported.
IMPORT_ALL = """
import importlib, importlib.resources, pkgutil, sys
package = importlib.import_module(sys.argv[1])
assert package.__spec__.origin.startswith(sys.prefix), f"imported from {package.__spec__.origin}"
assert importlib.resources.files(package).joinpath("py.typed").is_file(), "py.typed is not installed"
names = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
print(1 + len(names))
"""


class CheckError(Exception):
    """A distribution is not as it should be."""


def run(purpose: str, command: list[str], cwd: Path) -> str:
    """Run a command and return what it printed.

    Raises:
        CheckError: It failed; the message names its purpose and ends with what it printed.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CheckError(f"{purpose} failed:\n{done.stdout.strip()}")
    return done.stdout.strip()


def find_uv() -> str:
    """The uv that hatch itself uses, or the one on the PATH."""
    uv = os.environ.get("HATCH_UV") or shutil.which("uv")
    if uv is None:
        raise CheckError("uv is not there: run this as `hatch run wheels`")
    return uv


def build(package: Path) -> Path:
    """Build the sdist and the wheel of one package into dist/, as `hatch build` does, and return the wheel."""
    before = set(DIST.glob("*.whl"))
    for target in ("sdist", "wheel"):
        command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(DIST)]
        run(f"building the {target} of {package.name}", command, package)
    (wheel,) = set(DIST.glob("*.whl")) - before
    return wheel


def check_contents(wheel: Path, module: str) -> None:
    """A wheel holds its package with the typing marker, its licence, and nothing beside (tests, say)."""
    names = zipfile.ZipFile(wheel).namelist()
    metadata = f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"
    for needed in (f"{module}/__init__.py", f"{module}/py.typed", f"{metadata}/licenses/LICENSE"):
        if needed not in names:
            raise CheckError(f"{needed} is missing in the wheel")
    if strays := [name for name in names if not name.startswith((f"{module}/", f"{metadata}/"))]:
        raise CheckError(f"the wheel holds files that are not the package's: {', '.join(strays)}")


def with_extras(wheel: Path) -> str:
    """The requirement of a wheel with all of its extras."""
    metadata = "-".join(wheel.name.split("-")[:2]) + ".dist-info/METADATA"
    lines = zipfile.ZipFile(wheel).read(metadata).decode().splitlines()
    extras = [line.removeprefix("Provides-Extra: ") for line in lines if line.startswith("Provides-Extra: ")]
    name = wheel.name.split("-")[0].replace("_", "-")
    return f"{name}[{','.join(extras)}] @ {wheel.as_uri()}"


def check_alone(wheel: Path, module: str, wheels: list[Path], folder: Path) -> int:
    """Install the wheel into a fresh environment, import all of it, and return the number of its modules."""
    uv = find_uv()
    # A sibling is always the wheel just built, never one of that name from an index.
    constraints = folder / "constraints.txt"
    constraints.write_text(
        "".join(f"{sibling.name.split('-')[0].replace('_', '-')} @ {sibling.as_uri()}\n" for sibling in wheels)
    )
    environment = folder / "environment"
    create = [uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(environment)]
    run("creating an environment", create, folder)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    # With its extras: what needs one is a module all the same.
    install = [uv, "pip", "install", "--quiet", "--python", str(python), "-c", str(constraints), with_extras(wheel)]
    run("installing it", install, folder)
    # -I: neither the current folder nor PYTHONPATH may lend a module.
    return int(run("importing it", [str(python), "-I", "-c", IMPORT_ALL, module], folder))


def main() -> int:
    """Build all, check all, print a line for each; the exit code says whether all is well."""
    parser = argparse.ArgumentParser(description="Build every distribution and prove each wheel on its own.")
    parser.add_argument("--json", action="store_true", help="print a JSON object as the last line")
    options = parser.parse_args()

    for old in DIST.glob("flowcraft_*"):
        old.unlink()
    reports: list[dict[str, object]] = []
    try:
        wheels = [build(project.parent) for project in sorted(ROOT.glob("packages/*/pyproject.toml"))]
    except CheckError as error:
        print(f"BUILD FAILED  {error}", file=sys.stderr)
        wheels = []
    for wheel in wheels:
        started = time.monotonic()
        module, version = wheel.name.split("-")[:2]
        report: dict[str, object] = {"name": module.replace("_", "-"), "version": version, "file": wheel.name}
        try:
            check_contents(wheel, module)
            with tempfile.TemporaryDirectory() as folder:
                modules = check_alone(wheel, module, wheels, Path(folder))
        except CheckError as error:
            report |= {"ok": False, "error": str(error)}
            print(f"FAILED  {wheel.name}: {error}", flush=True)
        else:
            report |= {"ok": True, "modules": modules}
            print(f"ok      {wheel.name}: {modules} modules imported, {time.monotonic() - started:.1f} s", flush=True)
        reports.append(report)
    ok = bool(reports) and all(report["ok"] for report in reports)
    if options.json:
        print(json.dumps({"ok": ok, "wheels": reports}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
