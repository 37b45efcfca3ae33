"""The checks of what each view shows. The name of a check is its sentence."""

from __future__ import annotations

import re

from looking import Check, Eyes, must
from playwright.async_api import expect
from sample_flows import MARKUP, SECRET
from sample_runs import until, waits_at

ROW = 'tbody th[scope="row"] a:not(.small)'


# --- runs -------------------------------------------------------------------------------------------------------------


async def the_list_shows_every_run_the_newest_first(eyes: Eyes) -> None:
    page = await eyes.go("/")
    shown = await page.locator(ROW).all_inner_texts()
    known = {run.run_id async for run in eyes.client.runs()}
    must(set(shown) == known, f"shown are {shown}")
    must("the newest first" in await eyes.reads("caption"), "the order is not told")


async def runs_are_counted_by_state(eyes: Eyes) -> None:
    await eyes.go("/")
    await eyes.sees("ul#counts li a")
    told = dict(re.findall(r"(\w+) (\d+)", await eyes.reads("ul#counts")))
    real: dict[str, int] = {}
    async for run in eyes.client.runs():
        real[run.state] = real.get(run.state, 0) + 1
    must({state: int(count) for state, count in told.items() if count != "0"} == real, f"told {told}, real {real}")


async def a_count_leads_to_its_runs(eyes: Eyes) -> None:
    page = await eyes.go("/")
    await (await eyes.sees("ul#counts a", "failed")).first.click()
    await page.wait_for_url("**/?state=failed")
    states = set(await page.locator("tbody td .state").all_inner_texts())
    must(len(states) == 1 and "failed" in states.pop(), "others are shown, too")


async def runs_are_found_by_a_part_of_their_id(eyes: Eyes) -> None:
    page = await eyes.go("/")
    await page.get_by_label("Id, or a part of it").fill("wide")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**q=wide**")
    must(await page.locator(ROW).all_inner_texts() == ["order-wide"], "the wrong ones are found")


async def a_whole_id_leads_to_its_run(eyes: Eyes) -> None:
    page = await eyes.go("/")
    await page.get_by_label("Id, or a part of it").fill("order-open")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/run?id=order-open")


async def runs_are_found_by_flow_tag_state_and_time(eyes: Eyes) -> None:
    page = await eyes.go("/")
    await page.get_by_label("Flow").fill("orders")
    await page.get_by_label("Tags").fill("tenant=acme, kind=nightly")
    await page.get_by_label("Since").fill("1d")
    await page.get_by_role("checkbox", name="completed").check()
    await page.get_by_role("button", name="Search").click()
    await page.wait_for_url("**state=completed**")
    must(await page.locator(ROW).all_inner_texts() == ["order-done"], "the wrong ones are found")
    must(await page.get_by_label("Flow").input_value() == "orders", "what was asked for is not kept")


async def the_back_button_leads_back(eyes: Eyes) -> None:
    page = await eyes.go("/", flow="orders")
    await page.locator(ROW).first.click()
    await page.wait_for_url("**/run?id=**")
    await page.get_by_role("link", name="Timeline").click()
    await page.wait_for_url("**/run/timeline**")
    await page.go_back()
    await page.wait_for_url("**/run?id=**")
    await page.go_back()
    await page.wait_for_url("**flow=orders")
    must(await eyes.many(ROW) == 2, "the list is another one")


# --- graph ------------------------------------------------------------------------------------------------------------


async def the_graph_shows_states_by_colour_sign_and_border(eyes: Eyes) -> None:
    await eyes.go("/run", id="order-open")
    looks = {}
    for name in ("check", "standard", "approve", "ship"):
        box = eyes.node(name).locator(".box")
        style = await box.evaluate("box => [getComputedStyle(box).stroke, getComputedStyle(box).strokeDasharray]")
        looks[name] = (*style, await eyes.node(name).locator("text.mark").text_content())
    must(len({look[2] for look in looks.values()}) == 4, f"signs are the same: {looks}")
    must(len({look[:2] for look in looks.values()}) == 4, f"colours and borders are the same: {looks}")


