# SPDX-License-Identifier: MIT
"""The arms of a suite: servers that its trials start, and other connstorms, compared within the same blocks."""

import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from command import connstorm
from fake_executor import FakeExecutor
from namespaced import namespaced

import stress
from stress.compare.arms import Question, compare_arms
from stress.compare.report import ReportQuestion, read_document
from stress.compare.server_pair import absent_trials, compare_pair, pair_question
from stress.lab.descendants import list_descendants
from stress.lab.wait import wait_until
from stress.model.arm import SuiteArm, parse_ready, plan_for_arm
from stress.model.errors import LabError, UsageError
from stress.model.suite import Status
from stress.run.fingerprint import take_fingerprint
from stress.run.other_connstorm import request_other_fingerprint
from stress.run.protocol import PROTOCOL
from stress.run.served import is_served, serve_arm
from stress.store import run_folder, suite_folder
from stress.store.run_schema import SCHEMA
from stress.store.runs import read_arm
from stress.suite import matrix
from stress.suite.config.arms import served_plan
from stress.suite.config.load import build_suite, decode_suite
from stress.suite.executor.local import Local
from stress.suite.manifest import begin_suite, resume_suite

SERVER = """
import os, socket, sys, time
port, *what = sys.argv[1:]
print("the server of", os.getcwd(), *what, flush=True)
if "late" in what:
    time.sleep(600)
if "crash" in what:
    sys.exit(7)
server = socket.create_server(("127.0.0.1", int(port)), backlog=512)
for number in range(10 ** 9):
    if "dies" in what and number == 5:
        os.abort()
    server.accept()[0].close()
"""
ALONE = ["unshare", "-Urn"]  # a network of its own, and with it a lock of its own
SMALL = {"trials": 1, "warmup": 0, "settle_s": 0, "defaults": {"attempts": 50}, "scenario": [{"name": "clean"}]}


def serving(name, *what, port=7000, **more):
    """Return the table of an arm that serves."""
    command = f"{sys.executable} -c '{SERVER}' {{port}} {' '.join(what)}"
    return {"name": name, "serve": command, "ready": f"tcp:{port}", **more}


def refusal(*tables, **more):
    """Return what is said of a suite with some arms, without the file's name."""
    with pytest.raises(UsageError) as caught:
        build_suite(SMALL | {"arm": list(tables)} | more, "s")
    return str(caught.value).replace("s, ", "").split("\n")


def test_where_a_server_listens_is_a_port_and_maybe_an_address_of_the_loopback():
    assert [str(part) for part in parse_ready("tcp:8080")] == ["127.0.0.1", "8080"]
    assert [str(part) for part in parse_ready("tcp:127.0.0.2:80")] == ["127.0.0.2", "80"]
    assert [str(part) for part in parse_ready("tcp:[::1]:80")] == ["::1", "80"]
    for text in ("", "8080", "udp:80", "tcp:0", "tcp:65536", "tcp:::1:80", "tcp:[::1:80", "tcp:1.2.3:80", "tcp:a:80"):
        with pytest.raises(UsageError, match="is not of the form tcp:PORT or tcp:ADDRESS:PORT"):
            parse_ready(text)
    with pytest.raises(UsageError, match=r"192.0.2.1 is not of the loopback"):
        parse_ready("tcp:192.0.2.1:80")


def test_the_command_is_split_as_by_a_shell_and_the_port_put_in():
    arm = SuiteArm(name="a", serve="./my\\ server --listen '127.0.0.1:{port}' $HOME", ready="tcp:81")
    assert arm.command == ["./my server", "--listen", "127.0.0.1:81", "$HOME"]


