# SPDX-License-Identifier: MIT
"""What stored runs say is text in a page, whatever it is, and a public page says nothing of whose they are."""

import getpass
import json
import platform
import re
import shutil
from pathlib import Path

import msgspec
import pytest
from browser import opened_page
from command import assert_one_sentence, connstorm
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from stored import a_suite, jittered

from stress.compare.report import ReportQuestion, write_report
from stress.compare.report_arms import NamedRuns, runs_timeline
from stress.view.page.document import Document, Fact
from stress.view.page.public import Redaction
from stress.view.page.render import make_environment, render_page
from stress.view.text.table import Tone

RUN = Path(__file__).parent / "data" / "run-schema-3"
HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}{% raw %}</title>"
    "\u2028\u2029\x00\x1b[31m\ufdd0&amp;]]>-->"
)
SHOWN = HOSTILE.replace("\x00", "\ufffd").replace("\x1b", "\ufffd").replace("\ufdd0", "\ufffd")


def changed_run(path, change):
    """Copy the frozen run, with changes of its run.json."""
    shutil.copytree(RUN, path)
    document = json.loads((path / "run.json").read_text())
    change(document)
    (path / "run.json").write_text(json.dumps(document))
    return path


def make_hostile(document):
    document["program"] = document["host"]["kernel"] = document["host"]["cpu"] = HOSTILE
    document["host"]["kernel"] = f"6.18.44-{HOSTILE}"
    document["warnings"] = [HOSTILE]
    document["summary"]["verdict"] = HOSTILE
    document["plan"]["scenario"] = HOSTILE
    for act in document["acts"]:
        act["name"] = act["plan"]["scenario"] = HOSTILE


def test_hostile_text_of_a_run_is_shown_as_it_is(browser, tmp_path):
    page_path = write_report(
        ReportQuestion(arguments=[str(changed_run(tmp_path / HOSTILE[:7], make_hostile))]), tmp_path / "x.html"
    )
    assert HOSTILE[:25] not in page_path.read_text()
    with opened_page(browser, page_path) as page:
        assert page.locator("img").count() == 0
        assert SHOWN in page.locator("dl.facts").first.evaluate("part => part.textContent")
        assert SHOWN in page.locator("#differences").evaluate("part => part.textContent")
        assert "7 * 7" in page.title()


def test_hostile_names_of_a_suite_are_shown_as_they_are(browser, tmp_path):
    suite = a_suite(tmp_path / "s", {"clean": jittered(2), "closewait": ["it failed: " + HOSTILE]})
    manifest = json.loads((suite / "suite.json").read_text())
    manifest["suite"]["name"] = manifest["suite"]["description"] = HOSTILE
    for cell in manifest["cells"]:
        cell["scenario"] += HOSTILE
    (suite / "suite.json").write_text(json.dumps(manifest))
    (suite / "suite.toml").write_text(HOSTILE.replace("\x00", ""))
    with opened_page(browser, write_report(ReportQuestion(arguments=[str(suite)]), tmp_path / "x.html")) as page:
        assert page.locator("img").count() == 0
        text = page.locator("main").evaluate("part => part.textContent")
        assert f"clean{SHOWN}" in text
        assert f"it failed: {SHOWN}" in text


@settings(max_examples=50)
@given(st.text(st.characters(codec=None), max_size=40))
def test_any_text_is_a_page_that_can_be_written(text):
    page = render_page(Document(title=text, verdict=text, facts=(Fact(text, text),)))
    page.encode()
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]", page)


def test_a_template_refuses_what_is_not_there():
    with pytest.raises(UndefinedError):
        make_environment().from_string("{{ missing }}").render()


def test_names_addresses_and_paths_are_replaced_the_same_everywhere():
    redaction = Redaction({"host": ["lab2", "lab2.example.org", "a", "server"], "user": ["ann"]})
    said = redaction.text(
        "ann@lab2.example.org (lab2) at 192.0.2.7:5000, fe80::1%eth0, [::1]:80, 192.0.2.7, the server"
    )
    assert said == "user-1@host-2 (host-1) at address-1:5000, address-2, [address-3]:80, address-1, the server"
    kept = "6.18.44 at 12:00:01, 10/20 attempts/s, 40000-40999, /proc/net/tcp, 1.53"
    assert redaction.text(kept) == kept
    assert redaction.text("in /home/ann/x.toml, ~/y or ../z") == "in a-path, a-path or a-path"
    assert redaction.value(Fact("kernel", "lab2")) == Fact("kernel", "host-1")
    assert redaction.value((Tone.WORSE,)) == (Tone.WORSE,)


@pytest.mark.parametrize(
    ("count", "named"),
    [(12, None), (14, "of 2 more there are figures only: cell 12 and cell 13."), (25, "cell 23 and 1 other.")],
)
def test_arms_whose_attempts_are_not_in_the_page_are_named(count, named):
    groups = [NamedRuns(f"cell {number}", [RUN]) for number in range(count)]
    timeline, note = runs_timeline(groups, rename=None)
    assert timeline is not None
    assert (named in note) if named else not note


def test_a_public_page_says_nothing_of_whose_it_is(tmp_path, monkeypatch):
    def name_hosts(document):
        document["warnings"] = document["summary"]["warnings"] = [
            "seen on lab7.example.org at 198.51.100.7 and fd00::7, in /srv/ann/results"
        ]
        for part in (document, *document["acts"]):
            part["plan"]["peers"] = ["ann@lab7.example.org:2222"]

    home = tmp_path / "secret-folder"
    home.mkdir()
    monkeypatch.chdir(home)
    run = changed_run(home / "20260131T120000Z-closewait-abc123", name_hosts)
    secrets = ["lab7", "example.org", "198.51.100.7", "fd00::7", "/srv", "secret-folder", "127.0.0.1", "ann@", "2222"]
    secrets += [str(home), platform.node()]
    secrets += [user for user in [getpass.getuser()] if user not in ("root", "nobody")]
    for arguments in ([str(run)], [f"old={run}", f"new={run.name}"]):
        plain, public = (
            write_report(ReportQuestion(arguments=arguments, is_public=is_public), home / "x.html").read_text()
            for is_public in (False, True)
        )
        assert "198.51.100.7" in plain
        assert "address-1" in public
        shown = re.sub(r"<(script|style)>.*?</\1>", "", public, flags=re.DOTALL)  # all but the program, JSON included
        shown = re.sub(r'"application/octet-stream"[^<]*<', "<", shown)  # columns of numbers
        assert [secret for secret in secrets if re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", shown)] == []


def test_a_public_suite_names_no_host(tmp_path):
    suite = a_suite(tmp_path / "s", {"clean": jittered(2)})
    manifest = json.loads((suite / "suite.json").read_text())
    manifest["attestations"] = {"lab9": next(iter(manifest["attestations"].values()))}
    (suite / "suite.json").write_bytes(msgspec.json.encode(manifest))
    for public in (False, True):
        page = write_report(ReportQuestion(arguments=[str(suite)], is_public=public), tmp_path / "x.html").read_text()
        assert ("lab9" in page) is not public


def test_bad_input_is_a_sentence_and_leaves_the_older_page(tmp_path):
    page = tmp_path / "x.html"
    page.write_text("older")
    damaged = changed_run(tmp_path / "run", lambda document: document.pop("acts"))
    assert_one_sentence(connstorm("report", damaged, "-o", page), "run.json")
    assert page.read_text() == "older"
