"""What every command has: ``--json``, ``--debug``, its settings, and errors that are told rather than thrown."""

from __future__ import annotations

import contextlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import attrs
import click
from flowcraft_core.errors import FlowcraftError

from .exits import Answer, CommandError, Exit, code_of
from .output import Output, hold_all, unwritten
from .settings import SETTINGS, Settings


@attrs.define
class App:
    """What a command works with.

    Attributes:
        out: Where its words go.
        settings: Its settings.
    """

    out: Output
    settings: Settings


#: Options that set a setting, by the setting's name.
_OPTIONS: Mapping[str, Sequence[str]] = {
    "backend": ("-b", "--backend"),
    "flows": ("--flow", "flows"),
    "queues": ("--queue", "queues"),
    "processes": ("-n", "--processes"),
    "concurrency": ("-c", "--concurrency"),
}
_METAVARS = {"backend": "URL", "flows": "REF", "queues": "QUEUE"}


def setting_option(name: str) -> click.Option:
    """The option by which the command line says a setting."""
    declared = _OPTIONS.get(name, (f"--{name.replace('_', '-')}",))
    several = name in ("flows", "queues")
    return click.Option(
        list(declared),
        help=f"{SETTINGS[name].help}.".capitalize(),
        metavar=_METAVARS.get(name, "VALUE"),
        multiple=several,
    )


class Command(click.Command):
    """A command. Its callback takes an ``App`` first, and gives an ``Answer``, or the fields of one."""

    def __init__(self, *args: Any, settings: Sequence[str] = (), examples: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self._settings = tuple(settings)
        self.examples = inspect.cleandoc(examples)
        self.params += [setting_option(name) for name in self._settings]
        self.params += [
            click.Option(
                ["--json", "as_json"], is_flag=True, help="Print one JSON object, with `ok`, as the last line."
            ),
            click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."),
        ]

    def invoke(self, ctx: click.Context) -> Any:
        """Find the settings, call the function, and print its answer."""
        params = dict(ctx.params)
        out = Output(params.pop("as_json"))
        params.pop("debug")
        given = {name: params.pop(name) for name in self._settings}
        assert self.callback is not None
        app = App(out, Settings.find(given))
        # The last line is to be JSON, whatever steps and modules print, and wherever they leave a line.
        with contextlib.redirect_stdout(sys.stderr) if out.as_json else contextlib.nullcontext():
            answer = ctx.invoke(self.callback, app, **params)
            if inspect.iscoroutine(answer):
                import asyncio  # noqa: PLC0415 # for commands that wait

                answer = asyncio.run(answer)
        if not isinstance(answer, Answer):
            answer = Answer(answer or {})
        out.end(answer.code is Exit.OK, {**answer.fields, **({"exit": int(answer.code)} if answer.code else {})})
        return answer.code

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, after the options."""
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.splitlines():
                    formatter.write(f"{' ' * formatter.current_indent}{line}\n")


class Commands(click.Group):
    """A group of commands, in the order in which they were added."""

    command_class = Command

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(self.commands)


class CommandsOnDemand(MutableMapping[str, click.Command]):
    """Commands by name, each of which is loaded when it is asked for.

    Attributes:
        summaries: What each is for.
    """

    def __init__(self, modules: Mapping[str, Mapping[str, str]], load: Callable[[str], None]) -> None:
        """Load none.

        Args:
            modules: The names of commands, with what each is for, by the module that has them.
            load: Loads a module, which puts its commands here.
        """
        self.summaries = {name: summary for commands in modules.values() for name, summary in commands.items()}
        self._module_of = {name: module for module, commands in modules.items() for name in commands}
        self._load = load
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            self._load(self._module_of[name])
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._module_of[name], self.summaries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.summaries)

    def __len__(self) -> int:
        return len(self.summaries)


class Main(Commands):
    """The whole: every way in which a command can end becomes an exit code, and words that help."""

    commands: CommandsOnDemand
    group_class = Commands

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What each command is for; none is loaded for that."""
        summaries = self.commands.summaries
        limit = formatter.width - 6 - max(map(len, summaries))
        shown = {name: click.Command(name, help=text).get_short_help_str(limit) for name, text in summaries.items()}
        with formatter.section("Commands"):
            formatter.write_dl(list(shown.items()))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command, and exit."""
        arguments = list(sys.argv[1:] if args is None else args)
        ahead = arguments[: arguments.index("--")] if "--" in arguments else arguments
        out, debug = Output("--json" in ahead), "--debug" in ahead
        hold_all()
        try:
            code = super().main(arguments, prog_name, complete_var, standalone_mode=False, **extra)
        except BaseException as error:
            code = _told(error, out, debug=debug)
        if standalone_mode:
            sys.exit(int(code or 0))
        return code


def _told(error: BaseException, out: Output, *, debug: bool) -> int:
    """Tell of an error, and say with which code to exit."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if debug:
        traceback.print_exception(error)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return Exit.USAGE
    if isinstance(error, click.ClickException):
        usage = getattr(error, "ctx", None)
        hint = (
            f"\n{usage.get_usage()}\nTry '{usage.command_path} --help'."
            if usage is not None and not out.as_json
            else ""
        )
        out.error(f"{error.format_message()}{hint}", "UsageError", Exit.USAGE)
        return Exit.USAGE
    if isinstance(error, (click.exceptions.Abort, KeyboardInterrupt)):
        out.error("interrupted", "Interrupted", Exit.INTERRUPTED)
        return Exit.INTERRUPTED
    if isinstance(error, OSError) and traceback.extract_tb(error.__traceback__)[-1].filename == click.utils.__file__:
        error = unwritten(error)  # the help, or the version
    code = code_of(error)
    message = str(error) or type(error).__name__
    if isinstance(error, FlowcraftError) and "which is unknown here" in message:
        message += "; the setting 'flows' may name the flows that annotate it, or --serializer one that knows it"
    if code is Exit.DEFECT:
        message = f"flowcraft has a defect ({type(error).__name__}: {message}); --debug shows where"
    kind = type(error).__name__ if isinstance(error, FlowcraftError) else "Defect" if code is Exit.DEFECT else "Error"
    out.error(message, kind, code)
    return code


def unknown(message: str) -> CommandError:
    """What was named does not exist."""
    return CommandError(message, Exit.UNKNOWN)


Callback = Callable[..., Any]