def test_an_error_in_an_arm_is_shown_with_its_line():
    text = """
[[scenario]]
name = "closewait"
mines = 5
[[arm]]
name = "old one"
serve = "sh"
ready = "tcp:80"
[[arm]]
name = "new"
serve = "no-such-server"
ready = "tcp:0"
[[arm]]
name = "new"
serve = "no-such-server 'x"
ready = "tcp:80"
[[arm]]
python = "/nowhere"
ready = "tcp:80"
"""
    with pytest.raises(UsageError) as caught:
        decode_suite(text, "s.toml", "s")
    lines = str(caught.value).split("\n")
    assert lines[0].startswith("s.toml, line 3: closewait is about a server or a world of connstorm's own")
    assert lines[1].startswith("s.toml, line 6: 'old one' is no name of an [[arm]]")
    assert lines[2].startswith("s.toml, line 12: 'tcp:0' is not of the form")
    assert lines[3].startswith("s.toml, line 14: There is an [[arm]] 'new' already")
    assert lines[4].startswith("s.toml, line 17: This [[arm]] has no name")


def test_what_no_arm_can_be_is_refused():
    good = serving("good")
    assert refusal(good) == ["arm[0]: One [[arm]] alone is compared with nothing; give two or more, the base first."]
    both = {"name": "x", "serve": "sh", "ready": "tcp:80", "python": sys.executable}
    for table in (both, {"name": "x"}):
        assert "An [[arm]] has either serve, the command that starts a server" in refusal(good, table)[0]
    assert "has serve and no ready" in refusal(good, {"name": "x", "serve": "sh"})[0]
    assert refusal(good, {"name": "x", "serve": "no-such-server", "ready": "tcp:80"}) == [
        "arm[1].serve: There is no program no-such-server that can be run in PATH, which the arm x starts."
    ]
    assert "cannot be split into words" in refusal(good, {"name": "x", "serve": "sh '", "ready": "tcp:80"})[0]
    assert "neither a Python that can be run nor a virtual environment" in " ".join(
        refusal({"name": "x", "python": "/nowhere"}, {"name": "y", "python": sys.executable})
    )
    assert (
        "all servers (serve) or all of another connstorm" in refusal(good, {"name": "x", "python": sys.executable})[0]
    )
    assert "There is no 'server' in an [[arm]]" in refusal(good, serving("x", server=1))[0]
    assert (
        "arm is an axis whose values are the [[arm]] tables" in refusal(good, serving("x"), matrix={"arm": ["good"]})[0]
    )
    assert "ready is of a server" in refusal(good, {"name": "x", "python": sys.executable, "ready": "tcp:80"})[0]


AS_ANOTHER = ["unshare", "-Un", "--map-user=1000", "--map-group=1000"]  # as an ordinary user


def test_the_server_runs_as_the_user_and_not_as_root(tmp_path):
    arm = SuiteArm(name="new", serve="id -u", ready="tcp:7000")
    plan = msgspec.json.encode(plan_for_arm(served_plan("clean"), arm)).decode()
    options = ["--arm", msgspec.json.encode(arm).decode(), "-o", tmp_path / "out"]
    ended = needs_namespace(connstorm("run-cell", *options, under=AS_ANOTHER, input=plan))
    assert json.loads(ended.stdout.splitlines()[-1])["text"] == (
        "The server of the arm new ended with code 0 before it listened on 127.0.0.1:7000; the end of its output: 1000."
    )


def test_what_is_of_a_server_of_our_own_cannot_be_set_or_varied_with_arms_that_serve():
    arms = {"arm": [serving("old"), serving("new")]}
    for more in ({"defaults": {"mines": 5}}, {"defaults": {"link": "veth"}}, {"matrix": {"backlog": [1, 2]}}):
        with pytest.raises(UsageError, match="is of a server or a world of connstorm's own, not of the server of an"):
            build_suite(SMALL | arms | more, "s")
    suite = build_suite(SMALL | arms | {"matrix": {"net.ipv4.tcp_timestamps": [1, 0]}, "design": "full"}, "s")
    assert len(matrix.build_cells(suite)) == 4
    with pytest.raises(UsageError, match="runs in the private namespace of its trial; leave out --host"):
        begin_suite(suite, Local(), host=True, boot=False)


