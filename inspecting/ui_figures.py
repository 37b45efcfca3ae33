"""How quick the inspector is with ten thousand runs, and with a batch of ten thousand items; and its memory."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from browsing import serving
from flowcraft_core.durable import Client
from flowcraft_core.ports import Backend, RunStatus
from playwright.async_api import Browser
from sample_runs import reaches

_MANY = 10_000
_PATIENCE = 300_000  # milliseconds, on a machine that has much else to do
#: By name: the address, and what is to be seen.
_VIEWS = {
    "runs": ("/?flow=many", "tbody tr"),
    "counts": ("/", "ul#counts li a"),
    "runs_by_tag": ("/?flow=many&tag=number%3D3", "tbody tr"),
    "batch_folded": ("/run?id=figures-wide", ".node"),
    "batch_open": ("/run?id=figures-wide&inside=work", "tbody tr"),
    "batch_open_again": ("/run?id=figures-wide&inside=work", "tbody tr"),
    "batch_item": ("/run?id=figures-wide&inside=work%5B9%5D", ".node"),
}


async def figures(browser: Browser, backend: Backend, client: Client, url: str, many: int = _MANY) -> dict[str, Any]:
    """Measure it.

    Args:
        browser: A browser.
        backend: Where the runs are made.
        client: A client there, with a worker behind it.
        url: The same backend's, for the command.
        many: How many runs and items there are.
    """
    now = time.time()
    for number in range(many):
        await backend.status.create(
            RunStatus(
                run_id=f"many-{number:05d}",
                state="awaiting",
                blueprint_id="many",
                created=now - number,
                updated=now - number,
                next_check=None,
                tags={"number": str(number % 7)},
            )
        )
    await client.start("wide", {"items": many}, run_id="figures-wide")
    await reaches(client, "figures-wide", "completed", seconds=600)
    async with serving(url) as (base, pid):
        at_rest = _resident(pid)
        found = {name: await _view(browser, base + path, selector, pid) for name, (path, selector) in _VIEWS.items()}
        return {"runs": many, "items": many, "views": found, "memory_at_rest": at_rest, "memory": _resident(pid)}


async def _view(browser: Browser, address: str, selector: str, pid: int) -> dict[str, Any]:
    """Seconds until something is to be seen in a new window, those of the server's processor, and the bytes sent."""
    context = await browser.new_context()
    page = await context.new_page()
    sent: list[int] = []
    page.on("response", lambda answer: sent.append(int(answer.headers.get("content-length", 0))))
    begun, worked = time.monotonic(), _processor(pid)
    await page.goto(address, wait_until="commit", timeout=_PATIENCE)
    await page.locator(selector).first.wait_for(timeout=_PATIENCE)
    took, worked = time.monotonic() - begun, _processor(pid) - worked
    await context.close()
    return {"seconds": round(took, 2), "processor": round(worked, 2), "bytes": sum(sent)}


def _processor(pid: int) -> float:
    """Seconds of processor time that a process has had, where the system says so: what other programs do not change."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> int:
    """Bytes of memory that a process has, where the system says so."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * 4_096
