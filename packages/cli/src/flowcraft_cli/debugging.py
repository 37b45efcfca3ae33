"""Stops in a step: a breakpoint of Python's own debugger on its first line, in whatever thread it runs."""

from __future__ import annotations

import dis
import inspect
import pdb  # noqa: T100 - it is what is asked for
import sys
from collections.abc import Awaitable, Callable
from types import CodeType
from typing import Any

import attrs
from flowcraft_core.steps import BaseNode, Implementation


class Debugger(pdb.Pdb):
    """A debugger that runs on until it comes to a breakpoint.

    Attributes:
        was_quit: Whether somebody has ended it by ``q``.
    """

    def __init__(self) -> None:
        terminal = sys.stdin.isatty()  # else nobody edits lines
        # In a step's thread there are no signals.
        super().__init__("tab", None if terminal else sys.stdin, None if terminal else sys.stdout, nosigint=True)
        self.was_quit = False

    def set_quit(self) -> None:
        """Called by ``q``."""
        self.was_quit = True
        super().set_quit()

    def begin(self, code: CodeType) -> None:
        """Watch this thread, for the first line of a function."""
        lines = [line for _, line in dis.findlinestarts(code) if line is not None and line > code.co_firstlineno]
        self.reset()
        self.botframe = sys._getframe()
        self.set_break(code.co_filename, lines[0] if lines else code.co_firstlineno, temporary=True)
        self.set_continue()
        sys.settrace(self.trace_dispatch)


def stopping_in(debugger: Debugger) -> Callable[[Implementation], Implementation]:
    """What makes an implementation stop in a debugger before its first line.

    Args:
        debugger: The debugger.
    """

    def wrap(implementation: Implementation) -> Implementation:
        code, call = _code_of(implementation.step), implementation.call

        def plain(ctx: Any) -> Any:
            debugger.begin(code)
            try:
                return call(ctx)
            finally:
                sys.settrace(None)

        async def asynchronous(ctx: Any) -> Any:
            debugger.begin(code)
            try:
                awaited: Awaitable[Any] = call(ctx)
                return await awaited
            finally:
                sys.settrace(None)

        return attrs.evolve(implementation, call=asynchronous if implementation.is_async else plain)

    return wrap


def _code_of(step: object) -> CodeType:
    """The code of what a user has written: of a class its ``exec``."""
    function: Any = step
    if isinstance(step, type) and issubclass(step, BaseNode):
        function = step.exec
    elif not hasattr(inspect.unwrap(function), "__code__"):
        function = type(step).__call__
    code: CodeType = inspect.unwrap(function).__code__
    return code
