# SPDX-License-Identifier: MIT
"""Layers between client and server: what each makes of a plan, and that a storm passes it and comes to no harm."""

import os
import re
import subprocess
import sys
from pathlib import Path

import command
import msgspec
import pytest
from layer_suites import SHIPPED

from stress.lab import firewall
from stress.lab.host import read_host
from stress.model.cgroup import CgroupHook
from stress.model.errors import LabError, UsageError
from stress.model.layer import LAYER, LAYERS, plan_with_layer
from stress.model.plan import Plan, Ports
from stress.model.progress import ignore_progress
from stress.run import process
from stress.store import run_folder
from stress.storm.catalogue import find_scenario
from stress.storm.check.plan_rules import plan_faults
from stress.suite import estimate, matrix
from stress.suite.config.load import build_suite, decode_suite, read
from stress.suite.shipped import find_suite_file

CLEAN = find_scenario("clean").plan
PLAIN = Plan(scenario="clean", ports=Ports.KERNEL)
GENERATOR = command.REPOSITORY / "docs" / "generate" / "layers.py"
# A network of its own, and with it a lock of its own; as root of the host, who may have a cgroup with programs.
ALONE = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-Urn"]
SMALL = """
trials = 1
warmup = 0
settle_s = 0
[[scenario]]
name = "clean"
attempts = 50
[matrix]
layer = ["loopback", "veth", "cgroup-connect"]
"""
SLOW_TO_LAY = ("time-wait-100k", "established-100k")
USUAL_CAUSES = {"none", "stalled", "unknown"}  # a busy machine delays some, and not always can it be said by what


def refusal(text):
    with pytest.raises(UsageError) as refused:
        decode_suite(text, "s.toml", "s")
    return str(refused.value)


def with_layers(names, scenario="clean", **more):
    return build_suite({"scenario": [{"name": scenario}], "matrix": {LAYER: list(names)} | more})


def changed_fields(plan):
    return {field for field in Plan.__struct_fields__ if getattr(plan, field) != getattr(PLAIN, field)}


def test_each_layer_but_the_lowest_is_above_one_that_comes_before_it():
    names = list(LAYERS)
    assert [name for name, layer in LAYERS.items() if not layer.below] == names[:1] == ["loopback"]
    assert all(layer.below in names[: names.index(name)] for name, layer in LAYERS.items() if layer.below)


def test_the_lowest_layer_is_a_plain_connect():
    assert plan_with_layer(CLEAN, LAYERS["loopback"]) == PLAIN


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name", LAYERS)
def test_each_layer_is_a_plan_of_its_own_without_faults(name, family):
    plan = plan_with_layer(CLEAN.with_family(family), LAYERS[name])
    assert not list(plan_faults(plan))
    others = {plan_with_layer(CLEAN.with_family(family), layer).identity for layer in LAYERS.values()}
    assert len(others) == len(LAYERS) - (family == 6)  # where all is IPv6, that is no layer


def test_a_layer_is_no_more_than_it_says():
    changed = {name: changed_fields(plan_with_layer(CLEAN, layer)) for name, layer in LAYERS.items()}
    assert changed["veth"] == {"world", "source", "target"} == changed["rules-1000"] == changed["conntrack"]
    assert changed["bind"] == changed["port-range"] == {"ports"}
    assert changed["no-timestamps"] == {"sysctls"}
    assert changed["time-wait-10k"] == {"bystanders", "sysctls"}
    assert changed["established-10k"] == {"bystanders", "bystander_state"}
    assert changed["cgroup-packets"] == {"cgroup"}


def test_the_shipped_suite_has_every_layer_that_a_trial_has_time_for():
    cells = matrix.build_cells(read(find_suite_file(Path("layers"))))
    assert [cell.levels[LAYER] for cell in cells] == SHIPPED
    assert cells[0].baseline


def test_an_unknown_layer_is_refused_with_all_that_there_are(tmp_path):
    text = '[[scenario]]\nname = "clean"\n[matrix]\nlayer = ["loopback", "vet"]\n'
    told = refusal(text)
    assert told.startswith("s.toml, line 4: There is no layer 'vet'; there are loopback, veth, bridge, ")
    assert told.endswith("Did you mean veth?")
    (tmp_path / "s.toml").write_text(text)
    command.assert_one_sentence(command.connstorm("suite", tmp_path / "s.toml"), "line 4: There is no layer 'vet'")


@pytest.mark.parametrize("scenario", ["closewait", "loss", "keepalive-cure"])
def test_a_scenario_that_is_more_than_a_storm_has_no_layers(scenario):
    with pytest.raises(UsageError, match=f"The scenario {scenario} has acts, mines, hosts or a server of its own"):
        with_layers(["loopback"], scenario)