async def the_way_that_was_taken_is_bold_and_the_dead_one_is_pale(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-open")

    async def of(told: str, what: str) -> float:
        edge = page.locator(".edge").filter(has=page.locator("title", has_text=re.compile(f"^{told}"))).first
        target = edge.locator("path") if what == "strokeWidth" else edge
        return float((await target.evaluate(f"edge => getComputedStyle(edge).{what}")).removesuffix("px"))

    must(await of("from check to express", "strokeWidth") > 2, "the way taken is thin")
    must(await of("from check to standard", "opacity") < 0.6, "the dead way is not pale")
    pale = await eyes.node("standard").evaluate("node => getComputedStyle(node).opacity")
    must(float(pale) < 0.6, "the dead node is not pale")


async def constructs_are_folded_with_counts(eyes: Eyes) -> None:
    await eyes.go("/run", id="order-open")
    for name, words in (("weigh", "5 of 5 items"), ("improve", "3 of 3 passes"), ("charge", "1 of 1 call")):
        told = await eyes.node(name).locator("text.detail").text_content()
        must(told is not None and words in told, f"{name} has not {words}: {told}")
    must(not await eyes.many('.node[data-name*="["]'), "what is inside is shown unasked")


async def a_subflow_is_opened_as_a_graph(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-open")
    await page.get_by_label("Open charge").click()
    await page.wait_for_url("**inside=charge")
    must(await eyes.many(".node") == 2, "it has not two nodes")
    must("charge" in await eyes.reads('[aria-current="location"]'), "it is not told where one is")


async def a_loop_is_opened_pass_by_pass(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-open")
    await page.get_by_label("Open improve").click()
    await page.wait_for_url("**inside=improve")
    await page.get_by_role("link", name="improve[1]", exact=True).first.click()
    await page.wait_for_url("**inside=improve%5B1%5D")
    must(await eyes.many(".node") == 3, "a pass has not three nodes")


async def a_batch_is_opened_item_by_item(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-open")
    await page.get_by_label("Open weigh").click()
    must("5 of 5 instances" in await eyes.reads("caption"), "the items are not counted")
    await page.get_by_label("Open number").fill("3")
    await page.get_by_role("button", name="Open", exact=True).click()
    await eyes.sees(ROW, "weigh[3].weigh")


async def a_node_leads_to_its_instance(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-open")
    await eyes.node("pack").locator("a").first.click()
    await page.wait_for_url("**/run/instance?id=order-open&key=pack")


async def five_hundred_nodes_are_readable_at_first_and_all_to_be_seen(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-large")
    must(await eyes.many(".node") == 502, "not all nodes are drawn")
    await page.wait_for_timeout(100)
    size = await page.locator("#graph .box").first.evaluate("box => box.getBoundingClientRect().width")
    must(size > 100, f"a node is {size:.0f} pixels wide at first")
    await page.get_by_role("button", name="Fit").click()
    whole = await page.evaluate(
        "() => { const s = document.getElementById('graph').getBoundingClientRect();"
        " return [...document.querySelectorAll('.node .box')].every(b => { const r = b.getBoundingClientRect();"
        " return r.left >= s.left - 1 && r.right <= s.right + 1"
        " && r.top >= s.top - 1 && r.bottom <= s.bottom + 1; }); }"
    )
    must(whole, "after `Fit` not all of it is within the frame")


async def no_two_nodes_lie_on_one_another(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-large")
    apart = await page.evaluate(
        "() => { const all = [...document.querySelectorAll('.node .box')].map(b => b.getBBox());"
        " return all.every((a, i) => all.slice(i + 1).every(b => a.x + a.width <= b.x + 0.2"
        " || b.x + b.width <= a.x + 0.2 || a.y + a.height <= b.y + 0.2 || b.y + b.height <= a.y + 0.2)); }"
    )
    must(apart, "two nodes overlap")


async def one_zooms_by_button_by_key_and_by_wheel(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-open")

    async def width() -> float:
        return float((await page.locator("#graph").get_attribute("viewBox") or "").split()[2])

    widths = [await width()]
    await page.get_by_role("button", name="Zoom in").click()
    widths.append(await width())
    await page.locator("#graph").focus()
    await page.keyboard.press("+")
    widths.append(await width())
    await page.locator("#graph").hover()
    await page.keyboard.down("Control")
    await page.mouse.wheel(0, -200)
    await page.keyboard.up("Control")
    await page.wait_for_timeout(200)
    widths.append(await width())
    must(sorted(widths, reverse=True) == widths and len(set(widths)) == 4, f"widths of the view: {widths}")


async def one_pans_by_dragging_and_by_arrow_keys(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-open")

    async def corner() -> list[str]:
        return (await page.locator("#graph").get_attribute("viewBox") or "").split()[:2]

    before = await corner()
    box = await page.locator("#graph").bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 20, box["y"] + 20)
    await page.mouse.down()
    await page.mouse.move(box["x"] + 120, box["y"] + 80, steps=5)
    await page.mouse.up()
    dragged = await corner()
    await page.locator("#graph").focus()
    await page.keyboard.press("ArrowRight")
    must(before != dragged != await corner(), "the view has not moved")
    must("/run?id=order-open" in page.url, "dragging has followed a link")


async def a_node_is_found_and_the_search_can_be_shared(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-large")
    await page.keyboard.press("/")
    await page.keyboard.type("step-31-7")
    must(await eyes.many(".node.found") == 1, "it is not found")
    inside = (
        "node => { const r = node.getBoundingClientRect(), s = node.ownerSVGElement.getBoundingClientRect();"
        " return r.top >= s.top && r.bottom <= s.bottom && r.left >= s.left && r.right <= s.right; }"
    )
    must(await page.locator(".node.found").evaluate(inside), "it is not brought into view")
    must("find=step-31-7" in page.url, "the address does not say what was looked for")
    await page.reload()
    must(await eyes.many(".node.found") == 1, "a shared link does not find it")


async def where_one_was_in_the_graph_is_kept_for_the_back_button(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-open")
    await page.get_by_role("button", name="Zoom in").click()
    await page.wait_for_timeout(400)
    view = await page.locator("#graph").get_attribute("viewBox")
    await eyes.node("approve").locator("a").first.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/run/instance**")
    await page.go_back()
    await page.wait_for_url("**/run?id=order-open")
    await page.wait_for_timeout(200)
    now = await page.locator("#graph").get_attribute("viewBox")
    must(now is not None and view is not None and now.split()[2] == view.split()[2], "it is seen as at first")


# --- timeline, instance, context --------------------------------------------------------------------------------------


async def the_timeline_tells_waiting_from_work(eyes: Eyes) -> None:
    await eyes.go("/run/timeline", id="order-open")
    looks = await eyes.page.locator(".bars rect").evaluate_all("all => all.map(bar => bar.getAttribute('class'))")
    must({"b-queued", "b-work", "b-failed", "b-suspended", "b-inside"} <= set(looks), f"bars are {set(looks)}")


async def the_timeline_says_in_words_what_it_draws(eyes: Eyes) -> None:
    await eyes.go("/run/timeline", id="order-open")
    row = eyes.page.locator("tr").filter(has=eyes.page.get_by_role("link", name="pack", exact=True))
    words = await row.locator("svg.bars").get_attribute("aria-label") or ""
    must("attempt 1 failed" in words and "paused before the next attempt" in words and "worked" in words, words)


async def an_instance_shows_its_error_with_the_traceback(eyes: Eyes) -> None:
    page = await eyes.go("/run/instance", id="order-again", key="address")
    await page.locator("summary", has_text="Traceback").first.click()
    must("sample_flows.py" in await eyes.reads("details pre"), "there is no traceback")
    must("has no address" in await eyes.reads(".error pre"), "the error does not say what it is")


async def an_instance_shows_attempts_edges_values_and_worker(eyes: Eyes) -> None:
    await eyes.go("/run/instance", id="order-open", key="pack")
    text = await eyes.reads("#instance")
    for words in ("the label printer was busy", "to parts", "Attempt 1", "Worker", "Waited for a worker"):
        must(words in text, f"it does not say {words!r}")


async def a_large_value_is_cut_and_can_be_had_whole(eyes: Eyes) -> None:
    page = await eyes.go("/run/instance", id="order-broken", key="begin")
    must(len(await eyes.reads("#instance pre >> nth=1")) < 2_500, "it is not cut")
    await page.get_by_role("link", name="Show the whole").first.click()
    await page.wait_for_url("**/run/value**")
    must("x" * 9_000 in await eyes.reads("body"), "it is not whole")


async def the_context_shows_what_steps_have_set(eyes: Eyes) -> None:
    await eyes.go("/run/context", id="order-open")
    must('"name": "Ada"' in await eyes.reads("#context"), "a value is missing")


async def what_is_redacted_is_shown_nowhere(eyes: Eyes) -> None:
    for path, query in (
        ("/run/context", {}),
        ("/run/instance", {"key": "check"}),
        ("/run/diff", {"other": "order-done"}),
    ):
        page = await eyes.go(path, id="order-open", **query)
        must(SECRET not in await page.content(), f"{path} shows it")
    must("•••" in (await (await eyes.go("/run/context", id="order-open")).content()), "nothing says that it is hidden")


async def the_diff_shows_in_what_a_fork_differs(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-again")
    await page.get_by_role("link", name="Diff").click()
    must("order-broken" in await eyes.reads("h2"), "it is not compared with its original")
    must("has no address" in await eyes.reads("td.old"), "the difference is not shown")


async def the_cost_is_what_the_client_says(eyes: Eyes) -> None:
    await eyes.go("/run/cost", id="order-done")
    cost = await eyes.client.footprint("order-done")
    text = await eyes.reads("main")
    must(f"Steps {cost.steps}" in text and f"Writes at least {cost.writes}" in text, text[:300])


async def schedules_are_shown(eyes: Eyes) -> None:
    await eyes.go("/schedules")
    text = await eyes.reads("#list")
    must(await eyes.many("tbody tr") == 2, "a schedule is missing")
    must("every 30 d" in text and "30 2 * * * Europe/Oslo" in text, text[:300])
    must("paused" in text and "active" in text, text[:300])


async def workers_queues_and_dead_letters_are_shown(eyes: Eyes) -> None:
    await eyes.go("/workers")
    workers = await eyes.client.workers()
    must(workers[0].name in await eyes.reads("#list"), "the worker is missing")
    await eyes.go("/queues")
    must(await eyes.many("tbody tr") == len(await eyes.client.queues()), "a queue is missing")
    page = await eyes.go("/dead-letters")
    must(await eyes.many("tbody tr") == len(await eyes.client.dead_letters()), "a letter is missing")
    await page.locator(ROW).last.click()
    await page.wait_for_url("**/dead-letter?id=**")
    must("no job" in await eyes.reads("pre"), "its message is missing")


# --- live -------------------------------------------------------------------------------------------------------------


async def a_run_is_seen_going_on_without_a_reload(eyes: Eyes) -> None:
    await eyes.client.start("orders", {"total": 10}, run_id="order-live")
    key = await waits_at(eyes.client, "order-live")
    page = await eyes.go("/run", id="order-live")
    await page.evaluate("() => { window.mark = 'the same page'; }")
    await eyes.sees('.node.s-waiting[data-name="approve"]')
    await eyes.client.resume("order-live", key, action="approved")
    await eyes.sees('.node.s-done[data-name="ship"]')
    await eyes.sees("h1 .s-completed")
    must(await page.evaluate("() => window.mark") == "the same page", "it was loaded anew")
    await expect(page.locator("#said")).to_have_text("The run has ended.", timeout=10_000)


async def progress_is_seen_while_a_step_is_under_way(eyes: Eyes) -> None:
    await eyes.go("/run/instance", id="order-long", key="pages")
    await eyes.sees("progress")
    before = await eyes.reads("#instance")

    async def has_moved() -> bool:
        return await eyes.reads("#instance") != before

    await until(has_moved, "the progress moves on the page")


async def the_focus_stays_where_it_was_when_a_page_changes(eyes: Eyes) -> None:
    await eyes.client.start("orders", {"total": 10}, run_id="order-focus")
    key = await waits_at(eyes.client, "order-focus")
    page = await eyes.go("/run", id="order-focus")
    await eyes.sees('.node.s-waiting[data-name="approve"]')
    await eyes.node("pack").locator("a").first.focus()
    await eyes.client.resume("order-focus", key, action="rejected")
    await eyes.sees('.node.s-done[data-name="refund"]')
    focused = await page.evaluate("() => document.activeElement.closest('.node')?.dataset.name ?? 'nowhere'")
    must(focused == "pack", f"the focus is at {focused}")


# --- all of data is text ----------------------------------------------------------------------------------------------


async def markup_in_every_field_is_shown_as_text(eyes: Eyes) -> None:
    run_id = f"run{MARKUP}"
    found = await eyes.client.describe(run_id)
    views: list[tuple[str, dict[str, str]]] = [("/", {}), ("/dead-letters", {})]
    views += [
        (f"/run{view}", {"id": run_id}) for view in ("", "/instances", "/timeline", "/context", "/waits", "/diff")
    ]
    views += [("/run/instance", {"id": run_id, "key": instance.key}) for instance in found.instances]
    views += [("/dead-letter", {"id": letter.run_id}) for letter in await eyes.client.dead_letters()]
    for path, query in views:
        page = await eyes.go(path, **query)
        must(not await eyes.many("img, main script"), f"{path} has an element of data's")
        must(await page.title() != "pwned", f"{path} has run a script of data's")


PAGE_CHECKS: list[Check] = [
    check for name, check in list(globals().items()) if callable(check) and getattr(check, "__module__", "") == __name__
]
