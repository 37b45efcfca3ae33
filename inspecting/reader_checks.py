"""The checks of who acts, and who reads with what: keyboard, screen reader, phone, dark, no motion, local time."""

from __future__ import annotations

import re

from looking import Check, Eyes, must
from sample_runs import reaches, until, waits_at

# --- actions ----------------------------------------------------------------------------------------------------------


async def one_that_only_looks_offers_nothing_else(eyes: Eyes) -> None:
    for path, query in (("/run", {"id": "order-open"}), ("/run/waits", {"id": "order-open"}), ("/dead-letters", {})):
        await eyes.go(path, **query)
        must(not await eyes.many('a[href*="/act"], form[method="post"]'), f"{path} offers an action")
    answer = await eyes.page.goto(f"{eyes.base}/act?what=cancel&id=order-open")
    must(answer is not None and answer.status == 403, "it answers all the same")


async def a_wait_is_resumed_by_its_form(eyes: Eyes) -> None:
    await eyes.client.start("orders", {"total": 10}, run_id="order-form")
    await waits_at(eyes.client, "order-form")
    page = await eyes.go("/run/waits", True, id="order-form")
    await page.get_by_role("link", name="Resume…").click()
    await page.wait_for_url("**/act?what=resume**")
    choices = await page.locator("select option").all_inner_texts()
    must(choices == ["none", "approved", "rejected"], f"the actions are {choices}")
    await page.get_by_label("Output").fill('{"by": "Ada"}')
    await page.get_by_label("Action").select_option("approved")
    await page.get_by_label("I am sure").check()
    await page.get_by_role("button", name="Resume the wait").click()
    await page.wait_for_url("**/run?id=order-form")
    await reaches(eyes.client, "order-form", "completed")
    must((await eyes.client.result("order-form")).outputs["ship"] == {"by": "Ada"}, "the output is another")


async def a_form_that_cannot_be_taken_says_why_and_keeps_what_was_filled_in(eyes: Eyes) -> None:
    page = await eyes.go("/act", True, what="resume", id="order-open", key="approve")
    await page.get_by_label("Output").fill("{not json")
    await page.get_by_label("I am sure").check()
    await page.get_by_role("button", name="Resume the wait").click()
    await eyes.sees('[role="alert"]', "not JSON")
    must(await page.get_by_label("Output").input_value() == "{not json", "what was filled in is gone")
    must((await eyes.client.status("order-open")).state == "awaiting", "the run has gone on")
    eyes.heard.clear()  # the browser notes the status 400


async def nothing_is_done_without_being_sure(eyes: Eyes) -> None:
    page = await eyes.go("/act", True, what="cancel", id="order-open")
    await page.get_by_role("button", name="Cancel the run").click()
    await page.wait_for_timeout(300)
    must("/act" in page.url, "the browser has sent the form")
    must((await eyes.client.status("order-open")).state == "awaiting", "the run is cancelled")


async def a_run_is_cancelled_with_a_reason(eyes: Eyes) -> None:
    await eyes.client.start("orders", {"total": 10}, run_id="order-not")
    await waits_at(eyes.client, "order-not")
    page = await eyes.go("/run", True, id="order-not")
    await page.get_by_role("link", name="Cancel…").click()
    await page.get_by_label("Reason").fill("not wanted any more")
    await page.get_by_label("I am sure").check()
    await page.get_by_role("button", name="Cancel the run").click()
    await eyes.sees(".reason", "not wanted any more")


async def a_failed_run_is_redriven_and_linked_both_ways(eyes: Eyes) -> None:
    await eyes.client.start("breaking", run_id="order-bad")
    await reaches(eyes.client, "order-bad", "failed")
    page = await eyes.go("/run", True, id="order-bad")
    await page.get_by_role("link", name="Redrive…").click()
    await page.get_by_label("I am sure").check()
    await page.get_by_role("button", name="Redrive the run").click()
    await eyes.sees("dd a", "order-bad")
    await page.get_by_role("link", name="order-bad").first.click()
    await eyes.sees("dt", "Redriven as")


