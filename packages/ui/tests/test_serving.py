import asyncio

import httpx
import pytest
from flowcraft_core.errors import ConfigurationError
from flowcraft_ui import serving
from flowcraft_ui.serving import serve

from .helpers import Place


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
async def test_beyond_this_machine_it_wants_a_token(place: Place, host: str) -> None:
    with pytest.raises(ConfigurationError, match="set a token: FLOWCRAFT_UI_TOKEN"):
        await serve(place.client, print, host=host)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1", "[::1]"])
def test_what_is_this_machine(host: str) -> None:
    assert serving._is_loopback(host)


async def test_a_port_that_is_taken_is_named(place: Place) -> None:
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    async with taken:
        with pytest.raises(ConfigurationError, match=f"cannot be served at 127.0.0.1:{port}"):
            await serve(place.client, print, port=port)


async def test_it_is_served_until_it_is_told_to_stop(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    servers: list[serving._Server] = []
    made = serving._Server.__init__

    def keep(self: serving._Server, config: object) -> None:
        made(self, config)  # type: ignore[arg-type]
        servers.append(self)

    monkeypatch.setattr(serving._Server, "__init__", keep)
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(place.client, address.set_result, port=0, title="here"))
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(f"{await address}queues")
    assert (answer.status_code, "here" in answer.text) == (200, True)
    assert "server" not in answer.headers
    servers[0]._stop()
    await asyncio.wait_for(task, 20)
