from pathlib import Path

import pytest
from flowcraft_cli.exits import CommandError
from flowcraft_cli.settings import SETTINGS, Settings

from .helpers import Commanding


def test_the_command_line_comes_before_the_environment_and_that_before_a_file(cli: Commanding) -> None:
    cli.write("flowcraft.toml", 'backend = "sqlite:///file.db"\nprocesses = 3\nconcurrency = 5\n')
    settings = Settings.find({"concurrency": "7"}, {"FLOWCRAFT_PROCESSES": "4", "FLOWCRAFT_CONCURRENCY": "6"})
    assert [(settings[name], settings.values[name].source) for name in ("concurrency", "processes", "backend")] == [
        (7, "command line"),
        (4, "environment, FLOWCRAFT_PROCESSES"),
        ("sqlite:///file.db", str(cli.folder / "flowcraft.toml")),
    ]
    assert (settings["log_level"], settings.values["log_level"].source) == ("info", "default")


def test_a_file_is_found_upwards_and_the_nearest_one_counts(cli: Commanding) -> None:
    cli.write("pyproject.toml", "[tool.flowcraft]\nprocesses = 2\n")
    cli.write("a/pyproject.toml", "[project]\nname = 'no settings of ours'\n")
    inside = cli.write("a/b/x", "").parent
    assert Settings.find({}, {}, inside)["processes"] == 2
    cli.write("a/flowcraft.toml", "processes = 5\n")
    assert Settings.find({}, {}, inside)["processes"] == 5


def test_the_folder_of_a_file_can_be_meant_in_it(cli: Commanding) -> None:
    cli.write("flowcraft.toml", 'backend = "sqlite:///{root}/runs.db"\nflows = ["{root}/shop.py:order"]\n')
    settings = Settings.find({}, {}, cli.write("deep/x", "").parent)
    assert settings["backend"] == f"sqlite:///{cli.folder}/runs.db"
    assert settings["flows"] == (f"{cli.folder}/shop.py:order",)
    assert settings.root == cli.folder


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("proceses = 2", "there is no setting 'proceses'; did you mean 'processes'"),
        ("processes = 0", "setting 'processes' .*: give a whole number from 1 on"),
        ("processes = true", "give a whole number"),
        ("grace = 'long'", "setting 'grace' .*: it cannot be read"),
        ("flows = [1]", "setting 'flows' .*: give text"),
        ("log_level = 'loud'", "give one of debug, info"),
        ("processes = ", r"flowcraft\.toml cannot be read"),
    ],
)
def test_what_a_file_says_wrongly_is_named(cli: Commanding, text: str, why: str) -> None:
    cli.write("flowcraft.toml", text)
    with pytest.raises(CommandError, match=why):
        Settings.find({}, {})


def test_config_says_where_each_setting_comes_from_and_hides_secrets(
    cli: Commanding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWCRAFT_BACKEND", "mydb://me:hunter2@host/x?api_key=hunter2")
    said = cli.said("config", "--processes", "3")
    assert set(said["settings"]) == set(SETTINGS)
    assert said["settings"]["backend"] == {
        "value": "mydb://***@host/x?api_key=***",
        "source": "environment, FLOWCRAFT_BACKEND",
    }
    assert said["settings"]["processes"] == {"value": 3, "source": "command line"}
    assert "hunter2" not in cli("config").output


def test_settings_of_others_in_the_environment_are_none_of_ours(cli: Commanding) -> None:
    assert Settings.find({}, {"FLOWCRAFT_EXAMPLES": "500"}, Path.cwd())["processes"] == 1
