from collections.abc import Callable

import httpx
import pytest
from flowcraft_core.errors import ConfigurationError
from flowcraft_ui import inspector
from flowcraft_ui.guard import HEADERS, MOST_BODY

from .helpers import BASE, Place, post

TOKEN = "a-long-enough-token"
HTML = {"accept": "text/html"}


@pytest.mark.parametrize("host", ["localhost", "localhost:8484", "127.0.0.1:1", "[::1]", "[::1]:80", "LOCALHOST"])
async def test_the_names_of_this_machine_are_served(place: Place, host: str) -> None:
    async with place.browsing() as browser:
        assert (await browser.get("/queues", headers={"host": host})).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "evil.example:80", "127.0.0.1.evil", ""])
async def test_another_name_is_not_served(place: Place, host: str) -> None:
    async with place.browsing() as browser:
        assert (await browser.get("/queues", headers={"host": host})).status_code == 421


async def test_a_name_of_ones_own_is_served_once_it_is_named(place: Place) -> None:
    async with place.browsing(allowed_hosts=["Runs.example.org"]) as browser:
        assert (await browser.get("/queues", headers={"host": "runs.example.org:443"})).status_code == 200
        assert (await browser.get("/queues")).status_code == 421
    async with place.browsing(allowed_hosts=["*"]) as browser:
        assert (await browser.get("/queues", headers={"host": "any.example"})).status_code == 200


def _foreign(headers: dict[str, str]) -> None:
    headers["origin"] = "http://evil.example"


def _none(headers: dict[str, str]) -> None:
    del headers["origin"]


def _null(headers: dict[str, str]) -> None:
    headers["origin"] = "null"


def _cross(headers: dict[str, str]) -> None:
    headers["sec-fetch-site"] = "cross-site"


@pytest.mark.parametrize("change", [_foreign, _none, _null, _cross])
async def test_a_form_of_another_origin_is_refused(place: Place, change: Callable[[dict[str, str]], None]) -> None:
    await place.waiting()
    async with place.browsing(allow_writes=True) as browser:
        answer = await post(browser, "/act?what=cancel&id=run", {"sure": "yes"}, change=change)
    assert (answer.status_code, (await place.client.status("run")).state) == (403, "awaiting")


@pytest.mark.parametrize("sign", ["", "0" * 64, "é"])
async def test_a_form_that_is_not_of_this_session_is_refused(place: Place, sign: str) -> None:
    await place.waiting()
    async with place.browsing(allow_writes=True) as browser:
        answer = await post(browser, "/act?what=cancel&id=run", {"sure": "yes", "sign": sign})
    assert (answer.status_code, (await place.client.status("run")).state) == (403, "awaiting")


async def test_a_form_of_somebody_elses_session_is_refused(place: Place) -> None:
    await place.waiting()
    app = inspector(place.client, allow_writes=True)
    transport = httpx.ASGITransport(app)
    async with (
        httpx.AsyncClient(transport=transport, base_url=BASE) as one,
        httpx.AsyncClient(transport=transport, base_url=BASE) as other,
    ):
        from .helpers import sign_in

        sign = sign_in((await one.get("/act?what=cancel&id=run")).text)
        await other.get("/")
        headers = {"origin": BASE}
        answer = await other.post("/act?what=cancel&id=run", data={"sign": sign, "sure": "yes"}, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"method": "PUT", "url": "/"}, 405),
        ({"method": "DELETE", "url": "/act?what=cancel&id=run"}, 405),
        ({"method": "GET", "url": f"/?q={'x' * 20_000}"}, 414),
        ({"method": "POST", "url": "/act", "content": b"{}", "headers": {"content-type": "application/json"}}, 415),
        ({"method": "POST", "url": "/act", "content": b"", "headers": {"content-length": "x"}}, 413),
        ({"method": "GET", "url": "/static/../inspector.py"}, 404),
        ({"method": "GET", "url": "/static/%2e%2e/inspector.py"}, 404),
        ({"method": "GET", "url": "/static/..%2finspector.py"}, 404),
        ({"method": "GET", "url": "/static/%2fetc%2fpasswd"}, 404),
    ],
)
async def test_what_no_page_asks_for_is_refused(place: Place, request_: dict[str, object], status: int) -> None:
    given = dict(request_)
    headers = {"origin": BASE, **(given.pop("headers", {}) or {})}  # type: ignore[dict-item]
    async with place.browsing(allow_writes=True) as browser:
        assert (await browser.request(headers=headers, **given)).status_code == status  # type: ignore[arg-type]


