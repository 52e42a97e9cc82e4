# SPDX-License-Identifier: MIT
"""action.yml, its steps run as they stand from an empty repository: what it restores, saves, says and leaves behind."""

import subprocess

import pytest
from command import program
from composite import TINY, Cloud, Job
from github_service import serving

from stress.ci.annotation import annotation, verdict_annotations
from stress.ci.pull_request import shorten
from stress.store.verdict_file import VERDICT_SCHEMA, ConditionRecord, VerdictFile

FILES = {"tiny.toml": TINY}
AGAINST_BASE = "retries_per_million <= +5"
LOST = "The cache has no earlier run of"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    """Return a service that has run the action twice in one job of the default branch, under two names."""
    cloud = Cloud(tmp_path_factory.mktemp("cloud"))
    job = Job(cloud, FILES)
    cloud.first = job, [job.use(suite="tiny.toml", name=name, expr=AGAINST_BASE) for name in ("quick", "quick-2")]
    return cloud


def test_two_uses_in_one_job_from_an_empty_repository(cloud):
    job, uses = cloud.first
    for name, use in zip(("quick", "quick-2"), uses, strict=True):
        assert use.code == 0, use.log
        assert use.outputs("gate")["verdict"] == "no-baseline"
        (warning,) = [line for line in use.annotations("warning") if LOST in line]
        assert f"run of {name}: " in warning
        artifact = cloud.artifacts[job.number, f"connstorm-{name}"]
        assert {"report.html", "gate", "history.png"} <= {path.name for path in artifact.iterdir()}
        assert f"artifacts/connstorm-{name})" in job.summary.read_text()
        assert use.annotations("notice") == [f"::notice title=connstorm {name}::1 condition has no baseline."]
    assert list(cloud.caches)[:2] == [f"connstorm/{name}/Linux-X64/1001-1" for name in ("quick", "quick-2")]
    assert job.summary.read_text().count("\n## connstorm quick") + 1 == 2
    again = job.use(suite="tiny.toml", name="quick")
    assert again.code == 2
    assert "Two uses in this job are called quick" in again.log


def test_the_setting_is_restored_after_each_use_also_of_one_that_fails(cloud):
    job, _ = cloud.first
    assert job.restriction()[0] == "1"
    failing = Job(cloud, {"bad.toml": "trials = 0"})
    use = failing.use(suite="bad.toml")
    assert use.code == 2
    assert "bad.toml" in use.annotations("error")[0]
    assert "no verdict" in failing.summary.read_text()
    value, writes = failing.restriction()
    assert value == "1"
    assert [write[-2:] for write in writes] == ["=0", "=1"]


def test_the_next_run_finds_what_the_first_saved_and_saves_both(cloud):
    job = Job(cloud, FILES)
    use = job.use(suite="tiny.toml", name="quick", expr=AGAINST_BASE)
    assert use.code == 0, use.log
    assert use.outputs("restore")["cache-matched-key"] == "connstorm/quick/Linux-X64/1001-1"
    assert use.outputs("gate")["verdict"] in {"passed", "inconclusive"}
    assert LOST not in use.log
    saved = cloud.caches[f"connstorm/quick/Linux-X64/{1000 + job.number}-1"]
    assert len([path for path in saved.iterdir() if path.is_dir()]) == 2


def test_a_baseline_may_be_a_cell_of_the_same_suite(cloud):
    """As it is for the arms of one suite. Nothing is restored or saved, and nothing is lost."""
    before = list(cloud.caches)
    job = Job(cloud, {"pair.toml": f"{TINY}[matrix]\ntcp_timestamps = [1, 0]\n"})
    cell = {"baseline": "#clean", "cell": "clean tcp_timestamps=0", "options": "--allow-diff\nplan"}
    use = job.use(suite="pair.toml", expr=AGAINST_BASE, until="gate", **cell)
    assert use.outputs("gate")["code"] == "0", use.log
    assert use.outputs("gate")["verdict"] in {"passed", "inconclusive"}
    assert LOST not in use.log
    assert list(cloud.caches) == before


def test_a_pull_request_with_a_changed_suite_has_no_baseline_and_a_comment_and_saves_nothing(cloud):
    with serving() as service:
        pull = {"number": 7, "head": {"repo": {"full_name": "owner/repository"}}}
        files = {"tiny.toml": TINY.replace("64", "60")}
        job = Job(cloud, files, event="pull_request", branch="7/merge", pull=pull, api=service.address)
        before = list(cloud.caches)
        use = job.use(suite="tiny.toml", name="quick-2", expr=AGAINST_BASE, comment="true")
        assert use.code == 0, use.log
        assert use.outputs("restore")["cache-matched-key"]
        assert use.outputs("gate")["verdict"] == "no-baseline"
        assert list(cloud.caches) == before
        (comment,) = service.comments
        assert comment["body"].startswith("<!-- connstorm quick-2 -->\n## connstorm quick")


