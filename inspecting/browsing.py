"""A real browser, an accessibility checker, and the command that is looked at: found, or installed where missing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

#: What must not be found: how bad axe says that something is.
SERIOUS = ("serious", "critical")


class MissingError(Exception):
    """What is needed to look at pages is not there, and cannot be installed."""


def chromium() -> str:
    """The path of a Chromium; Debian's is installed where there is none and this may be done.

    Raises:
        MissingError: There is none.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        print("installing chromium", file=sys.stderr, flush=True)
        env, said = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, ""
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]):
            said = subprocess.run(command, check=False, capture_output=True, text=True, env=env).stderr
        found = shutil.which("chromium")
        if found is None:
            raise MissingError(f"chromium cannot be installed: {said[-300:]}")
    if found is None:
        raise MissingError("there is no Chromium: install one (apt-get install chromium), or name it in CHROMIUM")
    return found


def axe() -> str:
    """The text of axe-core, as the package that brings it to Python has it."""
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A browser, without a window."""
    async with async_playwright() as playwright:
        # In a container there is no sandbox for root to have.
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        # New browsers keep other sites from what is served here; older ones are to be withstood, too.
        flags.append("--disable-features=LocalNetworkAccessChecks")
        started = await playwright.chromium.launch(executable_path=chromium(), args=flags)
        try:
            yield started
        finally:
            await started.close()


async def serious_findings(page: Page, script: str) -> list[str]:
    """What axe finds on a page that is serious: the rule, and where.

    Of a drawing with hundreds of nodes, for which it takes a minute, only the frame is looked at: small ones have the
    same nodes.
    """
    # The page's policy allows no script but its own: axe is evaluated by the browser's own hand.
    await page.evaluate(script)
    found: dict[str, Any] = await page.evaluate(
        "() => axe.run(document.querySelectorAll('.node').length > 100 ? { exclude: ['#graph-body'] } : document,"
        " { resultTypes: ['violations'] })"
    )
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:120]}"
        for each in found["violations"]
        if each["impact"] in SERIOUS
        for node in each["nodes"][:3]
    ]


@asynccontextmanager
async def serving(url: str, *options: str, env: Mapping[str, str] | None = None) -> AsyncIterator[tuple[str, int]]:
    """The command ``flowcraft ui`` on a backend: its address, and its process.

    Args:
        url: The backend.
        options: Of the command.
        env: Added to the environment.

    Raises:
        MissingError: It has ended instead.
    """
    command = [sys.executable, "-m", "flowcraft_cli", "ui", "--backend", url, "--port", "0", "--json", *options]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, **(env or {})}
    )
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise MissingError(f"flowcraft ui has ended with {await process.wait()}")
        yield str(json.loads(line)["address"]).rstrip("/"), process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 20)
