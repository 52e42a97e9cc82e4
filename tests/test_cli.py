# SPDX-License-Identifier: MIT
"""The program as a user meets it: in a process of its own."""

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import click
import pytest
from command import UNDRAWN, assert_one_sentence, changed_connstorm, connstorm, program

from stress.cli.main import VERBS
from stress.cli.main import connstorm as group
from stress.cli.verb import GROUPS, Verb
from stress.lab.counters import parse_counters
from stress.lab.wait import wait_until
from stress.store import run_folder

REPOSITORY = Path(__file__).parents[1]
FROZEN = REPOSITORY / "tests" / "data" / "run-schema-2"
PICTURES = {"timeline.png", "ports.png", "ccdf.png"}
SMALL = ["--port-range", "40000-40031"]


def test_a_clean_storm_prints_its_summary_and_leaves_a_run_folder(tmp_path):
    ended = connstorm("run", "clean", *SMALL, "-o", tmp_path)
    assert ended.returncode == 0, ended.stderr
    (path,) = tmp_path.iterdir()
    assert {file.name for file in path.iterdir()} == {"attempts.npy", "run.json", *PICTURES}
    assert "32 connected" in ended.stdout
    assert str(path) in "".join(ended.stdout.split())  # a long one is broken
    run, summary = run_folder.read(path)
    assert len(set(run.attempts["local_port"])) == summary.attempts == 32
    assert summary.collisions == 0
    assert all(claim.balanced for claim in summary.books)
    again = connstorm("run", "clean", *SMALL, "-o", tmp_path, UNDRAWN)
    assert {len(list(folder.iterdir())) for folder in tmp_path.iterdir()} == {5, 2}
    assert "against the run of" not in ended.stdout
    assert re.search(rf"against the run of (to|yester)day .*{path.name[17:]}", " ".join(again.stdout.split()))


def test_json_is_one_object_and_nothing_else(tmp_path):
    ended = connstorm("run", "closewait", *SMALL, "--mines", 5, "-o", tmp_path, "--json", UNDRAWN)
    document = json.loads(ended.stdout)
    summary = document["summary"]
    assert document["schema"] == 3
    assert document["scenario"] == "closewait"
    assert Path(document["path"]).parent == tmp_path
    assert summary["collisions"] == summary["outcomes"]["retried"] == summary["causes"]["closewait"] == 5
    assert summary["mines"] == {"laid": 5, "found": 5, "left": 0}
    assert sum(summary["outcomes"].values()) == sum(summary["causes"].values()) == summary["attempts"] == 32
    assert all(line["balanced"] for line in summary["books"])
    assert summary["warnings"] == []
    assert ended.stderr == ""


def test_ports_that_no_bucket_holds_meet_the_servers_socket_until_it_closes(tmp_path):
    """Ports come again within 100 ms, and the server has not closed: every SYN is challenged, and explained."""
    storm = [
        "--close",
        "fin",
        "--ports",
        "kernel",
        "--port-range",
        "40000-40007",
        "--rate",
        "2000",
        "--duration",
        "0.3",
    ]
    without = ["--set", "net.ipv4.tcp_max_tw_buckets=0"]
    ended = connstorm("run", "clean", *storm, *without, "-o", tmp_path, "--json", UNDRAWN)
    summary = json.loads(ended.stdout)["summary"]
    assert summary["causes"]["closewait"] == summary["outcomes"]["retried"] > summary["outcomes"]["connected"]
    assert summary["causes"]["unknown"] == 0
    assert summary["warnings"] == []
    assert {line["counter"] for line in summary["books"]} >= {"TCPSYNChallenge", "TCPChallengeACK"}


@pytest.mark.parametrize("options", [["--close", "fin"], ["--release", "linger2"], ["--family", "6"], ["--no-pin"]])
def test_a_minefield_by_other_means_is_the_same_minefield(tmp_path, options):
    ended = connstorm("run", "closewait", *SMALL, "--mines", 5, "-o", tmp_path, "--json", UNDRAWN, *options)
    summary = json.loads(ended.stdout)["summary"]
    assert summary["collisions"] == summary["outcomes"]["retried"] == 5
    assert summary["outcomes"]["connected"] == 27
    assert all(line["balanced"] for line in summary["books"])


