"""Run mypy over everything: once over what is imported by its full name, then once over each program folder.

A program folder has a ``__main__.py`` and is run as ``python <folder>``, so its modules import one another by plain
name. Two of them cannot share a run of mypy: each has a module called ``__main__``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = ("conftest.py", "packages", "tests", "tools", "examples", "integration")
#: What must not pass, at which `hatch run typing-test` looks; and what needs libraries that are not here, at which
#: `hatch run compare` looks.
LOOKED_AT_ELSEWHERE = ("tests/typing/refused", "comparing/flows")
#: Further folders whose modules import one another by plain name; and where modules of a folder find others.
ROOMS = {
    "benchmarks": ("integration", "integration/aws", "integration/azure", "integration/postgres", "scenarios"),
    "comparing": ("integration",),
    "doctor": ("integration", "integration/aws", "integration/azure", "scenarios"),
    "examples/adapter_template": (),
    "examples/aws": (),
    "examples/azure": (),
    "examples/postgres": (),
    "integration": ("scenarios",),
    "integration/aws": ("integration", "scenarios", "doctor"),
    "integration/azure": ("integration", "scenarios", "doctor"),
    "integration/postgres": ("integration", "scenarios", "doctor"),
}


def program_folders() -> list[str]:
    """The program folders that pyproject.toml names, and the further ones above; those that exist."""
    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named: list[str] = config["tool"]["pytest"]["ini_options"]["pythonpath"]
    return [folder for folder in dict.fromkeys([*named, *ROOMS]) if (ROOT / folder).is_dir()]


def shared_paths(programs: list[str]) -> list[str]:
    """The paths with at least one file outside the program folders; mypy refuses a path without any."""
    inside = [ROOT / program for program in programs]

    def counts(file: Path) -> bool:
        return not any(file.is_relative_to(program) for program in inside)

    return [
        name for name in SHARED if (ROOT / name).is_file() or any(counts(file) for file in (ROOT / name).rglob("*.py"))
    ]


def mypy(*arguments: str, search: str = "") -> int:
    """Run mypy from the root, say over what, and return its exit code."""
    print("mypy", *arguments, flush=True)
    environment = os.environ | {"MYPYPATH": search}
    return subprocess.run([sys.executable, "-m", "mypy", *arguments], cwd=ROOT, env=environment, check=False).returncode


def main() -> int:
    """Stop at the first run that finds something, since the later ones would repeat it."""
    programs = program_folders()
    excluded = [f"--exclude=^{re.escape(folder)}/" for folder in (*programs, *LOOKED_AT_ELSEWHERE)]
    if code := mypy(*excluded, *shared_paths(programs)):
        return code
    for program in programs:
        others = (*programs, *LOOKED_AT_ELSEWHERE)
        inside = [f"--exclude=^{re.escape(other)}/" for other in others if other.startswith(f"{program}/")]
        search = os.pathsep.join(str(ROOT / folder) for folder in (program, *ROOMS.get(program, ())))
        if code := mypy(*inside, program, search=search):
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