@pytest.mark.parametrize(
    ("name", "axis"),
    [("bind", {"ports": ["kernel"]}), ("veth", {"link": ["loopback"]}), ("ipv6", {"family": [4, 6]})],
)
def test_what_a_layer_decides_is_no_axis_as_well(name, axis):
    with pytest.raises(UsageError, match=f"The layer {name} decides {next(iter(axis))}, an axis of its own here"):
        with_layers([name], **axis)


@pytest.mark.parametrize(
    ("layer", "given", "words"),
    [
        ("veth", {"ports": "bind"}, "A layer decides ports, which this file sets for clean as well; leave out one"),
        ("ipv6", {"family": 6}, "The layer ipv6 decides family, which this file sets for clean as well"),
        ("listeners-2", {"listeners": 4}, "The layer listeners-2 decides listeners, which"),
        (
            "no-timestamps",
            {"sysctls": {"tcp_timestamps": 2}},
            "no-timestamps decides net.ipv4.tcp_timestamps",
        ),
        ("time-wait-10k", {"bystanders": 5}, "The layer time-wait-10k decides bystanders, which"),
    ],
)
def test_what_a_layer_decides_is_not_set_as_well(layer, given, words):
    for where in ({"scenario": [{"name": "clean"} | given]}, {"scenario": [{"name": "clean"}], "defaults": given}):
        with pytest.raises(UsageError, match=re.escape(words)):
            build_suite(where | {"matrix": {LAYER: ["loopback", layer]}})


def test_a_layer_is_an_axis_and_nothing_that_a_scenario_sets():
    told = refusal('[[scenario]]\nname = "clean"\nlayer = "veth"\n')
    assert "line 3: " in told
    assert "[matrix], as a list of one or more" in told


def test_tables_of_sockets_take_time_to_lay():
    plans = [plan_with_layer(CLEAN, LAYERS[name]) for name in ("loopback", "time-wait-100k")]
    few, many = (estimate.trial_seconds(plan, read_host()) for plan in plans)
    assert many - few == pytest.approx(4.0)


def test_a_storm_passes_every_layer_and_its_books_balance(tmp_path):
    if not firewall.has_nft():
        pytest.skip("nft is not installed (Debian package nftables)")
    acts = {}
    for name in SHIPPED:
        plan = plan_with_layer(CLEAN, LAYERS[name])
        if name not in SLOW_TO_LAY and plan.cgroup is CgroupHook.NONE:  # that is a matter of the whole run
            fields = msgspec.to_builtins(plan)
            acts[name] = {field: fields[field] for field in sorted(changed_fields(plan))}
    try:
        path = process.run(
            msgspec.structs.replace(PLAIN, attempts=50, acts=acts), tmp_path, ignore_progress, ("--no-draw",)
        )
    except LabError as error:
        pytest.skip(str(error))
    run, summary = run_folder.read(path)
    assert [act.name for act in run.record.acts] == list(acts)
    assert summary.outcomes["connected"] == summary.attempts == 50 * len(acts)
    assert [claim for claim in summary.books if not claim.balanced] == []
    assert {cause for cause, count in summary.causes.items() if count} <= USUAL_CAUSES
    matched = {act.name for act in run.record.acts if any(act.dropped.values())}
    assert matched == {"masquerade"}  # whose rule counts connections; no other one matches anything


def test_the_page_has_a_row_for_each_step_and_says_of_one_block_nothing_sure(tmp_path):
    (tmp_path / "small.toml").write_text(SMALL)
    ended = command.connstorm("suite", tmp_path / "small.toml", "-o", tmp_path, under=ALONE)
    if "namespace" in ended.stderr:
        pytest.skip("this kernel refuses private network namespaces")
    assert ended.returncode in (0, 3), ended.stderr
    (stored,) = tmp_path.glob("*-suite-*")
    done = subprocess.run([sys.executable, GENERATOR, stored, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "layers.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| **")]
    missing = re.findall(r"^- ([\w-]+): A cgroup with BPF programs cannot be had here", page, re.MULTILINE)
    assert [*(row[0].strip("| *") for row in rows), *missing] == ["veth", "cgroup-connect"]
    assert all(row[1] == "loopback" and row[4] == "*nothing sure*" for row in rows)
    assert "The books balance in" in page
    assert (tmp_path / "layers.png").stat().st_size > 10_000
    assert (tmp_path / "layers.svg").read_text().startswith("<?xml")