async def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(place: Place) -> None:
    async def stream() -> object:
        for _ in range(3):
            yield b"a=" + b"x" * (MOST_BODY // 2)

    headers = {"origin": BASE, "content-type": "application/x-www-form-urlencoded"}
    async with place.browsing(allow_writes=True) as browser:
        said = await browser.post("/act?what=cancel&id=x", content=b"x" * (MOST_BODY + 1), headers=headers)
        unsaid = await browser.post("/act?what=cancel&id=x", content=stream(), headers=headers)  # type: ignore[arg-type]
    assert (said.status_code, unsaid.status_code) == (413, 413)


async def test_each_answer_says_what_a_browser_may_do_with_it(place: Place) -> None:
    async with place.browsing() as browser:
        for path in ("/", "/nothing", "/static/inspector.js"):
            headers = (await browser.get(path)).headers
            assert {name: headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in HEADERS["content-security-policy"]


async def test_with_a_token_nobody_comes_in_without_it(place: Place) -> None:
    async with place.browsing(token=TOKEN) as browser:
        for path in ("/", "/run?id=x", "/run/events?id=x", "/run/value?id=x", "/act?what=cancel", "/counts"):
            assert (await browser.get(path)).status_code == 401
            assert (await browser.get(path, headers=HTML)).headers["location"] == "/login"
        for given in ("", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer é"):
            answer = await browser.get("/queues", headers=[(b"authorization", given.encode())])
            assert answer.status_code == 401
        assert (await browser.get("/queues", headers={"authorization": f"Bearer {TOKEN}"})).status_code == 200


async def test_where_runs_live_is_told_to_those_who_have_come_in_only(place: Place) -> None:
    async with place.browsing(token=TOKEN, title="sqlite:///runs.db", allow_writes=True) as browser:
        before = (await browser.get("/login")).text
        assert "sqlite" not in before
        assert "can change runs" not in before
        await post(browser, "/login", {"token": TOKEN})
        assert "sqlite:///runs.db" in (await browser.get("/")).text


async def test_who_says_the_token_is_let_in_until_he_leaves(place: Place) -> None:
    async with place.browsing(token=TOKEN) as browser:
        assert (await post(browser, "/login", {"token": "wrong"})).status_code == 403
        answer = await post(browser, "/login", {"token": TOKEN})
        assert answer.headers["location"] == "/"
        assert "HttpOnly; SameSite=Lax" in answer.headers["set-cookie"]
        assert TOKEN not in answer.headers["set-cookie"]
        assert (await browser.get("/queues")).status_code == 200
        await post(browser, "/queues", {})
        page = (await browser.get("/queues")).text
        assert "Log out" in page
        from .helpers import sign_in

        left = await browser.post("/logout", data={"sign": sign_in(page)}, headers={"origin": BASE})
        assert left.headers["location"] == "/login"
        assert (await browser.get("/queues")).status_code == 401


async def test_a_session_that_somebody_made_up_is_none(place: Place) -> None:
    async with place.browsing(token=TOKEN) as browser:
        for value in ("x.1.9999999999.0", "x.1.9999999999", "", "x" * 5_000, "a.b.c.d"):
            assert (await browser.get("/queues", headers={"cookie": f"flowcraft={value}"})).status_code == 401


async def test_guessing_comes_to_an_end(place: Place) -> None:
    async with place.browsing(token=TOKEN) as browser:
        for number in range(10):
            assert (await post(browser, "/login", {"token": f"guess {number}"})).status_code in (403, 429)
        answer = await post(browser, "/login", {"token": TOKEN})
        assert answer.status_code == 429
        assert (await browser.get("/queues", headers={"authorization": f"Bearer {TOKEN}"})).status_code == 401


@pytest.mark.parametrize("options", [{"token": "short"}, {"secret": b"short"}])
async def test_a_token_that_could_be_guessed_is_refused(place: Place, options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="at least"):
        inspector(place.client, **options)  # type: ignore[arg-type]


async def test_a_defect_is_logged_without_what_it_was_about(
    place: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a secret value")

    monkeypatch.setattr(place.client, "queues", fails)
    text = await place.get("/queues", 500)
    assert "a secret value" not in text + caplog.text
    assert "RuntimeError at test_guard.py" in caplog.text