def test_the_same_seed_gives_the_same_minefield_and_order(tmp_path):
    runs = []
    for seed in (3, 3, 4):
        storm = ["closewait", *SMALL, "--mines", 5, "--seed", seed]
        ended = connstorm("run", *storm, "-o", tmp_path, "--json", UNDRAWN)
        runs.append(run_folder.read(Path(json.loads(ended.stdout)["path"]))[0])
    first, again, other = runs
    assert (first.attempts["local_port"] == again.attempts["local_port"]).all()
    assert all((first.mines[field] == again.mines[field]).all() for field in ("local_port", "state", "left"))
    assert (first.attempts["local_port"] != other.attempts["local_port"]).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "closwait"], ["no scenario 'closwait'", "Did you mean closewait?"]),
        (["run", "clean", "--atempts", "3"], ["--atempts"]),
        (["run", "clean", "--attempts", "0"], ["--attempts must be from 1"]),
        (["run", "clean", "--attempts", "many"], ["--attempts"]),
        (["run", "clean", "--port-range", "0-0"], ["holds no port"]),
        (["run", "clean", "--port-range", "50000-40000"], ["holds no port"]),
        (["run", "clean", "--port-range", "5000-5000"], ["has no port left"]),
        (["run", "clean", "--port-range", "wide"], ["not of the form"]),
        (["run", "clean", "--port-range", "²-³"], ["not of the form"]),
        (["run", "clean", "--port-range", "1-99999999999999999999"], ["not of the form"]),
        (["run", "clean", "--ports", "any"], ["--ports"]),
        (["run", "clean", "--ports", "kernel", "--sweeps", "2"], ["--sweeps needs --ports sweep or shuffle"]),
        (["run", "closewait", *SMALL, "--mines", "33"], ["33 mines do not fit", "32 ports"]),
        (["run", "clean", "--listen", "192.0.2.1"], ["is not this machine"]),
        (["run", "clean", "--listen", "example.org"], ["not an IP address"]),
        (["run", "clean", "--listen", "::1"], ["--family"]),
        (["run", "clean", "--target", "127.0.0.1"], ["--target is called --listen now", "--against HOST:PORT"]),
        (
            ["run", "clean", "--target-port", "8080"],
            ["--target-port is called --listen-port now", "--against HOST:PORT"],
        ),
        (["run", "clean", "--set", "net.ipv4.tcp_fin_timeot=3"], ["did you mean net.ipv4.tcp_fin_timeout?"]),
        (["run", "clean", "--set", "net.ipv4.tcp_fin_timeout=soon"], ["The kernel refuses"]),
        (["run", "clean", "--set", "net.ipv4.tcp_fin_timeout"], ["not of the form"]),
        (["run", "clean", "--window", "30000"], ["ulimit -n"]),
        (["run", "clean", "--host", "--set", "net.ipv4.tcp_fin_timeout=3"], ["no setting is changed", "sysctl -w"]),
        (["demo", "--seed", "-1"], ["--seed"]),
        (["explain", "--set", "net.ipv4.tcp_fin_timeout=3"], ["does not shape the SYN ladder"]),
        (["explain", "--set", "net.ipv4.tcp_syn_retries=many"], ["takes a number from 1 to 127"]),
        (["fly"], ["No such command"]),
        (["sute"], ["No such command 'sute'. Did you mean suite?"]),
    ],
)
def test_bad_input_is_one_clear_sentence(tmp_path, arguments, words):
    output = ["-o", tmp_path / "results"] if arguments[0] in ("run", "demo") else []
    ended = connstorm(*arguments, *output)
    assert_one_sentence(ended, *words)
    results = tmp_path / "results"
    assert not results.exists() or not any(file for file in results.rglob("*") if file.is_file())


def test_more_mines_than_the_processes_may_hold(tmp_path):
    """64 processes of 80 descriptors, of which 64 are kept, hold 1,024 mines."""
    limited = ["sh", "-c", 'ulimit -n 80; exec "$@"', "sh"]
    arguments = ["run", "closewait", "--mines", "1025", "--window", "16", "-o", str(tmp_path)]
    ended = connstorm(*arguments, under=limited)
    assert_one_sentence(ended, "1,025 mines are more than 64 processes may hold")
    arguments[3] = "1024"
    ended = connstorm(*arguments, "--json", UNDRAWN, under=limited)
    assert json.loads(ended.stdout)["summary"]["collisions"] == 1024


def test_an_output_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    assert_one_sentence(connstorm("run", "clean", "-o", tmp_path / "file" / "results"), "cannot be written")


def test_plot_draws_a_stored_run_again_and_leaves_it_alone(tmp_path):
    before = sorted(FROZEN.iterdir())
    ended = connstorm("plot", FROZEN, "-o", tmp_path)
    assert ended.returncode == 0, ended.stderr
    pngs, svgs = sorted(tmp_path.glob("*.png")), sorted(tmp_path.glob("*.svg"))
    assert {picture.name for picture in pngs} == {f"{FROZEN.name}-{name}" for name in PICTURES}
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pngs)
    assert [picture.stem for picture in svgs] == [picture.stem for picture in pngs]
    assert sorted(tmp_path.iterdir()) == sorted(pngs + svgs)
    assert sorted(FROZEN.iterdir()) == before