async def a_run_is_forked_from_a_node(eyes: Eyes) -> None:
    page = await eyes.go("/run/instance", True, id="order-done", key="pack")
    await page.get_by_role("link", name="Fork from pack…").click()
    await page.get_by_label("Id of the new run").fill("order-forked")
    await page.get_by_label("I am sure").check()
    await page.get_by_role("button", name="Fork the run").click()
    await page.wait_for_url("**/run?id=order-forked")
    await eyes.sees("dd a", "order-done")


async def a_dead_letter_is_sent_back(eyes: Eyes) -> None:
    old = (await eyes.client.dead_letters())[0].run_id
    page = await eyes.go("/dead-letter", True, id=old)
    await page.get_by_role("link", name="Send back…").click()
    await page.get_by_label("I am sure").check()
    await page.get_by_role("button", name="Send the letter back").click()
    await page.wait_for_url("**/dead-letters")

    async def is_gone() -> bool:
        return old not in [letter.run_id for letter in await eyes.client.dead_letters()]

    await until(is_gone, "the letter is gone")


# --- keyboard and screen reader ---------------------------------------------------------------------------------------


async def all_of_a_run_is_reached_by_the_keyboard(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-open")
    reached: set[str] = set()
    for _ in range(60):
        await page.keyboard.press("Tab")
        reached.add(
            await page.evaluate(
                "() => { const e = document.activeElement;"
                " return e.closest('.node')?.dataset.name ?? e.innerText ?? e.id }"
            )
        )
        if "approve" in reached and "refund" in reached:
            break
    must({"Fit", "check", "charge", "approve", "refund"} <= reached, f"reached are {sorted(reached)}")


async def the_focus_is_to_be_seen(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-open")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    outline = await page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    must(outline == "solid", f"the outline is {outline}")


async def the_content_is_reached_at_once(eyes: Eyes) -> None:
    page = await eyes.go("/")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    must(await page.evaluate("() => document.activeElement.id") == "main", "the link to the content leads elsewhere")


async def a_screen_reader_hears_each_node_with_its_state(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-broken")
    heard = await page.get_by_role("link", name=re.compile("^address ")).get_attribute("aria-label")
    must(heard == "address step · 2 attempts; failed; ValueError", f"it hears {heard}")
    await page.get_by_role("group", name=re.compile("^Graph of order-broken")).wait_for()


async def tables_have_heads_and_pages_have_one_heading_and_landmarks(eyes: Eyes) -> None:
    for path, query in (("/", {}), ("/run/instances", {"id": "order-open"}), ("/workers", {})):
        await eyes.go(path, **query)
        must(await eyes.many("h1") == 1 and await eyes.many("main") == 1, f"{path}: headings or landmarks")
        must(await eyes.many("thead th:not([scope])") == 0, f"{path}: a head without a scope")


# --- looks ------------------------------------------------------------------------------------------------------------


async def _background(eyes: Eyes) -> str:
    return str(await eyes.page.evaluate("() => getComputedStyle(document.documentElement).backgroundColor"))


async def dark_and_light_follow_the_system_and_can_be_chosen(eyes: Eyes) -> None:
    page = await eyes.go("/")
    light = await _background(eyes)
    await page.emulate_media(color_scheme="dark")
    dark = await _background(eyes)
    must(light != dark, "dark is as light")
    await page.get_by_role("button", name="Dark").click()
    must(await _background(eyes) == light, "the switch does nothing")
    await page.reload()
    must(await _background(eyes) == light, "what was chosen is forgotten")
    await page.emulate_media(color_scheme="light")
    await page.evaluate("() => localStorage.clear()")


async def nothing_moves_for_those_who_want_no_motion(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-open")
    moving = "() => document.getAnimations().length"
    must(await page.evaluate(moving) > 0, "nothing moves anyway")
    await page.emulate_media(reduced_motion="reduce")
    must(await page.evaluate(moving) == 0, "something moves")
    await page.emulate_media(reduced_motion="no-preference")


async def times_are_in_utc_and_in_local_time_if_wanted(eyes: Eyes) -> None:
    page = await eyes.go("/run", id="order-done")
    utc = await eyes.reads("dl.facts time")
    must(utc.endswith("UTC"), f"the time is {utc}")
    await page.get_by_role("button", name="Local time").click()
    local = await eyes.reads("dl.facts time")
    must(local != utc and "UTC" not in local, f"the local time is {local}")
    must(
        (await page.locator("dl.facts time").first.get_attribute("title") or "").endswith("Z"), "the exact one is lost"
    )
    await page.reload()
    must(await eyes.reads("dl.facts time") == local, "what was chosen is forgotten")
    await page.evaluate("() => localStorage.clear()")


async def a_phone_shows_all_views_without_scrolling_sideways(eyes: Eyes) -> None:
    page = eyes.page
    await page.set_viewport_size({"width": 390, "height": 844})
    try:
        for path, query in (
            ("/", {}),
            ("/run", {"id": "order-open"}),
            ("/run/timeline", {"id": "order-open"}),
            ("/run/waits", {"id": "order-open"}),
            ("/run/context", {"id": "order-open"}),
            ("/run/cost", {"id": "order-done"}),
            ("/run/instances", {"id": "order-wide", "inside": "work"}),
            ("/run/instance", {"id": "order-broken", "key": "begin"}),
            ("/run/diff", {"id": "order-again"}),
            ("/act", {"what": "resume", "id": "order-open", "key": "approve"}),
            ("/workers", {}),
            ("/queues", {}),
            ("/dead-letters", {}),
        ):
            await eyes.go(path, True, **query)  # with all of the buttons
            wide = await page.evaluate("() => document.documentElement.scrollWidth")
            must(wide <= 390, f"{path} is {wide} pixels wide")
            small = await page.evaluate(
                "() => [...document.querySelectorAll('button, .button, .tabs a')].filter(e => e.offsetHeight > 0 &&"
                " e.getBoundingClientRect().height < 32).map(e => e.innerText)"
            )
            must(not small, f"{path}: too small to touch: {small}")
    finally:
        await page.set_viewport_size({"width": 1280, "height": 900})


async def a_graph_is_of_use_on_a_phone_at_once(eyes: Eyes) -> None:
    await eyes.page.set_viewport_size({"width": 390, "height": 844})
    try:
        page = await eyes.go("/run", id="order-open")
        await page.wait_for_timeout(100)
        box = await eyes.node("approve").locator(".box").bounding_box()
        must(box is not None and box["width"] > 120 and 0 <= box["x"] < 390, f"what waits lies at {box}")
    finally:
        await eyes.page.set_viewport_size({"width": 1280, "height": 900})


async def pages_work_without_their_scripts(eyes: Eyes) -> None:
    plain = await Eyes.open(eyes.browser, eyes.client, eyes.backend, eyes.base, eyes.writer, java_script_enabled=False)
    try:
        page = await plain.go("/run", id="order-open")
        must(await plain.many(".node") == 12, "the graph is not drawn")
        for name in ("Dark", "Local time", "Fit"):
            must(not await page.get_by_role("button", name=name).count(), f"{name} is there, and does nothing")
        await page.get_by_role("link", name="Timeline").click()
        await page.wait_for_url("**/run/timeline**")
        must(await plain.many(".bars rect") > 5, "the timeline is not drawn")
        page = await plain.go("/")
        await page.get_by_label("Flow").fill("orders")
        await page.get_by_role("button", name="Search").click()
        await page.wait_for_url("**flow=orders**")
        must(await plain.many("tbody tr") > 1, "the search finds nothing")
    finally:
        await plain.close()


READER_CHECKS: list[Check] = [
    check
    for name, check in list(globals().items())
    if callable(check) and getattr(check, "__module__", "") == __name__ and not name.startswith("_")
]
