import re
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from flowcraft_core import NodeContext, SystemClock, create_flow
from flowcraft_core.durable import Client, Reconciler
from flowcraft_core.durable.waiting import limited_key, say_limited
from flowcraft_core.ports import Message
from flowcraft_core.schedules import firing_id
from flowcraft_testkit.contracts.scheduling import Ahead
from flowcraft_ui import hiding

from .helpers import Place

RUN_VIEWS = ("", "/instances", "/timeline", "/context", "/waits", "/cost", "/diff")


async def test_the_list_shows_runs_and_their_states(place: Place) -> None:
    await place.waiting()
    await place.failed()
    text = await place.get("/")
    assert "run?id=run" in text
    assert "run?id=bad" in text
    assert "awaiting" in text
    assert "failed" in text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"run", "bad"}),
        ("?state=failed", {"bad"}),
        ("?state=failed&state=awaiting", {"run", "bad"}),
        ("?flow=shop", {"run"}),
        ("?tag=kind%3Dtest", {"run"}),
        ("?tag=kind%3Dother", set()),
        ("?since=1h", {"run", "bad"}),
        ("?until=2020-01-01", set()),
        ("?since=2020-01-01T10:00&until=2100-01-01", {"run", "bad"}),
        ("?q=ba", {"bad"}),
        ("?q=zz", set()),
    ],
)
async def test_the_list_is_searched_by_what_stands_in_its_address(place: Place, query: str, found: set[str]) -> None:
    await place.waiting()
    await place.failed()
    text = await place.get(f"/{query}")
    assert set(re.findall(r'<th scope="row"><a href="/run\?id=(\w+)"', text)) == found


async def test_an_id_leads_to_its_run(place: Place) -> None:
    await place.failed()
    async with place.browsing() as browser:
        assert (await browser.get("/?q=bad")).headers["location"] == "/run?id=bad"


@pytest.mark.parametrize("query", ["?tag=nothing", "?since=soon", "?after=xyz"])
async def test_a_search_that_means_nothing_is_told_so(place: Place, query: str) -> None:
    assert "That did not work" in await place.get(f"/{query}", 400)


async def test_runs_come_page_by_page(place: Place) -> None:
    for number in range(55):
        await place.client.start("shop", run_id=f"r{number}", delay=600)
    first = await place.get("/?flow=shop")
    after = re.search(r'rel="next" href="([^"]+)"', first)
    assert after is not None
    second = await place.get(after[1].replace("&amp;", "&"))
    ids = [set(re.findall(r'<th scope="row"><a href="/run\?id=(\w+)"', text)) for text in (first, second)]
    assert (len(ids[0]), len(ids[1]), len(ids[0] & ids[1])) == (50, 5, 0)
    assert 'rel="first"' in second


async def test_runs_are_counted_by_state(place: Place) -> None:
    await place.waiting()
    await place.failed()
    text = await place.get("/counts")
    counts = re.findall(r"state=(\w+)\">.*?<strong>(\d+)", text, re.DOTALL)
    assert dict(counts) == {"running": "0", "awaiting": "1", "completed": "0", "failed": "1", "cancelled": "0"}


@pytest.mark.parametrize("view", RUN_VIEWS)
@pytest.mark.parametrize("run_id", ["run", "bad"])
async def test_each_view_of_a_run_is_shown(place: Place, view: str, run_id: str) -> None:
    await (place.waiting() if run_id == "run" else place.failed())
    assert f"<h1>{run_id}" in await place.get(f"/run{view}?id={run_id}")


async def test_the_graph_shows_states_ways_and_what_can_be_opened(place: Place) -> None:
    await place.waiting()
    text = await place.get("/run?id=run")
    looks = {name: look for look, name in re.findall(r'class="node s-([\w-]+) k-\w+" data-name="([^"]+)"', text)}
    assert looks == {
        "choose": "done",
        "left": "done",
        "right": "dead",
        "list": "done",
        "each": "done",
        "again": "done",
        "call": "done",
        "ask": "done",
        "approve": "waiting",
        "ship": "pending",
        "refund": "pending",
    }
    edges = {told: look for look, told in re.findall(r'class="edge e-(\w+)"><title>([^<]+)', text)}
    assert edges["from choose to left, left: taken"] == "taken"
    assert edges["from choose to right, right: skipped"] == "skipped"
    assert edges["from each to again: taken"] == "taken"  # into a loop
    assert edges["from ask to approve: flowing"] == "flowing"
    assert edges["from approve to ship, approved: open"] == "open"
    assert set(re.findall(r'class="open" href="/run\?id=run&amp;inside=(\w+)"', text)) == {"each", "again", "call"}
    assert "3 of 3 items ended" in text


