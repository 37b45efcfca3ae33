"""What `.pre-commit-hooks.yaml` has a project's commits call is a command that lints its flows."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from flowcraft_cli import main

HOOKS = (Path(__file__).parent.parent / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(("step", "code"), [("s", 0), ("'nobodys'", 1)])
def test_the_hook_lints_the_flows_of_the_settings(
    step: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = re.search(r"^  entry: flowcraft (.+)$", HOOKS, re.MULTILINE)
    assert entry
    assert re.search(r"^  pass_filenames: false$", HOOKS, re.MULTILINE)  # a file that changed need not hold a flow
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flowcraft.toml").write_text('flows = ["hooked_flows.py"]\n')
    (tmp_path / "hooked_flows.py").write_text(
        f"from flowcraft_core import create_flow\ndef s(ctx): ...\nflow = create_flow('f').node('a', {step})\n"
    )
    result = CliRunner().invoke(main, entry[1].split())
    assert result.exit_code == code, result.output
