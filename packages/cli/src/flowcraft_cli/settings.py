"""Settings, and where each comes from: the command line, the environment, a file of the project, or a default."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import attrs
from flowcraft_core import ConfigurationError
from flowcraft_core.settings import VISIBILITY
from flowcraft_core.sizes import parse_bytes
from flowcraft_core.urls import hide_secrets

from .exits import CommandError

FILE = "flowcraft.toml"
_PREFIX = "FLOWCRAFT_"


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("give text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = json.loads(value)
    elif isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)):
        raise ValueError("give a list")
    return tuple(map(_text, value))


def _count(value: Any) -> int:
    number = int(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else 0
    if number < 1:
        raise ValueError("give a whole number from 1 on")
    return number


def _number(value: Any) -> float:
    number = float(value) if not isinstance(value, bool) else -1.0
    if not 0 <= number < float("inf"):
        raise ValueError("give a number of seconds")
    return number


def _size(value: Any) -> int | str:
    size = int(value) if isinstance(value, str) and value.isdecimal() else value
    try:
        parse_bytes("memory", size)
    except ConfigurationError as error:
        raise ValueError("give a number of bytes, or text like 256MiB") from error
    return cast("int | str", size)


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if str(value).lower() not in words:
            raise ValueError(f"give one of {', '.join(words)}")
        return str(value).lower()

    return read


@attrs.frozen
class Setting:
    """A setting that there is.

    Attributes:
        help: What it is for.
        read: Makes its value of what was given, or raises ``ValueError``.
        default: Its value if nothing is given.
        show: Its value as it may be shown.
    """

    help: str
    read: Callable[[Any], Any]
    default: Any = None
    show: Callable[[Any], Any] = lambda value: value


#: Every setting by name. In the environment it is FLOWCRAFT_ and its name in capitals.
SETTINGS: Mapping[str, Setting] = {
    "backend": Setting("the URL of the backend, such as sqlite:///runs.db", _text, show=hide_secrets),
    "flows": Setting("where flows are: module, module:name, file.py:name or file.json", _texts, ()),
    "serializer": Setting("module:name of the Serializer for your own types", _text),
    "codec": Setting("module:name of the PayloadCodec of what is stored", _text),
    "queues": Setting("the queues that workers serve, in the order of their priority", _texts, ("default",)),
    "processes": Setting("how many worker processes there are", _count, 1),
    "concurrency": Setting("how many steps run at once in each worker process", _count, 16),
    "grace": Setting("seconds that steps under way get when a worker is stopped", _number, 30.0),
    "poll": Setting("seconds for which an idle worker waits for a message at a time", _number, 10.0),
    "visibility": Setting("seconds for which a job is hidden from other workers at a time", _number, VISIBILITY),
    "reconcile_interval": Setting("seconds after which the reconciler looks at a run again", _number, 60.0),
    "retention": Setting(
        "how long ended runs are kept before workers purge them, such as 30d; for ever by default", _text
    ),
    "memory": Setting("what each worker process keeps of what it has read, such as 256MiB", _size, "128MiB"),
    "lint_ignore": Setting("the codes of rules that `flowcraft lint` leaves out", _texts, ()),
    "ui_token": Setting("what one has to say to see the page of `flowcraft ui`", _text, show=lambda _: "***"),
    "log_level": Setting(
        "the level from which on log lines are shown", _one_of("debug", "info", "warning", "error"), "info"
    ),
    "log_format": Setting("text or json", _one_of("text", "json"), "text"),
}


@attrs.frozen
class Value:
    """A setting's value.

    Attributes:
        value: The value.
        source: Where it comes from, for people.
    """

    value: Any
    source: str


@attrs.frozen
class Settings:
    """The settings of one command.

    Attributes:
        values: By name.
        root: The folder of the file that they come from, if there is one, else the current one. Modules are found
            there, and ``{root}`` in the file stands for it.
    """

    values: Mapping[str, Value]
    root: Path

    def __getitem__(self, name: str) -> Any:
        return self.values[name].value

    def shown(self, name: str) -> Any:
        """A setting's value as it may be shown."""
        value = self[name]
        return None if value is None else SETTINGS[name].show(value)

    @classmethod
    def find(
        cls, given: Mapping[str, Any], environment: Mapping[str, str] | None = None, start: Path | None = None
    ) -> Settings:
        """Put the settings together.

        Args:
            given: What the command line says; None where it says nothing.
            environment: The environment.
            start: The folder from which on upwards a file is looked for.

        Raises:
            CommandError: A file cannot be read, or a setting does not exist or cannot mean anything.
        """
        environment = os.environ if environment is None else environment
        here = _here()
        path, table = _file_above(start or here)
        root = here if path is None else path.parent
        for name in table:
            if name not in SETTINGS:
                import difflib  # noqa: PLC0415 # for names that are misspelt

                near = difflib.get_close_matches(name, SETTINGS, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(SETTINGS)}"
                raise CommandError(f"{path}: there is no setting {name!r}; {hint}")
        values: dict[str, Value] = {}
        for name, setting in SETTINGS.items():
            variable = _PREFIX + name.upper()
            if given.get(name) not in (None, ()):
                raw, source = given[name], "command line"
            elif environment.get(variable):
                raw, source = environment[variable], f"environment, {variable}"
            elif name in table:
                raw, source = _in(root, table[name]), str(path)
            else:
                values[name] = Value(setting.default, "default")
                continue
            try:
                values[name] = Value(setting.read(raw), source)
            except (TypeError, ValueError) as error:
                why = str(error) if str(error).startswith("give") else "it cannot be read"
                raise CommandError(f"setting {name!r} ({source}): {why}; it is {setting.help}") from None
        return cls(values, root)


def _file_above(folder: Path) -> tuple[Path | None, Mapping[str, Any]]:
    """The nearest file with settings, from a folder on upwards, and its table."""
    for above in (folder, *folder.parents):
        path = above / FILE
        if path.is_file():
            return path, _read(path)
        path = above / "pyproject.toml"
        if path.is_file():
            tools = _read(path).get("tool", {})
            table = tools.get("flowcraft") if isinstance(tools, dict) else None  # else it is none of ours to refuse
            if isinstance(table, dict):
                return path, table
            if table is not None:
                raise CommandError(f"{path}: tool.flowcraft is to be a table of settings, [tool.flowcraft]")
    return None, {}


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise CommandError(f"the current folder cannot be read: {error}") from error


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error


def _in(root: Path, value: Any) -> Any:
    """A value of a file, with the file's folder in the place of ``{root}``."""
    if isinstance(value, str):
        return value.replace("{root}", str(root))
    return [_in(root, each) for each in value] if isinstance(value, list) else value
