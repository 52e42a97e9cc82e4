# SPDX-License-Identifier: MIT
"""Pages of suites, comparisons and histories in a browser: what they say, and tables by mouse and by keyboard."""

import pytest
from browser import grave_violations, opened_page, wider_than_paper
from history_builders import store_all, wavering
from stored import a_suite, copy_track, jittered

from stress.compare.report import ReportQuestion, write_report

SLOW = 1.4


def cells(factor):
    """Return trials of three cells, of which one has a p99 that is ``factor`` times the usual one."""
    return {
        "clean": jittered(14, p50=11_000, p99=18_000),
        "closewait": jittered(14, p50=11_000, p99=round(18_000 * factor), retried=50),
        "closewait tcp_timestamps=0": jittered(14, p50=10_000, p99=18_000, retried=50, unknown=3),
    }


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Return the pages by kind."""
    home = tmp_path_factory.mktemp("pages")
    old, new = a_suite(home / "old", cells(1), first_block=14), a_suite(home / "new", cells(SLOW))  # of one session
    rates = wavering((10, 40_000), (10, 30_000))
    store_all(home / "steps", rates, kernel="6.18.44-1-amd64-of-a-long-name")
    asked = {
        "suite": [new],
        "comparison": [f"old={old}", f"new={new}"],
        "history": [copy_track(home / "track")],
        "changed": [home / "steps"],
    }
    return {
        kind: write_report(ReportQuestion(arguments=list(map(str, arguments))), home / f"{kind}.html")
        for kind, arguments in asked.items()
    }


def column_of(page, number):
    """Return the texts of a column of the first table that is sorted, as shown."""
    return page.locator(
        f"table[data-sortable] >> nth=0 >> tbody tr:visible > :nth-child({number + 1})"
    ).all_inner_texts()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["suite", "comparison", "history"])
def test_each_kind_opens_without_an_error_or_a_request(browser, pages, kind, scheme):
    with opened_page(browser, pages[kind], scheme=scheme) as page:
        assert grave_violations(page) == []
        page.set_viewport_size({"width": 400, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_a_comparison_says_what_is_worse_and_draws_it(browser, pages):
    with opened_page(browser, pages["comparison"]) as page:
        assert page.locator("#verdict .sentence").inner_text() == "Worse: body p99 of closewait ×1.40."
        (row,) = page.locator(".forest tr").filter(has_text="body p99").filter(has_not_text="body p999").all()
        assert "regressed" in row.inner_text()
        box, mark = row.locator(".plot").bounding_box(), row.locator(".plot path").bounding_box()
        assert mark["x"] > box["x"] + box["width"] / 2  # worse is to the right


def test_a_table_is_sorted_and_filtered_by_mouse(browser, pages):
    with opened_page(browser, pages["comparison"]) as page:
        head = page.get_by_role("columnheader", name="metric")
        first = column_of(page, 1)
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert column_of(page, 1) == sorted(first)
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "descending"
        assert column_of(page, 1) == sorted(first, reverse=True)
        page.get_by_role("searchbox").first.fill("CLEAN p50")
        assert column_of(page, 1) == ["body p50"]
        assert page.get_by_role("status").first.inner_text() == f"1 of {len(first)} rows"


def test_a_table_is_sorted_and_filtered_by_keyboard(browser, pages):
    with opened_page(browser, pages["comparison"]) as page:
        button = page.get_by_role("columnheader", name="base").get_by_role("button")
        page.get_by_role("searchbox").first.focus()
        page.keyboard.type("clean")
        for _ in range(9):
            page.keyboard.press("Tab")
            if button.evaluate("part => part === document.activeElement"):
                break
        page.keyboard.press("Enter")
        shown = page.locator("table[data-sortable] >> nth=0 >> tbody tr:visible")
        numbers = [float(row.locator("td").nth(1).get_attribute("data-order")) for row in shown.all()]
        assert len(numbers) > 3
        assert numbers == sorted(numbers)


def test_a_history_shows_every_point_and_draws_no_flat_line(browser, pages):
    with opened_page(browser, pages["history"]) as page:
        assert "12 series" in page.locator("#verdict .sentence").inner_text()
        assert len(column_of(page, 0)) == 48
        assert page.locator("figure").count() < 12
        assert "Always the same" in page.locator("#changes").inner_text()


@pytest.mark.parametrize("kind", ["suite", "comparison", "history", "changed"])
def test_each_kind_is_as_wide_as_the_paper(browser, pages, kind):
    with opened_page(browser, pages[kind]) as page:
        assert wider_than_paper(page) == []


def test_details_are_open_on_paper_only(browser, pages):
    with opened_page(browser, pages["suite"]) as page:
        closed = page.locator("#books details:not([open])")
        assert closed.count() == 3
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert closed.count() == 0
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert closed.count() == 3
        page.emulate_media(media="print")
        assert not page.locator("nav").is_visible()
