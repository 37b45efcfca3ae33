"""``inprocess --peers``: the same graphs here and in other engines, and as loops written by hand.

Each way is a process of its own, the peers' in environments of their own, which are made once. All are measured in
turns, so that what disturbs the machine for a moment disturbs them alike; what counts is the processor's time, of all
threads, which other programs disturb least. A round measures each way once for each shape and size; its figure is the
middle of the rounds. Flows that a builder makes are measured by two processes: what these two differ by is what such a
measurement cannot tell apart, and by so much, or by a twentieth, decorated flows may be dearer.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

# The environments are made as those of the integration tests' servers are.
sys.path.insert(0, str(Path(__file__).parents[1] / "integration"))

from servers import python_environment

#: Of the graphs.
SIZES = (10, 100, 1_000)

_HERE = Path(__file__).parent
_SHAPES = ("chain", "fan", "batch", "loop")
#: About so many nodes are run for a figure.
_NODES = 1_000
_FLOOR, _BUILT, _AGAIN, _DECORATED = "by hand", "Flowcraft, built", "Flowcraft, built again", "Flowcraft, decorated"
#: The modules of ``ways`` that measure the ways, and the requirements of those that have an environment of their own.
_WAYS: dict[str, tuple[str, str | None]] = {
    _FLOOR: ("by_hand_loops", None),
    _BUILT: ("flowcraft_built", None),
    _AGAIN: ("flowcraft_built", None),
    _DECORATED: ("flowcraft_decorated", None),
    "Burr": ("with_burr", "burr"),
    "LangGraph": ("with_langgraph", "langgraph"),
    "pydantic-graph": ("with_pydantic_graph", "pydantic_graph"),
}
#: What a decorated flow may cost of a built one; and the shapes for which they do the same.
_MOST, _ALIKE = 1.05, ("chain", "batch", "loop")
#: Built and decorated flows are measured so many times in a round, in turns.
_TURNS = 3


def run(rounds: int, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Measure, print line by line, and give the figures."""
    with contextlib.ExitStack() as stack:
        ways = {name: stack.enter_context(_Way(*what)) for name, what in _WAYS.items()}
        for name, way in ways.items():
            print(f"{name}: {way.version}; {way.settings}")
        rows = [_row(ways, shape, nodes, rounds) for shape in _SHAPES for nodes in sizes]
    ratio, noise = decorated(rows)
    bound = max(_MOST, 1 + noise)
    print(
        f"decorated flows take {ratio:.3f} of the time of built ones, {bound:.3f} is allowed; two processes with the"
        f" same built flows differ by {noise:.1%}"
    )
    return {
        "ok": ratio <= bound,
        "rounds": rounds,
        "ways": {name: {"version": way.version, "settings": way.settings} for name, way in ways.items()},
        "rows": rows,
        "decorated_to_built": ratio,
        "noise": noise,
        "bound": bound,
    }


def _row(ways: dict[str, _Way], shape: str, nodes: int, rounds: int) -> dict[str, Any]:
    """The microseconds that a node takes each way: the middle, least and most; and how its steps were written."""
    taken: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in way.kinds} for name, way in ways.items()}
    gave: set[int] = set()
    for _ in range(rounds):
        for turn in range(_TURNS):
            for name, way in ways.items():
                if turn and not name.startswith("Flowcraft"):
                    continue
                for kind, each in taken[name].items():
                    told = way.ask(shape, nodes, kind, max(1, _NODES // nodes))
                    each.append(told["processor"] / nodes * 1e6)
                    gave.add(told["gave"])
    if len(gave) != 1:
        raise RuntimeError(f"{shape} of {nodes}: not all gave the same, but {gave}")
    row: dict[str, Any] = {"shape": shape, "nodes": nodes, "us_per_node": {}}
    for name, by_kind in taken.items():
        kind, best = min(by_kind.items(), key=lambda item: statistics.median(item[1]))
        row["us_per_node"][name] = {
            "median": statistics.median(best),
            "min": min(best),
            "max": max(best),
            "steps": kind,
        }
    said = ", ".join(f"{name} {each['median']:,.1f}" for name, each in row["us_per_node"].items() if name != _AGAIN)
    print(f"{shape:<5} {nodes:>6,} nodes, us of a processor each: {said}", flush=True)
    return row


def decorated(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """What decorated flows take of the time of built ones, and by how much two processes of built ones differ."""
    alike = [row["us_per_node"] for row in rows if row["shape"] in _ALIKE]
    built = [(each[_BUILT]["median"] + each[_AGAIN]["median"]) / 2 for each in alike]
    ratio = statistics.median(each[_DECORATED]["median"] / one for each, one in zip(alike, built, strict=True))
    noise = statistics.median(abs(each[_BUILT]["median"] / each[_AGAIN]["median"] - 1) for each in alike)
    return ratio, noise


class _Way(contextlib.AbstractContextManager["_Way"]):
    """A process that runs graphs in one way; see ``peer_program``."""

    def __init__(self, module: str, requirements: str | None) -> None:
        """Start it."""
        python, self.version = sys.executable, "of this repository"
        if requirements is not None:
            file = _HERE / "ways" / f"{requirements}-requirements.txt"
            python = str(python_environment(file) / "python")
            self.version = file.read_text(encoding="utf-8").splitlines()[-1]
        self._module = module
        self._process = subprocess.Popen(
            [python, str(_HERE / "peer_program.py"), module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        said = self._line()
        self.settings: str = said["settings"]
        self.kinds: list[str] = said["ways"]

    def ask(self, shape: str, nodes: int, kind: str, runs: int) -> dict[str, Any]:
        """What one run takes, of so many in a row."""
        assert self._process.stdin is not None
        print(json.dumps([shape, nodes, kind, runs]), file=self._process.stdin, flush=True)
        return self._line()

    def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if not said:
            raise RuntimeError(f"{self._module} ended with {self._process.wait()}; above is what it said")
        line: dict[str, Any] = json.loads(said)
        return line

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)
