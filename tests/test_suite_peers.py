# SPDX-License-Identifier: MIT
"""Suites that storm hosts across a link: what they ask of them, what they store of them, and what they refuse."""

import msgspec
import pytest
from command import program
from fake_executor import FakeExecutor
from private_network import ROOT
from suite_builders import a_summary, trials_of
from two_hosts import two_hosts

from stress.lab import sysctl
from stress.model.errors import LabError, UsageError
from stress.model.link import LINK, link_text, parse_link
from stress.model.suite import Status
from stress.model.world import CLIENT, SERVER
from stress.run.fingerprint import take_fingerprint
from stress.store import run_folder, suite_folder
from stress.storm.catalogue import SCENARIOS
from stress.storm.check.link_rules import link_fault
from stress.suite import manifest, matrix
from stress.suite.cell_results import read_cell_trials
from stress.suite.config.load import build_suite
from stress.suite.links import plan_across_link, plan_faults
from stress.suite.scheduler import Scheduler
from stress.view.text.suite_markdown import suite_markdown
from stress.view.text.suite_rows import link_notes

LINKS = {"scenario": [{"name": "clean", "attempts": 5}], "trials": 1, "warmup": 0, "settle_s": 0}
LINKS |= {"matrix": {"link": ["loopback", "veth", "peer:lab2"]}}


class LinkedExecutor(FakeExecutor):
    """Trials of this machine, which reaches some other hosts.

    Attributes:
        reached: what they are like; None for this machine's like. The others do not answer.
    """

    def __init__(self, **reached):
        super().__init__()
        self.reached = reached

    def submit(self, job, host):
        self.calls.append(("set_host", job.set_host, *job.plan.peers))
        return super().submit(job, host)

    def fingerprint_peer(self, name):
        self.calls.append(("peer", name))
        if name not in self.reached:
            raise LabError(f"{name} cannot be reached by ssh: Connection refused.")
        here = take_fingerprint(sysctl.list_names(), sysctl.list_names())
        return msgspec.structs.replace(here, **self.reached[name])


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("link", ["peer:lab2", "peer:lab2/198.51.100.2"])
def test_each_scenario_that_runs_across_a_link_is_valid_there(family, link):
    for name, scenario in SCENARIOS.items():
        plan = scenario.plan.with_family(family)
        if link_fault(plan, parse_link(link)) is None:
            across = plan_across_link(plan, parse_link(link))
            assert across.host, name
            assert across.peers == ["lab2"]
            faults = [text for text in plan_faults(across) if "198.51.100.2 is IPv4" not in text]
            assert not faults, name


def test_a_link_says_which_address_is_stormed():
    plan = SCENARIOS["clean"].plan
    assert plan_across_link(plan, parse_link("peer:root@lab2:2222/2001:db8::2")).target == "2001:db8::2"
    named = msgspec.structs.replace(plan, source="10.0.0.1", target="10.0.0.2", ports="no-port")
    across = plan_across_link(named, parse_link("peer:lab2"))
    assert (across.source, across.target, link_text(across)) == ("10.0.0.1", "10.0.0.2", "peer:lab2")
    for text in ("peer:lab2/", "peer:lab2/lab3", "peer:lab2/1.2.3", "peer:/10.0.0.2"):
        with pytest.raises(UsageError, match="link must be loopback, veth or peer:NAME"):
            parse_link(text)


def begun(executor, tmp_path, document=LINKS, **options):
    told = []
    file = manifest.begin_suite(build_suite(document), executor, told.append, host=False, **options)
    return suite_folder.create(file, None, tmp_path), file, told


def test_hosts_across_a_link_are_asked_once_and_stored(tmp_path):
    executor = LinkedExecutor(lab2={"engine": "other"})
    path, _, told = begun(executor, tmp_path)
    assert executor.calls.count(("peer", "lab2")) == 1
    assert told == ["asking lab2 what it is"]
    assert suite_folder.read(path).peers["lab2"].engine == "other"


def test_a_dry_run_reaches_nobody(tmp_path):
    executor = LinkedExecutor()
    _, file, _ = begun(executor, tmp_path, boot=False)
    assert [cell.name for cell in file.cells] == ["clean", "clean link=veth", "clean link=peer:lab2"]
    assert ("peer", "lab2") not in executor.calls


def test_a_host_that_is_not_reached_stops_nothing(tmp_path):
    executor = LinkedExecutor()
    path, file, told = begun(executor, tmp_path)
    assert told[-1] == (
        "lab2 cannot be reached by ssh: Connection refused. The trials that storm lab2 fail as long as that is so."
    )
    Scheduler(path, suite_folder.read(path), executor).run(Silent())
    assert file.peers == {}
    assert [call for call in executor.calls if call[0] == "set_host"].count(("set_host", False, "lab2")) == 1
    assert executor.calls.count(("set_host", True)) == 2