async def test_a_failure_that_is_handled_is_told_as_that(place: Place) -> None:
    await place.client.start("minded", run_id="minded")
    await place.reaches("minded", "completed")
    text = await place.get("/run?id=minded")
    looks = {name: look for look, name in re.findall(r'class="node s-([\w-]+) k-\w+" data-name="([^"]+)"', text)}
    assert looks == {"fails": "handled", "minds": "done", "cleans": "done", "goes_on": "dead"}
    edges = {told: look for look, told in re.findall(r'class="edge e-(\w+)"><title>([^<]+)', text)}
    assert edges == {
        "from fails to minds, on failure, if error.attempts &gt; 0: taken": "taken",
        "from fails to cleans, on always: taken": "taken",
        "from fails to goes_on: skipped": "skipped",
    }
    text = await place.get("/run/instance?id=minded&key=fails")
    assert "no address for &lt;b&gt;Ada&lt;/b&gt;" in text
    assert "to <strong>minds</strong> on failure" in text
    assert '<rect class="b-failed"' in await place.get("/run/timeline?id=minded")


@pytest.mark.parametrize(
    ("inside", "shown"),
    [
        ("each", {"each[0].each", "each[1].each", "each[2].each"}),
        ("each[1]", {"each[1].each"}),
        ("again", {"again[0].turn", "again[0].turned", "again[0]"}),
        ("again[0]", {"again[0].turn", "again[0].turned", "again[0]"}),
        ("call", {"call/inner"}),
    ],
)
async def test_what_is_folded_is_opened(place: Place, inside: str, shown: set[str]) -> None:
    await place.waiting()
    for view in ("", "/instances", "/timeline"):
        text = await place.get(f"/run{view}?id=run&inside={quote(inside)}")
        found = {key.replace("%2F", "/") for key in re.findall(r"instance\?id=run&amp;key=([^\"]+)", text)}
        assert {key.replace("%5B", "[").replace("%5D", "]") for key in found} >= shown


async def test_an_item_is_opened_by_its_number(place: Place) -> None:
    await place.waiting()
    text = await place.get("/run/instances?id=run&inside=each&item=2")
    assert "each[2].each" in text
    assert "each[1].each" not in text


async def test_an_instance_shows_all_that_there_is_of_it(place: Place) -> None:
    await place.failed()
    text = await place.get("/run/instance?id=bad&key=fails")
    assert "no address for &lt;b&gt;Ada&lt;/b&gt;" in text
    assert "Traceback" in text
    assert "2,000 of 5,002 characters" in text
    whole = await place.get("/run/value?id=bad&key=fails&part=input")
    assert whole == f'"{"x" * 5_000}"'


@pytest.mark.parametrize(
    ("run_id", "key", "has_output"), [("run", "choose", True), ("run", "approve", False), ("bad", "fails", False)]
)
async def test_what_has_no_output_is_not_told_to_have_put_out_null(
    place: Place, run_id: str, key: str, has_output: bool
) -> None:
    await (place.waiting() if run_id == "run" else place.failed())
    output = (await place.get(f"/run/instance?id={run_id}&key={key}")).partition("<h3>Output</h3>")[2]
    shown = output.partition("<h3>")[0]
    assert ("<pre" in shown, "None" in shown) == (has_output, not has_output)


async def test_a_value_is_served_as_text_and_as_nothing_else(place: Place) -> None:
    await place.waiting()
    async with place.browsing() as browser:
        answer = await browser.get("/run/value?id=run&part=context&name=card")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["owner"] == "<Ada>"


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [("output", "", '{\n  "n": 1\n}'), ("taken", "0", '{\n  "n": 1\n}'), ("sets", "card", None), ("input", "", "null")],
)
async def test_each_value_can_be_had_whole(place: Place, part: str, name: str, value: str | None) -> None:
    await place.waiting()
    text = await place.get(f"/run/value?id=run&key=choose&part={part}&name={name}")
    assert value is None or text == value


async def test_the_context_is_shown_and_the_waits(place: Place) -> None:
    await place.waiting()
    assert "s3cr3t" in await place.get("/run/context?id=run")
    assert "somebody&#39;s answer" in await place.get("/run/waits?id=run")


async def test_what_is_redacted_stands_on_no_page(place: Place) -> None:
    await place.waiting()
    for path in (
        "/run/context?id=run",
        "/run/instance?id=run&key=choose",
        "/run/value?id=run&part=context&name=card",
        "/run/value?id=run&key=choose&part=sets&name=card",
    ):
        assert "s3cr3t" not in await place.get(path, redact=hiding("token"))


async def test_a_fork_is_compared_with_what_it_was_forked_from(place: Place) -> None:
    await place.failed()
    again = (await place.client.redrive("bad", new_run_id="again")).run_id
    await place.reaches(again, "failed")
    text = await place.get("/run/diff?id=again")
    assert "How it differs from" in text
    assert "They do not differ" in text
    await place.waiting()
    assert "the run" in await place.get("/run/diff?id=again&other=run")


async def test_the_place_is_shown(place: Place) -> None:
    assert "None has been heard of" in await place.get("/workers")
    assert "<caption>Messages, about</caption>" in await place.get("/queues")


