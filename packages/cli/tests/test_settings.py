from pathlib import Path

import pytest
from flowcraft_cli.command import App
from flowcraft_cli.commands.worker import _in_environment
from flowcraft_cli.exits import CommandError
from flowcraft_cli.output import Output
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


@pytest.mark.parametrize("text", ["tool = 3", "[[tool]]"])
def test_a_file_of_other_tools_that_is_odd_is_none_of_ours(cli: Commanding, text: str) -> None:
    cli.write("pyproject.toml", text)
    assert Settings.find({}, {})["processes"] == 1


def test_settings_that_are_no_table_are_refused(cli: Commanding) -> None:
    cli.write("pyproject.toml", "[tool]\nflowcraft = 3\n")
    with pytest.raises(CommandError, match=r"pyproject\.toml: tool\.flowcraft is to be a table"):
        Settings.find({}, {})


def test_a_current_folder_that_is_gone_is_told(cli: Commanding, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = cli.write("gone/x", "")
    monkeypatch.chdir(gone.parent)
    gone.unlink()
    gone.parent.rmdir()
    assert "the current folder cannot be read" in cli("config", code=2).stderr


def test_lists_reach_the_processes_of_a_worker_as_they_are(cli: Commanding) -> None:
    """A path may have a comma."""
    settings = Settings.find({"flows": ("/srv/a,b/flows.py", "[c].py"), "queues": ("x",)}, {})
    handed_on = Settings.find({}, _in_environment(App(Output(), settings)))
    assert {name: handed_on[name] for name in SETTINGS} == {name: settings[name] for name in SETTINGS}
    assert Settings.find({}, {"FLOWCRAFT_FLOWS": "a, b"})["flows"] == ("a", "b")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("json:dumps", "is a function, not a PayloadCodec"),
        ("json:JSONDecoder", "is the class JSONDecoder: name an object of it, not a PayloadCodec"),
        ("flowcraft_core.payloads:CompressingCodec", "is the class CompressingCodec: name an object of it"),
    ],
)
def test_a_codec_that_is_none_is_refused_before_anything_is_done(cli: Commanding, name: str, why: str) -> None:
    here = ("-b", cli.url, "--codec", name)
    for command in ("start shop:order", "show x", "run shop:order", "worker shop:order"):
        assert f"setting 'codec': {name} {why}" in cli(*command.split(), *here, code=2).stderr