def test_plot_refuses_a_damaged_run_and_draws_nothing(tmp_path):
    damaged = Path(shutil.copytree(FROZEN, tmp_path / "damaged"))
    os.truncate(damaged / "attempts.npy", 200)
    assert_one_sentence(connstorm("plot", FROZEN, damaged, "-o", tmp_path / "out"), "cut short or changed")
    assert not (tmp_path / "out").exists()


def test_scenarios_are_listed():
    listing = json.loads(connstorm("scenarios", "--json").stdout)
    assert {"clean", "closewait"} <= set(listing)
    shown = connstorm("scenarios").stdout
    assert all(name in shown for name in listing)


def test_explain_prints_the_ladder_of_the_settings_that_were_asked_for():
    asked = ["--set", "net.ipv4.tcp_syn_retries=2", "--set", "net.ipv4.tcp_syn_linear_timeouts=0"]
    asked += ["--set", "net.ipv4.tcp_rto_max_ms=120000"]
    ladder = json.loads(connstorm("explain", *asked, "--json").stdout)["ladder"]
    assert [rung["label"] for rung in ladder["rungs"]] == ["1 s", "3 s"]
    assert ladder["give_up_ns"] == 7_000_000_000
    shown = connstorm("explain", *asked).stdout
    assert "tcp_syn_retries=2" in shown
    assert "ETIMEDOUT after 7 s" in shown


def test_every_verb_has_help_and_a_version():
    assert connstorm("--version").stdout.startswith("connstorm, version ")
    for verb in (group, *verbs().values()):
        # The verbs keep their help option, which has the names that the first context gives it.
        shown = verb.get_help(click.Context(verb, **group.context_settings))
        assert shown.startswith("Usage")
        assert "\\b" not in shown  # click's mark for lines that stay as they are is one letter


def verbs():
    return {name: group.get_command(click.Context(group), name) for name in VERBS}


def test_the_options_of_each_group_are_options_of_its_verb():
    for name, groups in GROUPS.items():
        has = {option for parameter in verbs()[name].params for option in parameter.opts}
        assert {option for options in groups.values() for option in options} <= has, name
    assert {name for name, verb in verbs().items() if not isinstance(verb, Verb | click.Group)} == set()


def test_no_summary_is_cut_short_at_80_columns():
    shown = group.get_help(click.Context(group, terminal_width=78, **group.context_settings))
    assert "..." not in shown.partition("Commands:")[2]
    assert max(map(len, shown.splitlines())) <= 80
    words = " ".join(shown.split())
    assert all(summary in words for summary in VERBS.values())


def test_the_list_of_verbs_has_the_first_sentence_of_each():
    first = {name: verb.help.split("\n\n")[0].replace("\n", " ").strip() for name, verb in verbs().items()}
    assert {name: summary for name, summary in VERBS.items() if summary} == {
        name: text.removeprefix("\b ") for name, text in first.items() if not verbs()[name].hidden
    }


def test_what_enters_a_namespace_loads_numpy_only_inside():
    """numpy starts threads, and a process with threads cannot enter a user namespace."""
    code = "import sys, stress.cli.doctor, stress.cli.run_cell, stress.cli.run_shell; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_the_list_of_verbs_loads_nothing_that_is_slow():
    code = "import sys; sys.argv = ['connstorm', '--help']\n"
    code += "from stress.cli.main import connstorm\n"
    code += "connstorm.main(standalone_mode=False)\n"
    code += "sys.exit(bool({'numpy', 'rich', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_the_doctor_says_what_this_machine_can_do():
    document = json.loads(connstorm("doctor", "--json").stdout)
    points = {point["name"]: point for point in document["points"]}
    assert {"private namespace", "CPUs", "clock source", "descriptors", "nft", "packet capture"} <= set(points)
    shown = connstorm("doctor").stdout
    assert all(name in shown for name in points)


def test_a_strict_doctor_fails_where_there_is_something_to_do():
    few = connstorm("doctor", "--strict", "--json", under=["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"])
    checks = {check["name"]: check["advice"] for check in json.loads(few.stdout)["points"]}
    assert checks["descriptors"]
    assert few.returncode == 3
    every = connstorm("doctor", "--strict", "--json")
    assert every.returncode == (3 if any(check["advice"] for check in json.loads(every.stdout)["points"]) else 0)


