"""Instance keys: readable, and injective whatever characters ids contain.

==========================  =========================================
``check``                   a node of the flow itself
``retry_loop[2].check``     ``check`` in the third pass of a loop
``retry_loop[2]``           that pass's verdict: go on, or leave
``pages[17].ocr``           the worker of the eighteenth item of a batch
``charge/validate``         ``validate`` inside the subflow ``charge``
``charge:entry``            what ``charge`` was called with
==========================  =========================================

The worker of a batch is called as the blueprint uses it, or as the batch if the flow brings it: ``pages[17].pages``.

Inside an id, the characters that structure a key (``% [ ] . / :``, and ``<``, behind which an idempotency key names the
edge that won a join) and control characters are percent-encoded.
"""

from __future__ import annotations

import re

_RESERVED = re.compile(r"[%\[\]./:<\x00-\x1f\x7f]")

ENTRY_SUFFIX = ":entry"

#: The first construct in a key, its pass or item if it says one, and what comes between it and what is inside.
STEP_IN = re.compile(r"([^\[\]./:]+)(?:\[(\d{1,12})\])?([./]|$)")


def escape(node_id: str) -> str:
    """A node id as it stands in a key."""
    return _RESERVED.sub(lambda match: f"%{ord(match[0]):02X}", node_id)


def scope_prefix(parent: str, construct_id: str, index: int | None, *, namespace: bool) -> str:
    """What the keys inside a pass, an item or a subflow call begin with.

    Args:
        parent: The prefix of the scope that the construct stands in.
        construct_id: The escaped id of the loop, batch or subflow.
        index: The pass or item; None for a subflow's only call.
        namespace: Whether the scope has a context of its own (then ``/`` instead of ``.``).
    """
    position = "" if index is None else f"[{index}]"
    return f"{parent}{construct_id}{position}{'/' if namespace else '.'}"


def step_name(flow_id: str, node_id: str, role: str | None = None) -> str:
    """The name under which a flow's blueprint uses a step that the flow brings.

    Names are stored, and outlive deployments. So they are made of where the step stands and of nothing else: not of the
    function, which may be called like others or not at all, nor of what there is beside it, nor of the order in which
    it was added. A node that becomes something else has another name.

    Args:
        flow_id: The flow.
        node_id: The node.
        role: What the step is to the node, if not the node itself: its ``fallback``, a batch's ``worker``, or what says
            whether its errors are worth another attempt, ``retry_if``.
    """
    place = f"{escape(flow_id)}/{escape(node_id)}"
    return place if role is None else f"{place}/{role}"