async def test_schedules_are_shown_with_their_times_and_their_runs(place: Place) -> None:
    assert "There are none" in await place.get("/schedules")
    hourly = await place.client.schedules.make("hourly", "shop", every="1h")
    await place.client.schedules.make("<nightly>", "broken", cron="30 2 * * *", timezone="Europe/Oslo")
    await place.client.schedules.pause("<nightly>")
    text = await place.get("/schedules")
    assert text.index("&lt;nightly&gt;") < text.index("hourly")
    assert "<nightly>" not in text
    assert "<code>30 2 * * *</code> Europe/Oslo" in text
    assert f"{datetime.fromtimestamp(hourly.upcoming[0], UTC):%Y-%m-%d %H:%M:%S} UTC" in text
    assert ("s-active" in text, "s-paused" in text, "act?what" in text) == (True, True, False)
    run_id = (await place.client.schedules.trigger("hourly")).run_id
    link = "/?tag=schedule%3Dhourly"
    assert f'href="{link}"' in text
    assert run_id in await place.get(link)


async def test_the_run_that_a_schedule_has_started_last_is_shown(place: Place) -> None:
    made = await place.client.schedules.make("hourly", "broken", every="1h")
    reconciler = Reconciler(place.backend, clock=Ahead(SystemClock(), 3_700.0))
    assert (await reconciler.reconcile_schedule("hourly")).fired == 1
    run_id = firing_id("hourly", made.upcoming[0])
    assert f">{run_id}</a>" in await place.get("/schedules")
    await place.reaches(run_id, "failed")


async def test_only_so_many_schedules_are_listed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowcraft_ui.source.MOST_SCHEDULES", 1)
    for name in ("one", "two"):
        await place.client.schedules.make(name, "broken", every="1h")
    assert "1 schedules, and there are more" in await place.get("/schedules")


async def test_dead_letters_are_shown(place: Place) -> None:
    assert "There are none" in await place.get("/dead-letters")
    await place.backend.queue.send([Message("<b>no job</b>")])
    letters = await place.letters()
    letter = quote(letters[0].run_id)
    assert letter.replace("%3A", ":") in (await place.get("/dead-letters")).replace("%3A", ":")
    assert "&lt;b&gt;no job&lt;/b&gt;" in await place.get(f"/dead-letter?id={letter}")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/run?id=nothing", 404),
        ("/run", 400),
        ("/run?id=bad&inside=nothing", 400),
        ("/run/instance?id=bad&key=nothing", 404),
        ("/run/value?id=bad&key=fails&part=nothing", 404),
        ("/run/value?id=bad&part=context&name=nothing", 404),
        ("/dead-letter?id=bad", 404),
        ("/nothing", 404),
        ("/run/diff?id=bad&other=nothing", 404),
    ],
)
async def test_what_is_not_there_is_said_to_be_missing(place: Place, path: str, status: int) -> None:
    await place.failed()
    assert "That did not work" in await place.get(path, status)


async def test_no_page_needs_anything_from_elsewhere_or_has_a_script_or_a_style_in_it(place: Place) -> None:
    await place.waiting()
    for view in RUN_VIEWS:
        text = await place.get(f"/run{view}?id=run", allow_writes=True)
        assert not re.findall(r'(?:src|href|action)="(?:https?:)?//', text)
        assert not re.search(r"<style|style=|<script>|\son\w+=", text)
        assert re.findall(r"<script[^>]*>", text) == [
            '<script src="/static/looks.js">',
            '<script type="module" src="/static/inspector.js">',
        ]


async def test_it_can_be_mounted_anywhere(place: Place) -> None:
    import httpx
    from flowcraft_ui import inspector
    from starlette.applications import Starlette
    from starlette.routing import Mount

    await place.waiting()
    app = Starlette(routes=[Mount("/ops/runs", inspector(place.client, token="t" * 16))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as browser:
        assert (await browser.get("/ops/runs/", headers={"accept": "text/html"})).headers[
            "location"
        ] == "/ops/runs/login"
        assert (await browser.get("/ops/runs/static/inspector.css")).status_code == 200
        text = (await browser.get("/ops/runs/run?id=run", headers={"authorization": f"Bearer {'t' * 16}"})).text
        assert set(re.findall(r'(?:href|src|action)="/(\w+)', text)) == {"ops"}


async def test_what_waits_for_a_place_says_under_which_limit(place: Place) -> None:
    async def step(ctx: NodeContext) -> None: ...

    flow = create_flow("asking").node("ask", step, limit="api:{context.who}")
    client = Client(place.backend, flows=[flow])
    await client.start(flow, {"who": "<b>"}, run_id="waits", delay=3_600)
    said = limited_key(await client._stored.record("waits"), "ask")
    await place.backend.coordination.set_if_absent(said, say_limited("a job", ["api:<b>"]), ttl=60)
    text = await place.get("/run/instance?id=waits&key=ask")
    assert "It waits for a place under limit api:&lt;b&gt;." in text
    for path in ("/run?id=waits", "/run/instances?id=waits"):
        text = await place.get(path)
        assert "waits for limit api:&lt;b&gt;" in text
        assert "s-limited" in text
