"""What every way of describing a flow ends in: a compiled blueprint, and the steps that it uses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .blueprint import Blueprint
from .graph.scopes import Graph
from .steps import Implementation

if TYPE_CHECKING:
    from .pictures import Picture


class FlowDefinition(ABC):
    """A flow that was described in Python, with its steps: what runtimes and clients take.

    Attributes:
        id: Name under which runtimes and subflows refer to it.
    """

    id: str

    @property
    @abstractmethod
    def takes(self) -> Any:
        """The type of its input, as far as annotations say."""

    @property
    @abstractmethod
    def gives(self) -> Any:
        """The type of its output, likewise."""

    @property
    @abstractmethod
    def implementations(self) -> Mapping[str, Implementation]:
        """The flow's steps by the name under which its blueprint uses them."""

    @property
    @abstractmethod
    def called(self) -> Mapping[str, FlowDefinition]:
        """The flows that it calls and that it was given as such, by id; a runtime takes them with this one."""

    @property
    def annotated(self) -> Iterable[tuple[str, Any]]:
        """The annotations of values that it takes, gives and hands on, each with where it stands."""
        return ()

    def of_context(self, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """The initial context values of a run that are given by name, built as annotations say.

        Raises:
            ConfigurationError: One cannot be built; the message names the part.
        """
        return context

    def answered(self, node_id: str, output: Any) -> Any:
        """The answer to one of its waits, built as the wait says.

        Raises:
            ConfigurationError: It cannot be built; the message names the part.
        """
        return output

    @abstractmethod
    def compile(self) -> Graph:
        """The flow, compiled; done once and kept until the flow is changed.

        Raises:
            BlueprintError: See ``to_blueprint``.
        """

    @abstractmethod
    def begin(self, given: Any) -> Mapping[str, Any]:
        """The initial context values of a run, by name, from what it is started with."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    def to_blueprint(self) -> Blueprint:
        """The flow as data, checked.

        Raises:
            BlueprintError: It cannot mean anything; the error lists every problem, by node and with a remedy.
        """
        return self.compile().blueprint

    # --- how it looks ---------------------------------------------------------------------------------------------

    def to_mermaid(self) -> str:
        """The flow as the text of a Mermaid diagram, loops and called flows with what is inside of them.

        Raises:
            BlueprintError: See ``to_blueprint``.
        """
        from .pictures import mermaid  # noqa: PLC0415 # for those who want a picture

        return mermaid(self.to_picture())

    def to_svg(self) -> str:
        """The flow as an SVG picture; in a notebook it shows itself so.

        Raises:
            BlueprintError: See ``to_blueprint``.
        """
        from .pictures import svg  # noqa: PLC0415 # as above

        return svg(self.to_picture())

    def to_picture(self) -> Picture:
        """The flow as boxes and lines, for those who draw it otherwise.

        Raises:
            BlueprintError: See ``to_blueprint``.
        """
        from .pictures import picture_of  # noqa: PLC0415 # as above

        known, waiting = dict(self.called), list(self.called.values())
        while waiting:
            for flow_id, flow in waiting.pop().called.items():
                if flow_id not in known:
                    known[flow_id] = flow
                    waiting.append(flow)
        return picture_of(self.compile(), lambda flow_id: known[flow_id].compile() if flow_id in known else None)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows: the picture, or why there is none yet."""
        from .pictures import shown  # noqa: PLC0415 # as above

        return shown(self.to_picture, repr(self))
