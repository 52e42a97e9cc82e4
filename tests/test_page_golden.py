# SPDX-License-Identifier: MIT
"""What pages say, to the letter: of a run, a suite, a comparison and a history, and what --public changes in it.

After a change that is meant: UPDATE_GOLDEN=1 python -m pytest tests/test_page_golden.py; then read git diff
tests/golden/pages. How they look and work is in test_page*.py and test_timeline.py.
"""

import difflib
import json
import shutil

import pytest
from golden_files import GOLDEN, TESTS, agree, normal, page
from history_builders import store_all, wavering
from page_text import page_text
from profiled_runs import profiled_arm, profiled_run, profiled_suite, trials_of
from stored import a_document, a_suite, jittered

from stress.compare.report import ReportQuestion, write_report

QUESTIONS = {
    "run": ["run"],
    "suite": ["suite"],
    "suite-failed": ["failed"],
    "comparison": ["old=before", "new=after"],
    "comparison-kernel": ["suite#clean", "old#clean"],
    "history": ["history"],
    "profile": ["profiled"],
    "profile-suite": ["profiled-suite"],
    "profile-comparison": ["plain=profiled-plain", "rules=profiled-rules"],
}


def stored_suite(path, cells, **options):
    """Write a suite, of which cells say what they set."""
    a_suite(path, cells, **options)
    manifest = json.loads((path / "suite.json").read_text())
    for cell in manifest["cells"]:
        cell["levels"] = dict(level.split("=") for level in cell["name"].split()[1:])
    (path / "suite.json").write_text(json.dumps(manifest))


def stored_run(path):
    """Copy a run, with a warning that says whose it is."""
    shutil.copytree(TESTS / "data" / "run-schema-3", path)
    document = json.loads((path / "run.json").read_text())
    document["warnings"] = document["summary"]["warnings"] = ["lab7.example.org lost 198.51.100.7, see /srv/ann/log."]
    for part in (document, *document["acts"]):
        part["plan"]["peers"] = ["ann@lab7.example.org:2222"]
    (path / "run.json").write_text(json.dumps(document))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Return a folder of stored runs."""
    home = tmp_path_factory.mktemp("pages")
    clean, mined = jittered(14, p50=11_000, p99=18_000), {"retried": 50}
    cured = jittered(14, p50=13_000, unknown=3, **mined)
    stored_suite(
        home / "suite", {"clean": clean, "closewait": jittered(14, **mined), "closewait tcp_timestamps=0": cured}
    )
    of_session = {"suite_id": "5e5510"}  # or times say nothing
    stored_suite(home / "before", {"clean": clean, "closewait": jittered(14, **mined)}, **of_session)
    slow = jittered(14, p99=26_000, refused=40, **mined)
    stored_suite(home / "after", {"clean": clean, "closewait": slow}, first_block=14, **of_session)
    stored_suite(home / "failed", {"clean": jittered(3), "closewait": [*jittered(2), "its process ended with SIGKILL"]})
    stored_suite(home / "old", {"clean": [a_document(kernel="5.10.0")] * 2}, suite_id="0d0d0d")
    stored_run(home / "run")
    profiled_run(home / "profiled")
    profiles = {"clean": dict(enumerate(trials_of("plain", 2))), "closewait": {0: "perf ended early."}}
    profiled_suite(home / "profiled-suite", profiles, {"clean": jittered(2), "closewait": jittered(2)})
    profiled_arm(home / "profiled-plain", "plain", 3)
    profiled_arm(home / "profiled-rules", "rules", 3, seed=2)
    rates = wavering((10, 40_000), (10, 30_000))
    store_all(home / "history", rates[:10], program="connstorm 1.0", kernel="6.12.1")
    store_all(home / "history", rates[10:], first=10, program="connstorm 1.1", kernel="6.18.44")
    return home


def text_of(home, arguments, **options):
    metrics = ("rate", "body.p50") if arguments == ["history"] else ()
    question = ReportQuestion(arguments=arguments, metrics=metrics, results=home, **options)
    written = write_report(question, home / "page.html")
    return normal(page_text(written.read_text("utf-8")), (home, "<tmp>"))


@pytest.mark.parametrize("kind", QUESTIONS)
def test_what_a_page_says(kind, home, monkeypatch):
    monkeypatch.chdir(home)
    plain, public = (text_of(home, QUESTIONS[kind], is_public=is_public) for is_public in (False, True))
    changed = difflib.unified_diff(plain.splitlines(), public.splitlines(), lineterm="", n=0)
    hunks = [line for line in changed if not line.startswith(("@@", "---", "+++"))]
    command = f"connstorm report {' '.join(QUESTIONS[kind])}"
    agree(f"pages/{kind}", page((command, plain), ("what --public changes", "\n".join(hunks))))


def test_no_golden_file_is_left_over():
    assert {file.stem for file in (GOLDEN / "pages").iterdir()} == {*QUESTIONS}
