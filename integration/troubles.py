"""What can go wrong between the clients of a contract and their store, as switches of proxies."""

from __future__ import annotations

from collections.abc import Sequence

from proxy import Plan, Proxy


class ProxyTrouble:
    """A ``flowcraft_testkit.contracts.Trouble``."""

    def __init__(self, proxies: Sequence[Proxy]) -> None:
        """Take the proxies that all clients of a test go through."""
        self._proxies = proxies

    async def cut(self) -> None:
        """See ``Trouble``."""
        for proxy in self._proxies:
            proxy.cut()

    async def take_down(self) -> None:
        """See ``Trouble``."""
        for proxy in self._proxies:
            proxy.take_down()

    async def bring_up(self) -> None:
        """See ``Trouble``."""
        for proxy in self._proxies:
            proxy.bring_up()

    async def refuse(self) -> None:
        """See ``Trouble``; the clients' rights are taken."""
        for proxy in self._proxies:
            proxy.set_plan(Plan(["forbidden"], rate=1.0))
