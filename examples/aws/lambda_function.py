"""The same flow in Lambda: ``lambda_function.handler`` for the queue, ``lambda_function.reconcile`` for a schedule."""

from __future__ import annotations

from place import make_adapter

# Made once per instance of the function: its clients and connections live from one invocation to the next.
adapter = make_adapter()
handler = adapter.lambda_handler
reconcile = adapter.reconcile_handler