def test_arms_are_an_axis_whose_first_value_is_the_base():
    suite = build_suite(SMALL | {"arm": [serving("old"), serving("new", port=7001)]}, "s")
    base, new = matrix.build_cells(suite)
    assert (base.name, base.baseline, base.arm, base.plan.target_port) == ("clean", True, "old", 7000)
    assert (new.name, new.baseline, new.arm, new.plan.target_port) == ("clean arm=new", False, "new", 7001)
    assert (base.plan.scenario, base.plan.attempts, base.plan.rate_per_s) == ("visit", 50, 2000)
    assert base.identity != new.identity
    other = build_suite(SMALL | {"arm": [serving("old", "other"), serving("new", port=7001)]}, "s")
    assert {cell.identity for cell in matrix.build_cells(other)} & {base.identity, new.identity} == {new.identity}
    v6 = build_suite(SMALL | {"arm": [serving("old", ready="tcp:[::1]:80"), serving("new")]}, "s")
    plan = matrix.build_cells(v6)[0].plan
    assert (plan.family, plan.source, plan.target, plan.target_port) == (6, "::1", "::1", 80)


def test_arms_run_on_this_machine_and_its_kernel_alone():
    arms = {"arm": [serving("old"), serving("new")]}
    with pytest.raises(UsageError, match="leave out --executor and the axis kernel"):
        begin_suite(build_suite(SMALL | arms, "s"), FakeExecutor(), host=False, boot=False)
    kernels = {"matrix": {"kernel": ["host", "deb:bookworm"]}}
    assert "run on the running kernel; leave out kernel" in refusal(*arms["arm"], **kernels)[0]
    others = {"arm": [{"name": name, "python": sys.executable} for name in ("old", "new")]}
    with pytest.raises(UsageError, match="leave out --executor and the axis kernel"):
        begin_suite(build_suite(SMALL | others | kernels, "s"), Local(), host=False, boot=False)


NGINX = """
daemon on; worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e; server {{ listen 7000; return 200; }}
}}
"""


def nginxes():
    """Return the processes of nginx that this one has started, or those have."""
    pids = []
    for pid in list_descendants():
        with suppress(OSError):  # it has ended
            pids += [pid] * (Path(f"/proc/{pid}/comm").read_text() == "nginx\n")
    return pids


@namespaced(as_oneself=True)
def test_a_server_that_becomes_a_daemon_is_met_on_every_address_and_ended_with_its_workers(tmp_path):
    if shutil.which("nginx") is None:
        pytest.skip("nginx is missing (Debian: nginx-light)")
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path))
    command = f"nginx -c {tmp_path}/nginx.conf -e {tmp_path}/error.log"
    arm = SuiteArm(name="new", serve=command, ready="tcp:7000", ready_s=20)
    plan = plan_for_arm(served_plan("clean"), arm)
    with serve_arm(arm, plan, tmp_path) as served:
        assert is_served(plan)
        assert wait_until(lambda: len(nginxes()) >= 3, 30)  # the first, and two workers
        assert served.program.find_end() is None
        served.finish()
    assert nginxes() == []
    assert not is_served(plan)


