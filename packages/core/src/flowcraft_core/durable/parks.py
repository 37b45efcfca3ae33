"""Under which keys it is stored that an instance is parked: one for a wait or sleep, one per failed attempt."""

from __future__ import annotations

from ..blueprint import SLEEP, WAIT
from ..graph.facts import Park
from ..graph.instances import Instance
from ..graph.scopes import Kind
from ..retries import RetryPolicy

_SUFFIX = ":park"  # a colon is escaped in ids, so no node's key ends like this


def park_key(key: str, park: Park) -> str:
    """The key of an instance's park record."""
    if park.kind != "retry":
        return key + _SUFFIX
    return _retry_key(key, park.attempt, standing_in=park.standing_in)


def park_keys(instance: Instance) -> list[str]:
    """The keys of all park records that an instance may have, in the order in which it can come by them."""
    vertex, key = instance.vertex, instance.key
    if vertex.kind is not Kind.STEP:
        return []
    keys = [key + _SUFFIX] if vertex.node.uses in (WAIT, SLEEP) else []
    keys += [_retry_key(key, attempt, standing_in=False) for attempt in range(1, vertex.retry.max_attempts)]
    if vertex.fallback is not None:
        most = RetryPolicy.from_config(vertex.fallback.config).max_attempts
        keys += [_retry_key(key, attempt, standing_in=True) for attempt in range(1, most)]
    return keys


def _retry_key(key: str, attempt: int, *, standing_in: bool) -> str:
    """For the failed attempt of the node's own step, or of the one that stands in for it."""
    return f"{key}:{'fallback' if standing_in else 'attempt'}:{attempt}"
