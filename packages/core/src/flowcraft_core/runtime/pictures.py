"""A run as a picture, while it is under way or from its facts."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ResumeError
from ..graph.facts import Suspension
from ..graph.instances import Instance
from ..graph.scopes import Graph
from ..graph.state import RunState
from ..serialization import Serializer
from .snapshots import Begun, restore

if TYPE_CHECKING:
    from ..pictures import Picture


def draw(
    *,
    graph: Graph,
    graphs: Mapping[str, Graph],
    run_id: str,
    status: str,
    state: RunState,
    suspensions: Mapping[str, Suspension],
    to_run: Collection[Instance],
    under_way: Collection[str] = (),
    undone: Collection[str] = (),
) -> Picture:
    """Draw a run.

    Args:
        graph: Its blueprint, compiled.
        graphs: That and all that it can call, by id.
        run_id: The run.
        status: Where it stands.
        state: What its facts say.
        suspensions: What is suspended, by key.
        to_run: The instances that are to run, or to go on.
        under_way: The keys of those at which somebody is.
        undone: The keys of those that were undone.
    """
    from ..pictures import RunFacts, picture_of  # noqa: PLC0415 # for those who want a picture

    facts = RunFacts(
        run_id=run_id,
        status=status,
        state=state,
        suspensions=suspensions,
        to_run=to_run,
        under_way=under_way,
        undone=undone,
    )
    return picture_of(graph, graphs.get, facts)


def picture_of_recorded(recorded: str, serializer: Serializer | None = None) -> Picture:
    """Draw a run from what was recorded of it.

    Args:
        recorded: What ``Client.export`` or ``RunResult.state`` gave.
        serializer: Reads values; only what decides the graph's way matters for a picture.

    Raises:
        ResumeError: It is no recorded run.
    """
    try:
        return picture_of_snapshot(json.loads(recorded), serializer or Serializer())
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ResumeError(f"this is no recorded run: {error!r}") from error


def picture_of_snapshot(snapshot: Mapping[str, Any], serializer: Serializer) -> Picture:
    """The same, where the text is read already.

    Raises:
        ResumeError: The snapshot has another format.
        KeyError, TypeError, ValueError, AttributeError: It is none.
    """
    begun = Begun.of(snapshot, serializer)
    state = RunState(begun.graph, begun.graphs.__getitem__, begun.context)
    restored = restore(state, snapshot, serializer.from_data)
    return draw(
        graph=begun.graph,
        graphs=begun.graphs,
        run_id=begun.run_id,
        status=snapshot["status"],
        state=state,
        suspensions={instance.key: suspension for instance, suspension in restored.suspended},
        to_run=[*restored.frontier, *(instance for instance, _ in restored.suspended)],
        undone=snapshot.get("undone", {}),
    )
