"""The testkit can be used without pytest; the contracts say what they need."""

import subprocess
import sys

import pytest

WITHOUT = """
import sys
sys.modules["{missing}"] = None
import flowcraft_testkit
print("works")
import flowcraft_testkit.contracts
"""


@pytest.mark.parametrize("missing", ["pytest", "pytest_asyncio"])
def test_only_the_contracts_need_pytest(missing: str) -> None:
    command = [sys.executable, "-c", WITHOUT.format(missing=missing)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "works\n"
    assert "needs pytest and pytest-asyncio: install flowcraft-testkit[pytest]" in done.stderr.splitlines()[-1]