class Silent:
    """An observer that looks at nothing."""

    def stage(self, text):
        pass

    def storms(self, trial, text):
        pass

    def begins(self, trial):
        pass

    def ended(self, record, summary):
        pass


def test_a_resumed_suite_refuses_another_host_behind_the_same_name(tmp_path):
    suite = build_suite(LINKS)
    path, *_ = begun(LinkedExecutor(lab2={}), tmp_path)
    manifest.resume_suite(path, suite, LinkedExecutor(lab2={}), host=False)
    with pytest.raises(
        UsageError, match=r"was started with another program on lab2: connstorm .*, and now it is other"
    ):
        manifest.resume_suite(path, suite, LinkedExecutor(lab2={"program": "other"}), host=False)
    assert "lab2" in manifest.resume_suite(path, suite, LinkedExecutor(), host=False).peers


def test_trials_across_a_link_begin_on_the_running_kernel_of_this_machine(tmp_path):
    with pytest.raises(
        UsageError, match="clean link=peer:lab2: a suite storms lab2 from this machine alone; leave out"
    ):
        begun(FakeExecutor(), tmp_path)
    both = LINKS | {"design": "full", "matrix": {"kernel": ["deb:bookworm"], "link": ["loopback", "peer:lab2"]}}
    with pytest.raises(UsageError, match="a kernel that is booted for its trials has no link to lab2"):
        begun(LinkedExecutor(), tmp_path, both)


def test_results_say_what_else_differs_across_a_link(tmp_path):
    path, file, _ = begun(LinkedExecutor(lab2={}), tmp_path)
    Scheduler(path, suite_folder.read(path), LinkedExecutor()).run(Silent())
    cells = read_cell_trials(path, file)
    (note,) = link_notes(cells)
    assert note == (
        "With link=peer:lab2 client and server are hosts with network stacks, settings and traffic of their own. "
        "The other cells run in private namespaces, which have the settings of the suite."
    )
    assert note in suite_markdown(cells)
    assert "`link`" in suite_markdown(cells)


def test_results_repeat_how_a_storm_was_paced():
    slow = "The storm was paced at 18,000/s, because lab2 permits 20,000/s."
    summary = msgspec.structs.replace(a_summary(), warnings=["Something else.", slow])
    (cell,) = matrix.build_cells(build_suite(LINKS | {"matrix": {"link": ["peer:lab2"]}}))
    trials = msgspec.structs.replace(trials_of([summary]).cell, plan=cell.plan)
    assert link_notes([type(trials_of())(trials, {0: summary}, {}, None)])[-1] == slow
    assert link_notes([trials_of([summary])]) == []


def test_a_link_to_another_host_is_compared_with_veth_in_the_same_blocks(tmp_path):
    source = tmp_path / "links.toml"
    source.write_text(
        """
trials = 1
warmup = 0
settle_s = 0
[defaults]
attempts = 50
rate_per_s = 500
[[scenario]]
name = "clean"
[matrix]
link = ["veth", "peer:lab2/198.51.100.2", "peer:lab9"]
"""
    )
    with two_hosts(tmp_path, as_root=ROOT) as hosts:
        hosts.serve_ssh()
        ended = hosts.client.run(*program("suite", source, "-o", hosts.client.results, *hosts.remote))
        assert ended.returncode == 3, ended.stdout + ended.stderr
        assert "The trials that storm lab9 fail as long as that is so." in ended.stderr
        table = " ".join(ended.stdout.split())
        assert "failed: clean, link=peer:lab9, block 0: lab9 cannot be reached by ssh" in table
        assert "With link=peer:lab2/198.51.100.2 client and server are hosts with network stacks" in table
        (path,) = hosts.client.results.glob("*-suite-*")
        assert list(suite_folder.read(path).peers) == ["lab2"]
        across, veth = sorted(
            (
                run_folder.read(suite_folder.trial_run_folder(path, record))
                for record in suite_folder.read_records(path).values()
                if record.status is Status.DONE
            ),
            key=lambda run: run[0].record.acts[0].peer is None,
        )
        for run, summary in (across, veth):
            assert summary.outcomes["connected"] == 50
            assert all(claim.balanced for claim in summary.books)
            assert {CLIENT, SERVER} <= run.record.acts[0].hosts.keys()
        assert across[0].record.acts[0].address.target == "198.51.100.2"
        assert across[0].record.acts[0].peer.changed == []
        told = hosts.client.run(*program("compare", path, "--cols", LINK, "--no-draw", "--allow-diff", "settings"))
        assert "link=peer:lab2 against link=veth" in " ".join(told.stdout.split()), told.stderr
        assert hosts.is_quiet()
