# SPDX-License-Identifier: MIT
"""connstorm ab: two servers of the user's, storms in turn, and the verdict on the second one."""

import json
import os
import sys

import pytest
from command import assert_one_sentence, changed_connstorm, connstorm

from stress.compare.server_pair import differing_names, pair_document, split_name, toml_text
from stress.model.errors import LabError, UsageError
from stress.store import suite_folder
from stress.suite.config.load import build_suite, decode_suite

UNSETTLED = "from stress.compare import server_pair; server_pair.SETTLE_S = 0.1"  # other tests keep this machine busy
ALONE = ["unshare", "-Urn"]  # a network of its own, and with it a lock of its own
POWER = os.environ.get("CONNSTORM_AB") == "all"  # a minute and a half
SERVER = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
pause_s = float(sys.argv[2])
while True:
    connection, _ = server.accept()
    time.sleep(pause_s)
    connection.close()
"""


@pytest.fixture
def server(tmp_path):
    """Return the command of a server that takes some time for each connection, without that time."""
    (tmp_path / "server.py").write_text(SERVER)
    return f"{sys.executable} {tmp_path / 'server.py'} {{port}}"


def compared(tmp_path, *arguments):
    """Run connstorm ab; return how it ended, and the JSON that it printed."""
    storm = ["--attempts", 300, "-o", tmp_path / "out", "--json"]
    ended = changed_connstorm(UNSETTLED, "ab", *arguments, *storm, under=ALONE)
    if ended.returncode == LabError.exit_code and "namespace" in ended.stderr:
        pytest.skip(ended.stderr.strip())
    assert "Traceback" not in ended.stderr
    return ended, json.loads(ended.stdout)


def test_servers_are_named_by_the_word_in_which_their_commands_differ():
    assert differing_names(["./server-1.0 -p 80", "./server-1.1 -p 80"]) == ("server-1.0", "server-1.1")
    assert differing_names(["nginx -c /etc/old.conf", "nginx -c /etc/new.conf"]) == ("old.conf", "new.conf")
    assert differing_names(["./server", "./server"]) == ("A", "B")
    assert differing_names(["./server", "./server --fast"]) == ("A", "B")
    assert differing_names(["old/server", "new/server"]) == ("A", "B")
    assert differing_names(["a -b 'x y'", "a -b 'x z'"]) == ("A", "B")
    assert differing_names(["a 'b", "a 'c"]) == ("A", "B")
    assert split_name("old=./server --port=80") == ("old", "./server --port=80")
    assert split_name("./server --port=80") == ("", "./server --port=80")
    assert split_name("server a=b") == ("", "server a=b")


def test_the_stored_file_is_the_suite_that_was_run():
    exprs = ["errors == 0", "body.p99 <= 1.10x"]
    document = pair_document(
        ["old=cat '{port}'", 'new=cat "{port}"'], None, trials=3, attempts=9, rate_per_s=5.0, exprs=exprs
    )
    suite = build_suite(document, "ab")
    assert decode_suite(toml_text(document), "suite.toml", "suite") == suite
    assert [arm.name for arm in suite.arms] == ["old", "new"]
    assert (suite.trials, [gate.expr for gate in suite.gates]) == (3, exprs)


def test_what_cannot_be_compared_is_refused_before_anything_runs(tmp_path):
    bounds = {"trials": 3, "attempts": 9, "rate_per_s": 5.0, "exprs": ()}
    with pytest.raises(UsageError, match=r"Where do they listen\? Write \{port\} for the port in both commands"):
        pair_document(["cat {port}", "cat"], None, **bounds)
    with pytest.raises(UsageError, match="Both servers are called same"):
        pair_document(["same=cat", "same=dog"], "tcp:80", **bounds)
    missing = connstorm("ab", "no-such-server", "cat", "--ready", "tcp:80", "-o", tmp_path)
    assert_one_sentence(missing, "There is no program no-such-server that can be run in PATH")
    assert_one_sentence(connstorm("ab", "cat", "cat", "--ready", "80", "-o", tmp_path), "not of the form tcp:PORT")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_slow_to_accept_breaks_what_must_hold(server, tmp_path):
    condition = ["--expr", "retries_per_million == 0", "--expr", "errors == 0", "--trials", "1"]
    ended, verdict = compared(tmp_path, f"fast={server} 0", f"slow={server} 0.002", *condition)
    assert (ended.returncode, verdict["verdict"]) == (1, "regressed"), ended.stderr
    assert {record["expr"]: record["state"] for record in verdict["conditions"]}["retries_per_million == 0"] == "broken"
    (path,) = (tmp_path / "out").glob("*-suite-ab-*")
    assert [arm.name for arm in suite_folder.read(path).suite.arms] == ["fast", "slow"]


@pytest.mark.skipif(not POWER, reason="takes minutes; CONNSTORM_AB=all runs it")
def test_with_the_default_of_trials_a_slow_server_regresses_and_the_same_one_does_not(server, tmp_path):
    ended, result = compared(tmp_path, f"{server} 0", f"{server} 0.002")
    assert (ended.returncode, result["verdict"]) == (1, "regressed")
    ended, result = compared(tmp_path, f"{server} 0", f"{server} 0")
    assert ended.returncode == 0
    assert result["verdict"] in ("passed", "inconclusive")
