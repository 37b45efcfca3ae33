"""Asks the clauses of every backend that needs no emulator, and shows how they ended: ``hatch run contract``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from flowcraft_testkit.report import render

_TESTS = (
    "packages/testkit/tests/contracts/test_in_memory.py",
    "packages/sqlite/tests/test_contracts.py",
    "examples/adapter_template/test_contract.py",
)


def main() -> int:
    """Run what the command line asks for; the exit code is 0 if no clause failed and none was skipped unsaid."""
    parser = argparse.ArgumentParser(prog="contract", description="The clauses, on backends that need no emulator.")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    options, further = parser.parse_known_args()  # the rest is pytest's
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pytest", *_TESTS, "-q", f"--flowcraft-report={path}", *further]
        code = subprocess.run(command, check=False).returncode
        report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"totals": {}, "contracts": []}
    ok = code == 0 and bool(report["contracts"]) and not report["totals"]["undeclared"]
    if report["contracts"]:
        print(render(report))
    if options.json:
        contracts = [
            {
                "contract": contract["contract"],
                "class": contract["class"],
                "ended": {clause["id"]: clause["result"] for clause in contract["clauses"]},
            }
            for contract in report["contracts"]
        ]
        print(json.dumps({"ok": ok, "totals": report["totals"], "contracts": contracts}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