def stand_in(path, text):
    """Write a script that stands in for a Python with another connstorm; return its path."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def fingerprint_of(tmp_path, **changes):
    """Write a stand-in whose connstorm says what it is with some changes."""
    known = msgspec.to_builtins(take_fingerprint([], [])) | changes
    return stand_in(tmp_path / "python", f"cat <<'END'\n{json.dumps(known)}\nEND")


def asked(python):
    return request_other_fingerprint(SuiteArm(name="old", python=python))


def test_another_connstorm_is_refused_before_any_trial_unless_it_speaks_this_protocol(tmp_path):
    with pytest.raises(UsageError, match=rf"old .* runs connstorm 0.1.0, which speaks protocol {PROTOCOL - 1}, but"):
        asked(fingerprint_of(tmp_path, program="connstorm 0.1.0", protocol=PROTOCOL - 1))
    with pytest.raises(UsageError, match=f"whose runs have schema {SCHEMA + 1}, and this connstorm .* reads {SCHEMA}"):
        asked(fingerprint_of(tmp_path, run_schema=SCHEMA + 1))
    with pytest.raises(UsageError, match="has no connstorm that says what it is; it said: No module named stress"):
        asked(stand_in(tmp_path / "python", "echo No module named stress >&2; exit 1"))
    with pytest.raises(LabError, match="no namespace here"):
        asked(fingerprint_of(tmp_path, refused="There is no namespace here."))
    assert asked(fingerprint_of(tmp_path, program="connstorm 9.9")).program == "connstorm 9.9"


def another_version(path, version):
    """Write a virtual environment whose connstorm is this one with another version; return its path."""
    text = f"import stress; stress.__version__ = {version!r}; import stress.__main__ as program; program.main()"
    (path / "bin").mkdir(parents=True)
    home = Path(stress.__file__).parents[1]
    command = f'test "$PYTHONPATH" = "" || exit 1\nshift 2\nPYTHONPATH={home} exec {sys.executable} -c "{text}" "$@"'
    stand_in(path / "bin" / "python", command)
    return str(path)


def suite_of(results):
    (path,) = results.glob("*-suite-*")
    return path


def write_suite(tmp_path, *tables, **more):
    """Write a suite with some arms as a file; return its path."""
    head = "".join(
        f"{key} = {json.dumps(value)}\n" for key, value in ({"trials": 1, "warmup": 0, "settle_s": 0} | more).items()
    )
    arms = "".join(
        "[[arm]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in arm.items()) for arm in tables
    )
    path = tmp_path / "arms.toml"
    # Half a second for each: a server that dies must come to run before the storm is over.
    defaults = "attempts = 50\nrate_per_s = 100\n"
    path.write_text(f'{head}[defaults]\n{defaults}[[scenario]]\nname = "clean"\n{arms}')
    return path


def needs_namespace(ended):
    if "namespace" in ended.stderr and ended.returncode == LabError.exit_code:
        pytest.skip(ended.stderr.strip())
    return ended


def test_trials_of_two_connstorms_are_compared_and_told_apart_by_their_program(tmp_path):
    old = {"name": "old", "python": another_version(tmp_path / "old", "7.7")}
    new = {"name": "new", "python": another_version(tmp_path / "new", "8.8")}
    source = write_suite(tmp_path, old, new)
    ended = needs_namespace(connstorm("suite", source, "-o", tmp_path / "out", under=ALONE))
    assert ended.returncode == 0, ended.stderr
    path = suite_of(tmp_path / "out")
    assert {run.arm: run.program for run in read_arm(str(path))} == {"old": "connstorm 7.7", "new": "connstorm 8.8"}
    file = suite_folder.read(path)
    assert [known.program for known in file.arms.values()] == ["connstorm 7.7", "connstorm 8.8"]
    assert f"arm new: connstorm 8.8, engine {file.arms['new'].engine}, by {tmp_path / 'new'}" in ended.stdout
    matched = compare_arms(Question(arms=(str(path),), cols=("arm",)))
    assert [(pair.base, pair.new, pair.paired) for pair in matched.pairs] == [("arm=old", "arm=new", True)]
    assert not any("program" in text for text in matched.warnings)
    shutil.rmtree(tmp_path / "new")
    another_version(tmp_path / "new", "8.9")
    with pytest.raises(UsageError, match=r"another program on new: connstorm 8.8, and now it is connstorm 8.9"):
        resume_suite(path, file.suite, Local(), host=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Return a suite of two servers on different ports, and of three that are ill, and what was printed."""
    folder = tmp_path_factory.mktemp("served")
    ill = [serving("dying", "dies"), serving("late", "late", ready_s=0.5), serving("ill", "crash")]
    source = write_suite(folder, serving("old"), serving("new", "fast", port=7001), *ill)
    ended = needs_namespace(connstorm("suite", source, "-o", folder / "out", cwd=folder, under=ALONE))
    return suite_of(folder / "out"), ended


