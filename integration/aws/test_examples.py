"""``examples/aws``, as its README and that of the package say: set up, a worker, a run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from aws_emulators import environment_of

_EXAMPLES = Path(__file__).parents[2] / "examples" / "aws"
_README = Path(__file__).parents[2] / "packages" / "aws" / "README.md"
_PATIENCE = 120.0


def test_the_example_runs_as_it_is_printed(localstack: str, moto: str) -> None:
    environment = environment_of(sqs=localstack, dynamodb=moto)

    def run(*command: str) -> str:
        ended = subprocess.run(
            [sys.executable, *command],
            cwd=_EXAMPLES,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    environment["SQS_QUEUE_URL"] = run("set_up.py").strip()
    assert run("set_up.py").strip() == environment["SQS_QUEUE_URL"]
    worker = subprocess.Popen([sys.executable, "worker.py"], cwd=_EXAMPLES, env=environment, stderr=subprocess.DEVNULL)
    try:
        printed = run("start.py", "tea=2", "pot=1").splitlines()
        assert printed[0].startswith("run ")
        assert printed[1] == "completed: shipped: charged 38, packed 3 items"
        assert printed[1] in _README.read_text(encoding="utf-8")
        assert run("start.py", "cup=1").splitlines()[1].startswith("failed: ")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(_PATIENCE) == 0
    finally:
        worker.kill()
        worker.wait()
