"""``python examples/pipeline``: see the README beside this file."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

from order_story import tell

if __name__ == "__main__":
    logging.getLogger("flowcraft").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        story = asyncio.run(tell(Path(folder)))
    done = {service: len(bodies) for service, bodies in sorted(story.services.done.items())}
    print("what the other services have done:", done)
    print("calls that they knew again:", sum(story.services.replayed.values()))
    print("documents that the printer turned away for a while:", story.services.turned_away)
    print("documents under way at once, at most:", story.services.most_at_work)
    print("attempts that any document took, at most:", max(story.attempts))