def test_a_fork_that_regressed_with_a_lost_cache_fails_and_says_both(cloud):
    pull = {"number": 8, "head": {"repo": {"full_name": "other/repository"}}}
    lost = Cloud(cloud.folder / "lost", runs=8)
    job = Job(lost, FILES, event="pull_request", branch="8/merge", pull=pull)
    use = job.use(suite="tiny.toml", name="quick", expr="errors >= 1", comment="true")
    assert use.code == 1, use.log
    assert use.outputs("gate")["verdict"] == "regressed"
    (error,) = use.annotations("error")
    assert "errors >= 1" in error
    assert any(LOST in line for line in use.annotations("warning"))
    assert "from a fork" in use.annotations("notice")[-1]
    text = job.summary.read_text()
    assert "## connstorm quick: regressed" in text
    assert "may not write" in text
    assert LOST in text
    assert not lost.caches
    assert job.restriction()[0] == "1"


@pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "$(id)"])
def test_a_name_that_is_no_name_is_refused(tmp_path, name):
    use = Job(Cloud(tmp_path), FILES).use(name=name)
    assert use.code == 2
    assert "is not made of letters" in use.annotations("error")[0]


@pytest.mark.parametrize(
    ("event", "branch", "saves"),
    [
        ("push", "main", "true"),
        ("push", "other", "false"),
        ("schedule", "main", "true"),
        ("workflow_dispatch", "main", "true"),
        ("pull_request", "7/merge", "false"),
        ("pull_request_target", "main", "false"),
        ("workflow_run", "main", "false"),
    ],
)
def test_only_the_default_branch_makes_history(tmp_path, event, branch, saves):
    use = Job(Cloud(tmp_path), {}, event=event, branch=branch).use(until="begin")
    assert use.outputs("begin")["saves"] == saves


def test_an_annotation_is_one_line_whatever_its_text_says():
    line = annotation("error", "a: b, c", "100 %\nof\r5")
    assert line == "::error title=a%3A b%2C c::100 %25%0Aof%0D5"


def test_more_annotations_than_the_service_shows_are_counted():
    condition = {"row": "clean", "state": "broken", "sentence": "clean: it is"}
    numbers = dict.fromkeys(("base", "new", "effect", "low", "high", "limit", "adjusted_p", "more_trials"))
    conditions = [
        ConditionRecord(expr=f"errors == {place}", **condition, **numbers, base_trials=0, new_trials=1)
        for place in range(12)
    ]
    verdict = VerdictFile(
        schema=VERDICT_SCHEMA, program="", verdict="regressed", exit_code=1, base="", new="", tests=0,
        conditions=conditions, warnings=["look"], allowed=["missing 2"],
    )  # fmt: skip
    lines = verdict_annotations("storm", verdict)
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 10 + ["::warning", "::notice"]
    assert lines[9] == "::error title=storm::3 more: see the summary of the job."
    assert lines[-1] == "::notice title=storm::allowed by an option: missing 2"


def test_a_comment_that_is_too_long_says_where_the_rest_is():
    body = shorten("line\n" * 20_000)
    assert len(body) <= 65_536
    assert body.endswith("summary of the job.*\n")
    assert shorten("short") == "short"


@pytest.mark.only_with("CONNSTORM_ACTION_INSTALL")
@pytest.mark.timeout(900)
def test_the_action_installs_the_program_from_its_own_folder(tmp_path):
    """From the registry, as on a runner; a minute or two."""
    job = Job(Cloud(tmp_path), FILES)
    (job.temp / "connstorm" / "installed").unlink()
    (job.temp / "connstorm" / "venv" / "bin").unlink()
    del job.environment["PYTHONPATH"]
    use = job.use(suite="tiny.toml")
    assert use.code == 0, use.log
    assert job.use(suite="tiny.toml", name="again", until="begin").outputs("begin")["installed"] == "true"


def told(service, job, folder, name="quick"):
    """Run what the action's last step but one runs; return what it prints."""
    environment = job.environment | {"GITHUB_TOKEN": "secret", "GITHUB_API_URL": service.address}
    command = program("github", folder, "--name", name, "--comment")
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_comment_is_written_once_then_changed_and_its_refusal_is_a_warning(cloud):
    first, (use, _) = cloud.first
    folder = first.workspace / use.outputs("gate")["gate"]
    pull = {"number": 7, "head": {"repo": {"full_name": "owner/repository"}}}
    with serving() as service:
        service.comments += [{"id": number, "body": None, "html_url": ""} for number in range(150)]
        job = Job(cloud, {}, pull=pull, api=service.address)
        for _ in range(2):
            assert "comment" not in told(service, job, folder)
        assert len(service.comments) == 151
        told(service, job, folder, name="other")
        assert len(service.comments) == 152
        service.may_write = False
        assert "GitHub answers 403; give the job permissions" in told(service, job, folder)
    assert "could not be written" in told(service, job, folder)
