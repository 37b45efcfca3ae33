import logging
from pathlib import Path

import pytest
from flowcraft_cli import logs
from flowcraft_cli.settings import Settings

from .helpers import Commanding


@pytest.fixture
def _unset() -> None:
    logging.getLogger("azure").setLevel(logging.NOTSET)


@pytest.mark.usefixtures("_unset")
@pytest.mark.parametrize(("level", "shown"), [("info", False), ("debug", True)])
def test_requests_that_an_sdk_tells_of_are_left_out_but_for_debugging(
    cli: Commanding, capsys: pytest.CaptureFixture[str], level: str, shown: bool
) -> None:
    logs.set_up(Settings.find({"log_level": level}, {}))
    logging.getLogger("azure.core").info("Request URL: ...")
    logging.getLogger("my.app").info("mine")
    text = capsys.readouterr().err
    assert ("Request URL" in text) is shown
    assert "mine" in text


@pytest.mark.usefixtures("_unset")
def test_lines_are_json_where_that_is_asked_for(cli: Commanding, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(Settings.find({"log_format": "json"}, {}))
    logging.getLogger("my.app").warning("mine")
    assert capsys.readouterr().err.startswith("{")


def test_a_command_has_a_level_of_its_own_unless_one_is_set(cli: Commanding) -> None:
    logs.set_up(Settings.find({}, {}), level="warning")
    assert logging.root.level == logging.WARNING
    cli.write("flowcraft.toml", 'log_level = "debug"')
    logs.set_up(Settings.find({}, {}, Path.cwd()), level="warning")
    assert logging.root.level == logging.DEBUG