def test_the_doctor_measures_the_engine_beside_a_bare_loop():
    """With fewer and shorter pairs of runs than it takes for figures, which are not looked at here."""
    fewer = "from stress.run import speed; speed.ATTEMPTS, speed.ROUNDS = 1000, 2"
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}  # numpy is loaded before the doctor enters its namespace
    ended = changed_connstorm(fewer, "doctor", "--speed", "--json", env=environment)
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert [speed["close"] for speed in document["speed"]] == ["rst", "fin", "disconnect"]
    assert all(speed["bare_per_s"] > 0 and speed["ratio"] > 0 for speed in document["speed"])
    assert document["harness"]["clock_ns"] > 0


@pytest.mark.parametrize(
    ("options", "addresses"),
    [
        (["--source", "127.0.0.1-127.0.0.3"], (3, 1)),
        (["--listen-port", "6000-6001"], (1, 2)),
        (["--source", "127.0.0.2", "--listen-port", "6000"], (1, 1)),
    ],
)
def test_ranges_of_addresses_and_ports_multiply_the_storm(tmp_path, options, addresses):
    ended = connstorm("run", "clean", *SMALL, "-o", tmp_path, "--json", UNDRAWN, *options)
    assert ended.returncode == 0, ended.stderr
    summary = json.loads(ended.stdout)["summary"]
    assert summary["attempts"] == summary["outcomes"]["connected"] == 32 * addresses[0] * addresses[1]
    assert summary["warnings"] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--source", "127.0.0.3-127.0.0.1"], "must rise"),
        (["--source", "127.0.0.1-somewhere"], "does not appear to be an IPv4 or IPv6 address"),
        (["--source", "127.0.0.1-"], "is not of the form FIRST or FIRST-LAST"),
        (["--listen-port", "5001-5000"], "nor two that rise"),
        (["--listen-port", "http"], "is no port"),
        (["--workers", "0"], "--workers must be from 1 to 64, not 0"),
    ],
)
def test_ranges_that_are_none_are_refused(tmp_path, options, words):
    assert_one_sentence(connstorm("run", "clean", "-o", tmp_path, *options), words)


