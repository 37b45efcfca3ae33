"""What each instance should have given, by the model: its input, its output, the edges it took and what they carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from .flows import AnyNode, Batch, Call, Flow, Loop, Sleep, Step, Wait, exit_id
from .folding import LAST, Fold, Position
from .meaning import Meaning, Status
from .places import Fact, Place, PlacedNode, Verdict, failure
from .script import Answer, Script, ScriptedError, uses_of
from .words import CONDITIONS, TRANSFORMS, Named, holds, holds_on, member, transformed, transformed_on

#: The action of a wait that nobody resumed in time.
TIMED_OUT = Answer(None, "timeout", {}, ())


@attrs.frozen
class Giving:
    """Gives the outcomes that instances should have, from the facts about what came before them.

    Attributes:
        meaning: What the facts mean.
        fold: The context values.
        script: What steps do.
    """

    meaning: Meaning
    fold: Fold
    script: Script

    def recorded(self) -> Iterator[tuple[str, Fact, list[Fact]]]:
        """Each recorded outcome by its key, and those that it may be: of a wait there are two.

        One that lost a race may be any: what it reads of the context may have been set after the race was over.
        """
        facts = self.meaning.facts.outcomes
        for place in self.meaning.places:
            for node in place.nodes():
                begins, ends = place.begins_at(node), place.ends_at(node)
                if not self.fold.counts(place, node):
                    yield from ((key, facts[key], [facts[key]]) for key in {begins, ends} & facts.keys())
                    continue
                if begins in facts and not facts[begins].void:
                    yield begins, facts[begins], self._begun(place, node)
                is_there = ends in facts and not facts[ends].void
                if is_there and ends != begins and not isinstance(node, (Step, Wait, Sleep, Verdict)):
                    yield ends, facts[ends], self._ended(place, node)

    def ready(self, key: str) -> list[Fact]:
        """The outcomes that an instance may come to which is ready."""
        place, node = self.meaning.ready()[key]
        if self.meaning.status[place, node.id] in (Status.LEAVING, Status.FAILING) and key == place.ends_at(node):
            if isinstance(node, (Step, Wait, Sleep, Verdict)):
                return [self._failing(place, node)]
            return self._ended(place, node)
        return self._begun(place, node)

    def _begun(self, place: Place, node: PlacedNode) -> list[Fact]:
        if isinstance(node, (Step, Wait, Sleep)):
            if self._comes_to_nothing(place, node):
                return [self._failing(place, node)]
            return self._simple(place, node, place.begins_at(node))
        return [self._enter(place, node)]

    def _ended(self, place: Place, node: AnyNode) -> list[Fact]:
        if self.meaning.causes(place, node):
            return [self._failing(place, node)]
        fact = self._leave(place, node)
        return [attrs.evolve(fact, taken=self._taken(place, node, fact))]

    # --- failures -------------------------------------------------------------------------------------------------

    def _comes_to_nothing(self, place: Place, node: PlacedNode) -> bool:
        """Whether it is a join of k that too few edges can win by now, and owes a failed outcome."""
        is_lost = bool(place.needed(node)) and not self.meaning.has_fired(place, node)
        return is_lost and bool(self.meaning.causes(place, node))

    def _failing(self, place: Place, node: PlacedNode) -> Fact:
        """The failed outcome that a construct or an `any` join commits: the first of the failures behind it."""
        key = self.meaning.causes(place, node)[0]
        first = self.meaning.facts.outcomes.get(key)
        if first is None or self.meaning.lacks_edges(place, node):
            first = failure(key, "JoinError", attempts=0)
        return self._failed(place, node, attrs.evolve(first, taken={}))

    def _failed(self, place: Place, node: PlacedNode, fact: Fact) -> Fact:
        """A failed outcome, with the edges that it takes.

        "Its failure edges whose condition holds are taken, with the error as the value." An always edge "is taken on
        success or failure whenever its condition holds; it carries output or error". "An expression that fails there
        leaves the edge untaken."
        """
        named = self._named_by(place, node, {})
        taken = {
            number: transformed_on(edge.transform, None, fact.error, named)
            for number, edge in enumerate(place.out_of(node))
            if edge.on != "success" and holds_on(edge.condition, None, None, fact.error, named)
        }
        return attrs.evolve(fact, taken=taken)

    # --- inputs ---------------------------------------------------------------------------------------------------

    def input_of(self, place: Place, node: PlacedNode) -> Any:
        """What an instance gets.

        "One incoming edge, or an `any` join: the taken edge's value. An `all` join of several edges: a dict by source
        node id, taken edges only. `inputs` on the node overrides both." Of a join of k "input and identity list the
        edges in the blueprint's order".
        """
        inputs = node.inputs if isinstance(node, (Step, Sleep, Batch)) else None
        before = self.fold.position(place, node, entering=True)
        if isinstance(inputs, str):
            return self._named(place, inputs, before)
        if inputs is not None:
            return {name: self._named(place, text, before) for name, text in inputs.items()}
        edges = place.into(node)
        if not edges:
            return place.given
        edges = self.meaning.claimed_edges(place, node) or edges
        taken = {
            exit_id(place.flow.node(edge.source)): carried[0]
            for edge in edges
            if (carried := self.meaning.carried(place, edge)) is not None
        }
        return next(iter(taken.values()), None) if len(edges) == 1 else taken

    def _named(self, place: Place, text: str, before: Position, entering: PlacedNode | None = None) -> Any:
        """A node's output or a context value, and one key of it; ``entering`` is a loop that has not begun yet."""
        name, _, path = text.partition(".")
        found = self._output(place, name, entering)
        value = self.fold.values(place.namespace or place, before=before).get(name) if found is None else found[0]
        return member(value, path) if path else value

    def _output(self, place: Place, name: str, entering: PlacedNode | None) -> tuple[Any] | None:
        around: Place | None = place
        while around is not None:
            if _has(around.flow, name):
                return (self._output_inside(around, name, entering),)
            around = around.parent if around.namespace is not None else None
        return None

    def _output_inside(self, place: Place, name: str, entering: PlacedNode | None) -> Any:
        """A node's output; of one inside a loop, that of the last pass."""
        for node in place.flow.nodes:
            if exit_id(node) == name:
                fact = self.meaning.facts.outcomes.get(place.ends_at(node))
                return None if fact is None else fact.output
            if isinstance(node, Loop) and _has(node.body, name):
                passes = [] if node is entering else self.meaning.begun(place, node)
                return self._output_inside(passes[-1], name, entering) if passes else None
        return None

    # --- outcomes -------------------------------------------------------------------------------------------------

    def _simple(self, place: Place, node: Step | Wait | Sleep, key: str) -> list[Fact]:
        match node:
            case Sleep():
                answers = [Answer(self.input_of(place, node), None, {}, ())]
            case Wait():
                answers = [self.script(uses_of(node.id), key, None, {}, 1)]
                answers += [] if node.timeout is None else [TIMED_OUT]
            case Step():
                answer = self._step(place, node, key)
                if isinstance(answer, int):
                    return [self._failed(place, node, failure(key, ScriptedError.__name__, answer))]
                answers = [answer]
        facts = [Fact(answer.output, answer.action, {}, answer.sets, answer.deletes) for answer in answers]
        return [attrs.evolve(fact, taken=self._taken(place, node, fact)) for fact in facts]

    def _step(self, place: Place, step: Step, key: str) -> Answer | int:
        """What a step gives, or after how many attempts it has failed: its own, or those of its fallback."""
        value = self.input_of(place, step)
        batch = place.node if isinstance(place.node, Batch) and not isinstance(place.node.worker, Flow) else None
        uses = uses_of(step.id) if batch is None else step.id
        values = self.fold.values(place.namespace or place, before=self.fold.position(place, step))
        read = {name: values.get(name) for name in self.script.turn(uses, key).reads}
        try:
            return self.script(uses, key, value, read, (batch or step).attempts)
        except ScriptedError:
            if step.fallback is None:
                return (batch or step).attempts
        # "The fallback node's result becomes the outcome of the node that it stands in for."
        try:
            return self.script(uses_of(step.fallback), key, value, {}, 1)
        except ScriptedError:
            return 1

    def _enter(self, place: Place, node: PlacedNode) -> Fact:
        value = self.input_of(place, node)
        match node:
            case Verdict():
                assert place.parent is not None
                assert isinstance(place.node, Loop)
                if not self._goes_on(place.parent, place.node, value, self._names_inside(place, node, place.node)):
                    return Fact(value, "break")
                condition, transform = place.node.feedback_condition, place.node.feedback_transform
                if condition is not None and not CONDITIONS[condition](value, None):
                    return Fact(value, "continue")
                return Fact(value, "continue", {0: value if transform is None else TRANSFORMS[transform](value)})
            case Loop():
                names = self._names_inside(place, node, node)
                goes_on = not node.checks_first or self._goes_on(place, node, value, names)
                return Fact(value, "continue" if goes_on else "break")
            case Batch():
                if not isinstance(value, list):
                    return failure(place.begins_at(node), "InputError")
                # "The number of lanes, min(n, total), a default for thousands of items included, is stored in the
                # entry's outcome." No list here is as long as that default.
                lanes = len(value) if node.concurrency is None else min(node.concurrency, len(value))
                given = {"items": len(value)}
                return Fact(given, items=tuple(value), lanes=lanes, context=self._called_with(place, node))
            case Call():
                return Fact(value, context=self._called_with(place, node))
        raise AssertionError(node)

    def _names_inside(self, place: Place, node: PlacedNode, loop: Loop) -> Named:
        """What names mean where a loop asks whether to go on: it has no output yet, and at its entry no pass."""
        before = self.fold.position(place, node, entering=True)
        if node is not loop:
            before = (*before, LAST)  # at the end of a pass all that was set in it is seen
        entering = loop if node is loop else None

        def named(name: str) -> Any:
            return None if name == loop.id else self._named(place, name, before, entering)

        return named

    def _called_with(self, place: Place, node: Batch | Call) -> dict[str, Any] | None:
        before = self.fold.position(place, node, entering=True)
        names = node.context
        return {name: self._named(place, text, before) for name, text in names.items()} if names else None

    @staticmethod
    def _goes_on(place: Place, loop: Loop, value: Any, named: Named) -> bool:
        # A conditional edge out of the loop leaves it early.
        leaves = [edge.condition for edge in place.out_of(loop) if edge.condition is not None and edge.on == "success"]
        return CONDITIONS[loop.condition](value, None) and not any(holds(text, value, None, named) for text in leaves)

    def _leave(self, place: Place, node: AnyNode) -> Fact:
        inside = self.meaning.inside(place, node)
        match node:
            case Loop():
                last = self.meaning.facts.outcomes[inside[-1].prefix[:-1] if inside else place.begins_at(node)]
                return Fact(last.output, last.action)
            case Batch():
                # "In input order: a failed item under tolerance gives its error in its place, one with nothing live
                # gives null."
                results = [
                    {"error": {"node": self.meaning.errors_in(item)[0]}}
                    if self.meaning.has_failed(item)
                    else self._last_of(item)
                    for item in inside
                ]
                if node.reduce:
                    # As batch(..., reduce=) says: so many at a time as a page has, in order; without any, once.
                    size = node.page_size or 1_000
                    results = [results[first : first + size] for first in range(0, len(results) or 1, size)]
                return Fact(results, sets={} if node.output is None else {node.output: results})
            case Call(outputs=None):
                return Fact(self._last_of(inside[0]))
            case Call():
                named = {name: self._named(inside[0], text, (LAST,)) for name, text in (node.outputs or {}).items()}
                return Fact(named, sets=named)
        raise AssertionError(node)

    def _last_of(self, place: Place) -> Any:
        """The last node's output; of several last nodes, a dict of those that have one; null if none has.

        "Its output stays its scope's output": a node that only failure edges leave is a last one, and what lies behind
        failure edges alone stands in for the only last one where that has no output.
        """
        last = [node for node in place.flow.nodes if place.ends_here(node)]
        own = [node for node in last if node.id in self._reached_without_failures(place)]
        if len(own) == 1:
            last = own if self._has_output(place, own[0]) else [node for node in last if node is not own[0]]
        done = [node for node in last if self._has_output(place, node)]
        outputs = {exit_id(node): self.meaning.facts.outcomes[place.ends_at(node)].output for node in done}
        return outputs if len(last) > 1 and outputs else next(iter(outputs.values()), None)

    def _has_output(self, place: Place, node: PlacedNode) -> bool:
        return self.meaning.status.get((place, node.id)) is Status.DONE

    @staticmethod
    def _reached_without_failures(place: Place) -> set[str]:
        reached = {node.id for node in place.flow.nodes if not place.into(node)}
        while True:
            more = {edge.target for edge in place.edges if edge.on != "failure" and edge.source in reached} - reached
            if not more:
                return reached
            reached |= more

    def _taken(self, place: Place, node: PlacedNode, fact: Fact) -> Mapping[int, Any]:
        """The edges that an outcome takes, with what they carry.

        "With an `action` in the result: edges with that action whose condition holds; if none matches, edges with no
        action whose condition holds." "An always edge has no action, stands outside the choice by action, and is taken
        whenever its condition holds."
        """
        output, action = fact.output, fact.action
        named = self._named_by(place, node, fact.sets)
        edges = list(enumerate(place.out_of(node)))
        holding = [
            (number, edge)
            for number, edge in edges
            if edge.on == "success" and (edge.condition is None or holds(edge.condition, output, action, named))
        ]
        taken = [(number, edge) for number, edge in holding if action is not None and edge.action == action]
        taken = taken or [(number, edge) for number, edge in holding if edge.action is None]
        carried = {number: transformed(edge.transform, output, named) for number, edge in taken}
        return carried | {
            number: transformed_on(edge.transform, output, None, named)
            for number, edge in edges
            if edge.on == "always" and holds_on(edge.condition, output, action, None, named)
        }

    def _named_by(self, place: Place, node: PlacedNode, sets: Mapping[str, Any]) -> Named:
        """What names mean in the expressions on a node's edges."""
        before = (*self.fold.position(place, node), (0, "", 0))  # what it has set itself is seen

        def named(name: str) -> Any:
            # "What the node itself has just given stands before what was there."
            return sets[name] if name in sets else self._named(place, name, before)

        return named


def _has(flow: Flow, name: str) -> bool:
    """Whether a graph, or a loop in it, has a node with that name."""
    return any(exit_id(node) == name or (isinstance(node, Loop) and _has(node.body, name)) for node in flow.nodes)
