"""How quick the inspector is with ten thousand runs, and with a batch of ten thousand items; and its memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from browsing import serving
from flowcraft_core.durable import Client
from flowcraft_core.ports import Backend, RunStatus
from playwright.async_api import Browser
from sample_runs import reaches

_MANY = 10_000


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
    with serving(url) as (base, pid):
        at_rest = _resident(pid)
        found = {
            "runs": await _view(browser, f"{base}/?flow=many", "tbody tr"),
            "counts": await _view(browser, f"{base}/", "ul#counts li a"),
            "runs_by_tag": await _view(browser, f"{base}/?flow=many&tag=number%3D3", "tbody tr"),
            "batch_folded": await _view(browser, f"{base}/run?id=figures-wide", ".node"),
            "batch_open": await _view(browser, f"{base}/run?id=figures-wide&inside=work", "tbody tr"),
            "batch_open_again": await _view(browser, f"{base}/run?id=figures-wide&inside=work", "tbody tr"),
            "batch_item": await _view(browser, f"{base}/run?id=figures-wide&inside=work%5B9999%5D", ".node"),
        }
        return {"runs": many, "items": many, "views": found, "memory_at_rest": at_rest, "memory": _resident(pid)}


async def _view(browser: Browser, address: str, selector: str) -> dict[str, Any]:
    """Seconds until something is to be seen in a new window, and the bytes that were sent for it."""
    context = await browser.new_context()
    page = await context.new_page()
    sent: list[int] = []
    page.on("response", lambda answer: sent.append(int(answer.headers.get("content-length", 0))))
    begun = time.monotonic()
    await page.goto(address, wait_until="commit", timeout=120_000)
    await page.locator(selector).first.wait_for(timeout=120_000)
    took = time.monotonic() - begun
    await context.close()
    return {"seconds": round(took, 2), "bytes": sum(sent)}


def _resident(pid: int) -> int:
    """Bytes of memory that a process has, where the system says so."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * 4_096
