"""A blueprint as the text of a Mermaid diagram."""

from __future__ import annotations

import html

from flowcraft_core import Blueprint, Edge, Node
from flowcraft_core.blueprint import BATCH, BATCH_GATHER, BATCH_SCATTER, LOOP_CONTROLLER, SLEEP, SUBFLOW, WAIT

# What a node looks like, by what the engine itself does there: Mermaid's brackets around its label.
_SHAPES = {
    BATCH: ("[[", "]]"),
    BATCH_SCATTER: ("[/", "\\]"),
    BATCH_GATHER: ("[\\", "/]"),
    LOOP_CONTROLLER: ("{{", "}}"),
    SUBFLOW: ("[[", "]]"),
    WAIT: ("([", "])"),
    SLEEP: ("([", "])"),
}


def mermaid(blueprint: Blueprint) -> str:
    """The text. Nodes are called n0, n1, ..., so that no id can be read as a word of Mermaid's."""
    names = {node.id: f"n{place}" for place, node in enumerate(blueprint.nodes)}
    lines = ["flowchart TD"]
    lines += [f"    {names[node.id]}{_shape(node)}" for node in blueprint.nodes]
    for edge in blueprint.edges:
        label = _label(edge)
        arrow = f'-->|"{label}"|' if label else "-->"
        lines.append(f"    {names.get(edge.source, '?')} {arrow} {names.get(edge.target, '?')}")
    for node in blueprint.nodes:
        fallback = node.config.fallback if node.config is not None else None
        if fallback in names:
            lines.append(f'    {names[node.id]} -.->|"fallback"| {names[fallback]}')
    return "\n".join(lines)


def _shape(node: Node) -> str:
    left, right = _SHAPES.get(node.uses, ("[", "]"))
    what = f"<br/>{_text(node.uses)}" if node.uses in _SHAPES else ""
    return f'{left}"{_text(node.id)}{what}"{right}'


def _label(edge: Edge) -> str:
    parts = [edge.action, edge.condition and f"if {edge.condition}"]
    return "<br/>".join(_text(part) for part in parts if part)


def _text(text: str) -> str:
    return html.escape(text.replace("\n", " "), quote=True).replace("&#x27;", "&#39;").replace("`", "&#96;")