def interrupt(arguments, after_line, wait_s=1.0, *, connects=0, number=signal.SIGINT, everybody=False):
    """Start the program, send it a signal when a line of its progress has come, and return how it ended.

    With ``connects`` it must have made so many too; with ``everybody`` all its processes get the signal, as a service
    manager sends it.
    """
    with subprocess.Popen(program(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if after_line in line:
                break
        time.sleep(wait_s)  # into the stage: whichever moment it is, what follows must hold
        assert wait_until(lambda: count_connects(process.pid) >= connects, 60)
        for receiver in [process.pid, *(descendants(process.pid) if everybody else [])]:
            os.kill(receiver, number)
        output, errors = process.communicate()
    return process.returncode, output, errors


@pytest.mark.parametrize(
    ("number", "workers", "everybody"),
    [(signal.SIGINT, 1, False), (signal.SIGTERM, 1, False), (signal.SIGTERM, 2, True)],
    ids=["SIGINT", "SIGTERM", "SIGTERM to each of its processes"],
)
def test_a_signal_ends_a_storm_and_its_records_are_stored(tmp_path, number, workers, everybody):
    arguments = ["run", "clean", "--attempts", 5_000_000, "--ports", "kernel", "--workers", workers, "-o", tmp_path]
    code, output, errors = interrupt(arguments, "storm of", 0, connects=5000, number=number, everybody=everybody)
    assert code == 128 + number, errors
    (path,) = tmp_path.iterdir()
    run, summary = run_folder.read(path)
    assert run.record.interrupted
    assert 0 < summary.attempts < 5_000_000
    assert "interrupted" in output
    assert all(claim.balanced for claim in summary.books)


def test_sigint_after_the_storm_loses_nothing(tmp_path):
    interrupt(["run", "clean", *SMALL, "-o", tmp_path], "settling", wait_s=0)
    (path,) = tmp_path.iterdir()
    _, summary = run_folder.read(path)
    assert summary.attempts == 32
    assert (path / "timeline.png").exists()


def test_sigint_before_the_storm_leaves_nothing(tmp_path):
    arguments = ["run", "closewait", *SMALL, "--mines", 5, "--release", "fin-timeout", "-o", tmp_path]
    code, _, errors = interrupt(arguments, "laying")
    assert code == 130
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_no_process_outlives_a_killed_program(tmp_path):
    arguments = ["run", "closewait", *SMALL, "--mines", "5", "--release", "fin-timeout", "-o", str(tmp_path)]
    with subprocess.Popen(program(*arguments), stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "laying" in line:
                break
        time.sleep(0.5)
        children = descendants(process.pid)
        process.kill()
    assert children
    assert wait_until(lambda: not any(map(alive, children)), 60)


def count_connects(pid):
    """Return how many connections were begun in the private network of a process's descendants, 0 without one."""
    ours = Path("/proc/self/ns/net").readlink()
    private = [child for child in descendants(pid) if Path(f"/proc/{child}/ns/net").readlink() != ours]
    texts = (Path(f"/proc/{child}/net/snmp").read_text() for child in private)
    return max((parse_counters(text)["ActiveOpens"] for text in texts), default=0)


def descendants(pid):
    processes = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        processes += [int(child), *descendants(int(child))]
    return processes


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_where_namespaces_are_forbidden_it_says_so_and_offers_the_host(tmp_path):
    """In a user namespace whose own limit of namespaces is 0, unshare(2) is refused for real."""
    made = [
        "unshare",
        "--user",
        "--map-root-user",
        "sh",
        "-c",
        'echo 0 > /proc/sys/user/max_user_namespaces; echo 0 > /proc/sys/user/max_net_namespaces; exec "$@"',
        "sh",
    ]
    if subprocess.run([*made, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no user namespace can be made here, in which to forbid them")
    ended = connstorm("run", "clean", "-o", tmp_path, under=made)
    assert ended.returncode == 3, ended.stderr
    assert "refuses a private network namespace" in ended.stderr
    assert "--host would run" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_host_mode_uses_the_stack_it_is_in(tmp_path):
    """--host in a namespace made for the test: the program makes none of its own and changes no setting."""
    prepare = "ip link set lo up; echo 40000 40031 > /proc/sys/net/ipv4/ip_local_port_range"
    host = [
        "unshare",
        "--user",
        "--map-root-user",
        "--net",
        "sh",
        "-c",
        f'{prepare}; "$@"; cat /proc/sys/net/ipv4/tcp_max_tw_buckets',
        "sh",
    ]
    if subprocess.run([*host, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespace can be made here, to stand for a host")
    ended = connstorm("run", "closewait", "--host", "--mines", 5, "-o", tmp_path, "--json", UNDRAWN, under=host)
    document, end = json.JSONDecoder().raw_decode(ended.stdout)
    assert document["summary"]["collisions"] == 5
    assert any("host's own network stack" in warning for warning in document["summary"]["warnings"])
    assert int(ended.stdout[end:]) > 0


def test_an_ordinary_user_needs_no_privilege():
    """The account nobody runs a storm over a minefield, where the machine allows user namespaces."""
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody; this test suite itself runs without privilege")
    candidates = (sys.executable, f"/usr/bin/python{sysconfig.get_python_version()}")
    python = next((candidate for candidate in candidates if may_run_as_nobody(candidate)), None)
    if python is None:
        pytest.skip(f"nobody may run neither {sys.executable} nor a system Python of the same version")
    home = Path(f"/tmp/connstorm-nobody-{os.getpid()}")  # noqa: S108  # tmp_path is closed to other users
    home.mkdir()
    try:
        shutil.copytree(REPOSITORY / "stress", home / "stress")
        for package in dependencies():
            (home / package.name).symlink_to(package)
        if as_nobody([python, "-c", "import numpy, click"], cwd=home).returncode != 0:
            pytest.skip("nobody may not read the installed packages")
        shutil.chown(home, "nobody")
        ended = as_nobody(
            [python, "-m", "stress", "run", "closewait", *SMALL, "--mines", "5", "-o", "results", "--json"], cwd=home
        )
        assert ended.returncode == 0, ended.stderr
        summary = json.loads(ended.stdout)["summary"]
        assert summary["collisions"] == 5
        assert all(line["balanced"] for line in summary["books"])
    finally:
        shutil.rmtree(home)


def may_run_as_nobody(program):
    try:
        return as_nobody([program, "-c", ""]).returncode == 0
    except OSError:
        return False


def as_nobody(command, cwd="/"):
    nobody = pwd.getpwnam("nobody")
    return subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
        env={"PATH": "/usr/bin:/bin", "HOME": str(cwd)},
    )


def dependencies():
    """Return what lies in site-packages, but for the package under test."""
    return [
        entry
        for entry in Path(sysconfig.get_path("purelib")).iterdir()
        if entry.suffix != ".pth" and entry.name not in ("stress", "__pycache__")
    ]