def records_by_cell(path):
    return {record.trial.cell: record for record in suite_folder.read_records(path).values()}


def test_each_trial_starts_its_server_storms_it_and_stores_what_it_printed(served):
    path, ended = served
    records = records_by_cell(path)
    for cell, port, words in (("clean", 7000, ""), ("clean arm=new", 7001, " fast")):
        run, summary = run_folder.read(suite_folder.trial_run_folder(path, records[cell]))
        (act,) = run.record.acts
        assert (act.address.target_port, summary.outcomes["connected"]) == (port, 50)
        assert act.external.holders[0].startswith("python")
        assert "private namespace with the server of a suite's arm" in run.record.warnings[0]
        assert not any("no setting was changed" in text for text in run.record.warnings)
        output = (suite_folder.trial_folder(path, records[cell].trial) / "server.txt").read_text()
        assert output == f"the server of {path.parents[1]}{words}\n"
    assert "arm=old, baseline" in ended.stdout
    assert "no books" in ended.stdout
    assert f"arm new: {sys.executable} -c" in ended.stdout


def test_a_server_that_dies_or_does_not_listen_fails_its_trial_with_the_end_of_its_output(served):
    path, ended = served
    records = records_by_cell(path)
    for name, what in (
        ("dying", "ended with SIGABRT during the storm"),
        ("late", "did not listen on 127.0.0.1:7000 within 0.5 s"),
        ("ill", "ended with code 7 before it listened on 127.0.0.1:7000"),
    ):
        record = records[f"clean arm={name}"]
        assert record.status is Status.FAILED
        said = f"the end of its output: the server of {path.parents[1]} "
        assert record.reason.startswith(f"The server of the arm {name} {what}; {said}")
        assert list(suite_folder.trial_folder(path, record.trial).glob("*-visit-*")) == []
    assert ended.returncode == LabError.exit_code


def test_trials_without_a_result_are_never_a_pass(served):
    path, _ = served
    absent = sorted(absent_trials(path))
    assert len(absent) == 3
    assert absent[0].startswith("dying: 1 of 1 trial without a result: The server of the arm dying ended with SIGABRT")
    result = compare_pair(path, pair_question(path, path.parent))
    assert (result.comparisons, result.verdict, result.exit_code(strict=False)) == ([], "no-data", 3)


def test_arms_are_compared_by_cells_and_by_columns_and_differ_in_nothing_else(served):
    path, _ = served
    runs = read_arm(str(path))
    assert {run.plan.target_port for run in runs} == {7000, 7001}
    for question in (
        Question(arms=(str(path),), cols=("arm",)),
        Question(arms=(str(path),)),
        Question(arms=(f"old={path}#clean", f"new={path}#clean arm=new")),
    ):
        (pair,) = compare_arms(question).pairs
        assert pair.paired
        assert [run.arm for run in pair.runs] == ["old", "new"]
    facts = {fact.name: fact.text for fact in read_document(ReportQuestion(arguments=[str(path)])).facts}
    assert facts["arm new"].startswith(f"{sys.executable} -c")


def test_another_command_is_not_resumed(served):
    path, _ = served
    file = suite_folder.read(path)
    arms = [msgspec.structs.replace(arm, ready_s=31) if arm.name == "new" else arm for arm in file.suite.arms]
    with pytest.raises(UsageError, match="'clean arm=new' would now do something other than in"):
        resume_suite(path, msgspec.structs.replace(file.suite, arms=arms), Local(), host=False)
    assert resume_suite(path, file.suite, Local(), host=False).cells == file.cells
