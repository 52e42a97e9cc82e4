# SPDX-License-Identifier: MIT
"""Flame graphs of a report's page in a real browser: what is said of a frame is what the stacks have."""

import re
import shutil
from urllib.parse import parse_qs

import numpy as np
import pytest
from browser import grave_violations, opened_page, wider_than_paper
from profiled_runs import ATTEMPTS, FROZEN, SAMPLE_NS, profiled_arm, profiled_run, profiled_suite, trials_of
from stored import jittered
from test_flame import below, paths, real_trials, sampled

from stress.compare.arms import Question, compare_arms
from stress.compare.profiles import compare_profiles
from stress.compare.report import ReportQuestion, write_report
from stress.model.profile import CLIENT, SERVER, parse_folded
from stress.profile.flame import compared_flame, mean_flame
from stress.store import profile_file
from stress.view.page.document import Document, ProfileSection
from stress.view.page.flame_part import FlameGraph, build_flames
from stress.view.page.render import render_page


def nasty_stacks():
    """Return stacks with names that HTML must not see as its own."""
    head = ("storm", "clients' CPUs", CLIENT, "connect()")
    return {(*head, "<script>alert(1)</script>"): 7, (*head, "a&b \u202eevil"): 5, (*head, "lab7 and 198.51.100.7"): 9}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder of pages: of a run, a comparison, a suite, and of what HTML must not see as its own."""
    home = tmp_path_factory.mktemp("flame")
    profiled_arm(home / "plain", "plain", 4)
    profiled_arm(home / "rules", "rules", 4, seed=2)
    profiled_run(home / "nasty-run", nasty_stacks())
    stacks = {
        "clean": dict(enumerate(trials_of("plain", 2))),
        "slow": {0: trials_of("rules", 1)[0], 1: "perf <ended>."},
    }
    profiled_suite(home / "stored", stacks, {"clean": jittered(2), "slow": jittered(2)})
    pages = {"run": [FROZEN], "nasty": [home / "nasty-run"], "suite": [home / "stored"]}
    pages["difference"] = [f"old={home / 'plain'}", f"<b>new={home / 'rules'}"]
    for name, arguments in pages.items():
        write_report(ReportQuestion(arguments=list(map(str, arguments))), home / f"{name}.html")
    return home


class Shown:
    """A page with flame graphs in the browser."""

    def __init__(self, page):
        self.page = page
        page.wait_for_selector("#flame-view:not([hidden])")

    def press(self, *keys):
        self.page.focus("#flame-frame")
        for key in keys:
            self.page.keyboard.press(key)
        return self.text("at")

    def text(self, part):
        return self.page.locator(f"#flame-{part}").inner_text()

    @property
    def state(self):
        (part,) = (part for part in self.page.evaluate("location.hash").split(";") if "flame?" in part)
        return {name: values[0] for name, values in parse_qs(part.partition("?")[2]).items()}

    def frames(self):
        """Return what is drawn: the number of each frame, its classes, and its width in pixels."""
        rows = self.page.eval_on_selector_all(
            "#flame-picture g",
            "all => all.map(g => [g.dataset.frame, g.getAttribute('class'), g.firstChild.getAttribute('width')])",
        )
        return {int(number): (looks.split(), float(width)) for number, looks, width in rows}


def signed(ns):
    return f"{ns:+,.0f}".replace("-", "−")


def frozen_part():
    """Return the stacks of client and server of the frozen run."""
    stacks = parse_folded((FROZEN / "profile.folded").read_text())
    return {stack[2:]: count for stack, count in stacks.items() if stack[2] in (CLIENT, SERVER)}


@pytest.mark.parametrize(
    ("name", "scheme"), [("run", "light"), ("run", "dark"), ("difference", "dark"), ("suite", "light")]
)
def test_a_page_opens_without_an_error_or_a_request_and_fits_the_paper(browser, home, name, scheme):
    with opened_page(browser, home / f"{name}.html", scheme=scheme) as page:
        Shown(page)
        assert grave_violations(page) == []
        assert wider_than_paper(page) == []


def test_keys_lead_to_a_function_whose_time_is_that_of_its_stacks(browser, home):
    stacks = frozen_part()
    with opened_page(browser, home / "run.html") as page:
        shown = Shown(page)
        assert page.evaluate("location.hash") == ""  # until something is changed
        path, keys = (), []
        while level := {stack[len(path)] for stack in stacks if stack[: len(path)] == path and stack[len(path) :]}:
            name = min(level, key=lambda name: (-below(stacks, (*path, name)), name))
            path = (*path, name)
            said = shown.press("ArrowDown")
            samples = below(stacks, path)
            ns = samples * SAMPLE_NS
            assert said.startswith(name), (path, said)
            assert f"{round(ns):,} ± {round(1.96 * samples**0.5 * SAMPLE_NS):,} ns" in said
            assert said.partition("ns alone; ")[2].startswith(f"{samples:,} sample")
            if len(path) == 4:
                assert "in connect() of the client, called by __sys_connect" in said
            keys.append("ArrowUp")
        assert len(path) > 10
        assert shown.press(*keys).startswith("an attempt: ")
        first = shown.press("ArrowDown")
        assert shown.press("ArrowRight").startswith("server: 4,752 ± ")
        assert shown.press("ArrowRight").startswith("server: ")  # there is no more
        assert shown.press("ArrowLeft") == first


def test_the_zoom_stands_in_the_address_next_to_the_timeline(browser, home):
    with opened_page(browser, home / "run.html") as page:
        shown = Shown(page)
        whole = shown.frames()
        said = shown.press("ArrowDown", "ArrowDown", "Enter")
        zoomed = shown.frames()
        number = int(shown.state["zoom"])
        assert said.startswith("connect() of the client: 11,006 ")
        assert "Zoomed to connect(), 11,006 ns. In it: __sys_connect 11,006." in shown.text("text")
        assert page.locator("#flame-frame").get_attribute("aria-label").endswith(shown.text("text"))
        assert zoomed[number][1] > whole[number][1] * 2
        assert zoomed[number][1] == pytest.approx(max(width for _, width in zoomed.values()), abs=0.1)
        page.focus("#timeline-canvas")
        page.keyboard.press("+")
        page.wait_for_selector("#timeline-view[aria-busy=false]")
        address = page.evaluate("location.hash")
        assert re.fullmatch(r"#timeline\?[^;?]+;flame\?[^;?]+", address)
        shown.press("ArrowDown")
        assert page.evaluate("location.hash").startswith("#flame?")
        kept = [page.evaluate("location.hash"), shown.text("at"), shown.text("text"), shown.frames()]
        timeline = page.locator("#timeline-canvas-text").inner_text()
    with opened_page(browser, home / "run.html", fragment=kept[0]) as page:
        shown = Shown(page)
        assert [page.evaluate("location.hash"), shown.text("at"), shown.text("text"), shown.frames()] == kept
        page.wait_for_selector("#timeline-view[aria-busy=false]")
        assert page.locator("#timeline-canvas-text").inner_text() == timeline
        page.evaluate("location.hash = '#flame?graph=9&zoom=-1&at=1e9&search='")
        page.locator("#flame-text", has_text="The whole attempt").wait_for()
        assert shown.text("at").startswith("an attempt: ")
        assert page.input_value("#flame-search") == ""
        assert shown.frames() == whole
        assert page.is_disabled("#flame-zoom")
        assert shown.press("ArrowDown", "Enter", "Escape").startswith("client: ")
        assert shown.state["zoom"] == "0"


def test_the_mouse_shows_chooses_and_zooms(browser, home):
    with opened_page(browser, home / "run.html") as page:
        shown = Shown(page)
        box = page.locator("#flame-picture g[data-frame='2'] rect").first
        box.hover()
        assert page.locator("#flame-hover").inner_text().startswith("connect() of the client: 11,006 ")
        box.click()
        assert shown.text("at").startswith("connect() of the client: 11,006 ")
        box.dblclick()
        assert shown.state["zoom"] == shown.state["at"] == "2"
        page.click("#flame-whole")
        assert shown.state["zoom"] == "0"
        page.locator("#flame-picture g[data-frame='1'] rect").first.click()
        page.click("#flame-zoom")
        assert shown.state["zoom"] == "1"


def test_a_search_adds_what_is_in_no_other_match(browser, home):
    stacks = frozen_part()
    with opened_page(browser, home / "run.html") as page:
        shown = Shown(page)
        shown.press("/")
        page.keyboard.type("TCP_V4")
        matching = sum(count for stack, count in stacks.items() if any("tcp_v4" in name for name in stack))
        text = shown.text("matches")
        frames = {stack[:n] for stack in stacks for n in range(1, len(stack) + 1) if "tcp_v4" in stack[n - 1]}
        assert text.startswith(f"{len(frames)} frames with “TCP_V4” in the name: {round(matching * SAMPLE_NS):,} ± ")
        marked = {number for number, (looks, _) in shown.frames().items() if "flame-match" in looks}
        assert 0 < len(marked) <= len(frames)
        page.keyboard.press("Enter")
        first = shown.text("at")
        assert first.startswith("tcp_v4_")
        assert page.evaluate("document.activeElement.id") == "flame-frame"
        assert shown.press("n") != first
        assert shown.press("p") == first
        assert shown.state["search"] == "TCP_V4"
        page.fill("#flame-search", "no such function")
        assert shown.text("matches") == "There is no frame with “no such function” in the name."
        assert page.is_disabled("#flame-after")


@pytest.fixture(scope="module")
def difference(home):
    """Return the flame of the two arms of the comparison, and what compare --profile says of them."""
    matched = compare_arms(Question(arms=[str(home / "plain"), str(home / "rules")], allowed=("plan", "settings")))
    ((pair,), _) = compare_profiles(matched.pairs)
    arms = real_trials("plain", 4), real_trials("rules", 4, seed=2)
    return compared_flame(arms), pair.acts[0]


def test_the_colours_of_a_difference_are_those_of_sure_changes(browser, home, difference):
    flame, _ = difference
    with opened_page(browser, home / "difference.html") as page:
        drawn = Shown(page).frames()
        width = max(width for _, width in drawn.values())
        full = max(side.ns[0] for side in flame.sides)
        largest = max(abs(one.change.ns) for one in flame.changes if one and one.is_sure)
        assert len(drawn) > 100
        for number, (looks, wide) in drawn.items():
            change = flame.changes[number]
            assert wide == pytest.approx(flame.sides[1].ns[number] * width / full, abs=0.02)
            assert ("flame-same" in looks) == (change is None or not change.is_sure)
            if change is not None and change.is_sure:
                level = 1 + sum(abs(change.change.ns) >= share * largest for share in (0.05, 0.2, 0.5))
                assert f"flame-{'more' if change.change.ns > 0 else 'less'}-{level}" in looks
            assert ("flame-named" in looks) == (flame.frames.names[number] == "nft_do_chain")


def test_a_difference_is_said_with_its_interval_and_what_is_named_stands_above(browser, home, difference):
    flame, act = difference
    named = [one for one in act.functions if one.named]
    assert [one.name for one in named] == ["nft_do_chain"]
    with opened_page(browser, home / "difference.html") as page:
        shown = Shown(page)
        assert f"µs in nft_do_chain for an attempt, of +{act.measured.ns / 1000:.2f} µs" in page.inner_text("#profile")
        assert "by the profiles: +" in page.inner_text("#verdict")
        row = page.locator("#table-difference-0 tr", has_text="nft_do_chain").first.inner_text().split("\t")
        assert row[2:4] == [f"{named[0].change.base_ns:,.0f}", f"{named[0].change.new_ns:,.0f}"]
        assert row[4].startswith(signed(named[0].change.ns))
        shown.press("/")
        page.keyboard.type("nft_do_chain")
        page.keyboard.press("Enter")
        number = int(shown.state["at"])
        change, samples = flame.changes[number].change, [side.samples[number] for side in flame.sides]
        assert shown.text("at") == (
            f"{flame.frames.names[number]} in connect() of the client, called by {paths(flame.frames)[number][-2]}: "
            f"before {change.base_ns:,.0f} ns, after {change.new_ns:,.0f} ns for an attempt: {signed(change.ns)} ns "
            f"(95 % interval {signed(change.low_ns)} to {signed(change.high_ns)}), surely more"
            f"{'; the function is named as the reason' if flame.frames.names[number] == 'nft_do_chain' else ''}; "
            f"{samples[0]:,} and {samples[1]:,} samples."
        )


def test_frames_of_the_other_side_are_told_and_have_width_after_a_switch(browser, home, difference):
    flame, _ = difference
    base, new = (side.ns for side in flame.sides)
    known = paths(flame.frames)
    gone = {path: float(ns) for path, ns, now in zip(known, base, new, strict=True) if now == 0}
    outermost = {path: ns for path, ns in gone.items() if path[:-1] not in gone}
    assert outermost
    with opened_page(browser, home / "difference.html") as page:
        shown = Shown(page)
        told = f"old alone has {len(outermost)} more frames with {sum(outermost.values()):,.0f} ns, which have no width"
        assert told in shown.text("text")
        assert page.locator("#flame-side option").all_inner_texts() == ["<b>new", "old"]
        page.select_option("#flame-side", label="old")
        drawn = shown.frames()
        assert shown.state["side"] == "0"
        width = base[0] / new[0] * page.locator("#flame-frame").bounding_box()["width"]  # of the same scale
        assert drawn[0][1] == pytest.approx(width, abs=1)
        wide = {number for number, path in enumerate(known) if path in gone and base[number] / base[0] * width > 0.6}
        assert wide
        assert wide <= set(drawn)
        assert "<b>new alone has " in shown.text("text")
        assert page.locator("#profile b").count() == 0  # names are text


def test_a_suite_has_the_mean_of_each_cell_and_says_what_has_none(browser, home):
    stacks = trials_of("plain", 2)
    with opened_page(browser, home / "suite.html") as page:
        shown = Shown(page)
        assert page.locator("#flame-graph option").all_inner_texts() == ["clean", "slow"]
        part = page.locator("#profile").inner_text()
        assert "1 of 2 trials has no profile: perf <ended>." in part
        assert f"clean: means over 2 profiled trials with {2 * ATTEMPTS:,} attempts in all." in part
        samples = sum(count for trial in stacks for stack, count in trial.items() if stack[2] in (CLIENT, SERVER))
        assert shown.text("at").startswith(f"an attempt: {samples * SAMPLE_NS / 2:,.0f} ± ")
        assert shown.text("at").endswith(f"; {samples} samples.")
        page.select_option("#flame-graph", label="slow")
        page.fill("#flame-search", "nft_do_chain")
        assert "frames with “nft_do_chain” in the name: " in shown.text("matches")
        assert shown.text("text").startswith("slow: The whole attempt, ")
        assert shown.state["graph"] == "1"


def test_the_functions_are_sorted_and_filtered(browser, home):
    with opened_page(browser, home / "run.html") as page:
        shown = Shown(page)
        page.click("#profile details summary")
        rows = page.locator("#table-functions-0 tbody tr:visible")
        assert rows.first.inner_text().split("\t")[0] == "__sys_connect"
        page.click("#table-functions-0 th button:has-text('samples')")
        samples = [int(row.split("\t")[-1].replace(",", "")) for row in rows.all_inner_texts()]
        assert samples == sorted(samples)
        assert samples[0] >= 5
        name = rows.first.locator("button")
        function = name.inner_text()
        name.click()
        assert shown.text("at").startswith(f"{function} ")
        assert shown.text("matches").split(": ")[0].endswith(f" of {function}")
        assert page.evaluate("document.activeElement.id") == "flame-frame"
        page.get_by_role("searchbox").filter(visible=True).last.fill("server __fput")
        assert [row.split("\t")[:2] for row in rows.all_inner_texts()] == [["__fput", "server"]]


def test_names_are_text_and_a_public_page_has_none_of_hosts(browser, home, tmp_path):
    with opened_page(browser, home / "nasty.html") as page:
        shown = Shown(page)
        shown.press("ArrowDown", "ArrowDown")
        texts = {shown.press("ArrowDown").partition(" in connect()")[0]}
        texts |= {shown.press("ArrowRight").partition(" in connect()")[0] for _ in range(2)}
        assert texts == {stack[-1] for stack in nasty_stacks()}
        assert page.locator("#profile script").count() == 0
    shutil.copytree(home / "nasty-run", tmp_path / "lab7")
    question = ReportQuestion(arguments=[str(tmp_path / "lab7")], is_public=True)
    public = write_report(question, tmp_path / "public.html")
    assert "198.51.100.7" not in public.read_text()
    with opened_page(browser, public) as page:
        shown = Shown(page)
        assert "address-" in shown.press("ArrowDown", "ArrowDown", "ArrowDown")


def test_thousands_of_stacks_are_drawn_soon_and_take_little_room(browser, tmp_path):
    random = np.random.default_rng(1)
    stacks = {}
    for _ in range(8_000):
        names = [f"function_{number}" for number in random.geometric(0.85, random.integers(3, 30))]
        stacks[CLIENT, "connect()", *names] = int(random.geometric(0.05))
    flame = mean_flame([sampled(stacks)])
    assert 6_000 < len(flame.frames.names) <= 8_000
    section = ProfileSection((), build_flames([FlameGraph("many", 0, flame)], None))
    page_file = tmp_path / "many.html"
    empty = len(render_page(Document("x", "y")))
    page_file.write_text(render_page(Document("x", "y", profile=section)), "utf-8")
    assert len(page_file.read_text()) - empty < 160_000
    with opened_page(browser, page_file) as page:
        shown = Shown(page)
        assert page.locator("#flame-picture *").count() < 20_000
        assert f"{flame.frames.left_out:,} frames with the fewest samples are not in the page" in shown.text("text")
        assert "too narrow to be drawn" in shown.text("text")


def test_on_paper_the_graph_keeps_its_zoom(browser, home):
    with opened_page(browser, home / "difference.html", fragment="#flame?zoom=3") as page:
        shown = Shown(page)
        before = shown.text("text")
        assert wider_than_paper(page) == []
        assert shown.text("text") == before
        assert page.locator("#flame-picture").bounding_box()["width"] <= 718
        assert page.locator("#flame-search").is_hidden()


def test_with_one_trial_on_a_side_nothing_is_said_to_be_sure(browser, home, tmp_path):
    arms = [str(home / name / "run-0") for name in ("plain", "rules")]
    written = write_report(ReportQuestion(arguments=arms), tmp_path / "one.html")
    with opened_page(browser, written, fragment="#flame?zoom=5&at=1000000") as page:
        shown = Shown(page)
        profile = page.inner_text("#profile")
        assert "With one trial on a side no interval can be given, and no function is named" in profile
        assert "colour says only that a difference is more than the chance of sampling explains" in profile
        assert page.locator("[data-frame].flame-named").count() == 0
        assert shown.text("text").startswith("Zoomed to ")
        assert page.is_disabled("#flame-zoom")  # of a frame that is not there, that of the zoom is shown
        page.fill("#flame-search", '"nft_do_chain"')
        page.keyboard.press("Enter")
        said = shown.text("at")
        assert "(95 % interval of sampling alone +" in said
        assert "more, beyond the chance of sampling; 0 and " in said
        assert "surely" not in said
        assert "by the profiles" not in page.inner_text("#verdict")


def test_a_run_whose_profile_failed_says_why_and_has_no_graph(tmp_path):
    report = {"program": "perf 1", "rate_hz": 499, "lost": 0, "failure": "perf ended early.", "acts": []}
    profiled_run(tmp_path / "run", {}, profiled=report)
    page = write_report(ReportQuestion(arguments=[str(tmp_path / "run")]), tmp_path / "x.html").read_text()
    assert "There is no profile: perf ended early." in page
    assert "flame-model" not in page
    assert profile_file.read(tmp_path / "run") == {}
