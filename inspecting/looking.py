"""What a check has to hand: pages of the inspectors that are served, and words for what is not as it should be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

import attrs
from flowcraft_core.durable import Client
from flowcraft_core.ports import Backend
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

#: Seconds that a page may take, on a machine that has much else to do.
PATIENCE = 120.0


class WrongError(Exception):
    """Something is not as it should be."""


@attrs.define
class Eyes:
    """A reader with a browser.

    Attributes:
        browser: The browser.
        client: Looks at the runs past the pages.
        backend: Where they live.
        base: The address of an inspector that only looks.
        writer: The address of one that can change runs.
        context: The browser's windows, with what they keep.
        page: The window.
        heard: What the browser has complained of.
        foreign: The addresses on other hosts that were asked for.
    """

    browser: Browser
    client: Client
    backend: Backend
    base: str
    writer: str
    context: BrowserContext
    page: Page
    heard: list[str] = attrs.field(factory=list)
    foreign: list[str] = attrs.field(factory=list)

    @classmethod
    async def open(
        cls, browser: Browser, client: Client, backend: Backend, base: str, writer: str, **looks: Any
    ) -> Eyes:
        """Open a window.

        Args:
            browser: The browser.
            client: Looks past the pages.
            backend: Where runs live.
            base: An inspector that only looks.
            writer: One that can change runs.
            looks: Of the window: its size, colours, whether it moves.
        """
        context = await browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **looks})
        eyes = cls(browser, client, backend, base, writer, context, await context.new_page())
        eyes.page.set_default_timeout(PATIENCE * 1000)
        eyes.page.on("console", lambda said: eyes.heard.append(said.text) if said.type == "error" else None)
        eyes.page.on("pageerror", lambda error: eyes.heard.append(str(error)))
        eyes.page.on("request", lambda asked: None if _is_ours(asked.url) else eyes.foreign.append(asked.url))
        return eyes

    async def close(self) -> None:
        """Close the window."""
        await self.context.close()

    async def go(self, path: str, can_write: bool = False, /, **query: str) -> Page:
        """Go to a page; it must be shown."""
        address = f"{self.writer if can_write else self.base}{path}{'?' if query else ''}{urlencode(query)}"
        answer = await self.page.goto(address)
        if answer is None or answer.status != 200:
            raise WrongError(f"{address} answers {answer.status if answer else 'nothing'}")
        return self.page

    def node(self, name: str) -> Locator:
        """A node of the graph, by its key."""
        return self.page.locator(f'.node[data-name="{name}"]')

    async def sees(self, selector: str, text: str | None = None, seconds: float = PATIENCE) -> Locator:
        """Wait until something is on the page.

        Raises:
            WrongError: It does not come.
        """
        found = self.page.locator(selector).filter(has_text=text) if text else self.page.locator(selector)
        try:
            await expect(found.first).to_be_attached(timeout=seconds * 1000)
        except AssertionError:
            raise WrongError(f"{self.page.url} has no {selector} {text or ''}") from None
        return found

    async def reads(self, selector: str) -> str:
        """The text of the first that there is of something."""
        return " ".join((await self.page.locator(selector).first.inner_text()).split())

    async def many(self, selector: str) -> int:
        """How many there are of something."""
        return await self.page.locator(selector).count()


Check: TypeAlias = Callable[[Eyes], Awaitable[None]]


def _is_ours(address: str) -> bool:
    return address.startswith(("http://127.0.0.1:", "data:", "about:"))


def must(is_so: bool, what: str) -> None:
    """Say what is wrong unless something is so.

    Raises:
        WrongError: It is not so.
    """
    if not is_so:
        raise WrongError(what)


def keyed(text: str) -> str:
    """An id or a key as it stands in an address."""
    return quote(text, safe="")
