"""``hatch run ui-test``: the inspector in a real browser, looked at, attacked, and measured, on SQLite.

Every view is checked in Chromium, which is installed where it is missing and this may be done; axe-core looks for what
keeps people out; each attack must fail, and each of the defences, taken back, must let one succeed. Pictures of all
views, dark and light, as wide as a desk and as a phone, are left in ``inspecting/pictures``. With ``--json`` the last
line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from attacking import World
from attacks import ATTACKS, TAKEN_BACK
from browsing import MissingError, axe, browser, serious_findings, serving
from flowcraft_core.durable import Client
from flowcraft_core.ports import Backend
from looking import PATIENCE, Check, Eyes, WrongError, must
from page_checks import PAGE_CHECKS
from playwright.async_api import Browser
from reader_checks import READER_CHECKS
from sample_runs import make, working
from ui_figures import figures

_PICTURES = Path(__file__).parent / "pictures"
_TOKEN = "a-token-for-the-checks"  # noqa: S105 - made up

#: Every view, by name.
VIEWS = {
    "runs": "/",
    "counts": "/counts",
    "graph": "/run?id=order-open",
    "graph-failed": "/run?id=order-broken",
    "graph-large": "/run?id=order-large",
    "graph-subflow": "/run?id=order-open&inside=charge",
    "batch": "/run?id=order-wide&inside=work",
    "loop": "/run?id=order-open&inside=improve",
    "instances": "/run/instances?id=order-open",
    "timeline": "/run/timeline?id=order-open",
    "instance": "/run/instance?id=order-again&key=address",
    "instance-under-way": "/run/instance?id=order-long&key=pages",
    "context": "/run/context?id=order-open",
    "waits": "/run/waits?id=order-open",
    "cost": "/run/cost?id=order-done",
    "diff": "/run/diff?id=order-again",
    "resume": "/act?what=resume&id=order-open&key=approve",
    "cancel": "/act?what=cancel&id=order-open",
    "workers": "/workers",
    "queues": "/queues",
    "schedules": "/schedules",
    "dead-letters": "/dead-letters",
    "login": "/login",
    "not-there": "/run?id=nothing",
}
_LOOKS: dict[str, dict[str, Any]] = {
    "desk-light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "desk-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone-light": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
    "phone-dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True},
}


@attrs.define
class Report:
    """What was found.

    Attributes:
        checks: How many checks were made.
        failed: What is not as it should be, by check.
    """

    checks: int = 0
    failed: dict[str, str] = attrs.field(factory=dict)

    @contextlib.contextmanager
    def check(self, name: str) -> Iterator[None]:
        """Make a check, and note what is wrong."""
        begun = time.monotonic()
        self.checks += 1
        name = name.replace("_", " ")
        try:
            yield
        except Exception as error:  # of the browser, or of what is looked at: the others are made all the same
            self.failed[name] = f"{type(error).__name__}: {error}"[:500]
            print(f"FAILED  {name}: {self.failed[name]}", flush=True)
        else:
            print(f"ok      {name}, {time.monotonic() - begun:.1f} s", flush=True)


async def look(report: Report, eyes: Eyes, checks: list[Check]) -> None:
    """Make checks, each of which must not have the browser complain, nor anything asked of another host."""
    for check in checks:
        with report.check(check.__name__):
            eyes.heard.clear()
            await check(eyes)
            must(not eyes.foreign, f"another host was asked: {eyes.foreign[:3]}")
            heard = [said for said in eyes.heard if "status of 4" not in said]
            must(not heard, f"the browser complains: {heard[:3]}")


async def log_in(report: Report, seen_by: Browser, client: Client, backend: Backend, url: str) -> None:
    """Check the login, of the command as it is."""
    with report.check("with a token one logs in and out"):
        async with serving(url, env={"FLOWCRAFT_UI_TOKEN": _TOKEN}) as (base, _):
            eyes = await Eyes.open(seen_by, client, backend, base, base)
            page = eyes.page
            await page.goto(f"{base}/run?id=order-open")
            must(page.url == f"{base}/login", "it is shown without a token")
            await page.get_by_label("Token").fill("a wrong one, to be sure")
            await page.get_by_role("button", name="Log in").click()
            await eyes.sees('[role="alert"]', "That is not the token")
            await page.get_by_label("Token").fill(_TOKEN)
            await page.get_by_role("button", name="Log in").click()
            await eyes.sees("h1", "Runs")
            await page.get_by_role("button", name="Log out").click()
            await page.wait_for_url("**/login")
            await page.goto(f"{base}/run?id=order-open")
            must(page.url == f"{base}/login", "who has left is still in")
            await eyes.close()


async def picture(report: Report, seen_by: Browser, base: str, script: str) -> int:
    """Take pictures of all views, and have axe look at each of them."""
    _PICTURES.mkdir(exist_ok=True)
    for old in _PICTURES.glob("*.png"):
        old.unlink()
    for looks, options in _LOOKS.items():
        with report.check(f"axe finds nothing serious: {looks}"):
            context = await seen_by.new_context(**options)
            page, findings = await context.new_page(), dict[str, str]()
            page.set_default_timeout(PATIENCE * 1000)
            for name, path in VIEWS.items():
                await page.goto(base + path)
                await page.wait_for_timeout(250)
                await page.screenshot(path=_PICTURES / f"{name}-{looks}.png", full_page=name != "batch")
                for found in await serious_findings(page, script):
                    findings.setdefault(found.partition(" ")[0], f"{name}: {found}")  # one of each rule is enough
            await context.close()
            must(not findings, "; ".join(findings.values()))
    return len(list(_PICTURES.glob("*.png")))


async def attack(report: Report, world: World) -> dict[str, Any]:
    """Attack; then take back each defence, and attack again."""
    through, needless = [], []
    for each in ATTACKS:
        with report.check(f"no success: {each.__name__}"):
            if await each(world):
                through.append(each.__name__)
                raise WrongError("it has come through")
    for defence, each in TAKEN_BACK.items():
        with report.check(f"with {defence.__name__} there is success: {each.__name__}"), defence():
            if not await each(world):
                needless.append(defence.__name__)
                raise WrongError("it has not come through: the defence is not what stops it")
    return {
        "attacks": len(ATTACKS),
        "succeeded": through,
        "defences_taken_back": len(TAKEN_BACK),
        "without_effect": needless,
    }


async def test(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Do all of it."""
    report = Report()
    found: dict[str, Any] = {}
    is_made = (folder / "runs.db").exists()
    url, parts = f"sqlite:///{folder}/runs.db", set(options.only or ("checks", "pictures", "attacks", "figures"))
    redact = ("--redact", "flowcraft_sample:redact")
    (folder / "flowcraft_sample.py").write_text("from flowcraft_ui import hiding\nredact = hiding('token')\n")
    env = {"PYTHONPATH": str(folder)}
    async with working(url) as (backend, client), browser() as seen_by:
        if not is_made:
            await make(backend, client)
        async with (
            serving(url, *redact, env=env) as (base, _),
            serving(url, "--allow-writes", *redact, env=env) as (writer, _),
        ):
            if "pictures" in parts:
                found["pictures"] = await picture(report, seen_by, writer, axe())
            if "checks" in parts:
                eyes = await Eyes.open(seen_by, client, backend, base, writer)
                await look(report, eyes, [*PAGE_CHECKS, *READER_CHECKS])
                await eyes.close()
                await log_in(report, seen_by, client, backend, url)
        if "attacks" in parts:
            found.update(await attack(report, World(client, seen_by)))
    if "figures" in parts:
        url = f"sqlite:///{folder}/many.db"
        async with working(url) as (backend, client), browser() as seen_by:
            found["figures"] = await figures(seen_by, backend, client, url, options.many)
            for name, view in found["figures"]["views"].items():
                said = f"{view['seconds']} s, {view['processor']} s of the server's processor, {view['bytes']:,} bytes"
                print(f"figure  {name}: {said}", flush=True)
    return {"checks": report.checks, "failed": report.failed, **found}


def main() -> int:
    """Look at it; the exit code says whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a JSON object as the last line")
    parser.add_argument("--only", action="append", choices=["checks", "pictures", "attacks", "figures"])
    parser.add_argument("--folder", type=Path, help="where runs are kept for the next time; forgotten by default")
    parser.add_argument("--many", type=int, default=10_000, help="how many runs and items the figures are for")
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="flowcraft-inspecting-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            found = asyncio.run(test(options, folder.resolve()))
        except MissingError as error:
            found = {"checks": 0, "failed": {"what is needed": str(error)}}
            print(f"FAILED  {error}", file=sys.stderr)
    ok = not found["failed"]
    if options.json:
        print(json.dumps({"ok": ok, **found, "seconds": round(time.monotonic() - begun, 1)}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
