# SPDX-License-Identifier: MIT
"""connstorm doctor --peer: two real hosts over ssh and TLS, and what is said where they cannot talk."""

import json

import pytest
from command import connstorm, program
from two_hosts import CONTROL, STORM, two_hosts

from stress.model.errors import LabError, UsageError

NARROW = 'sources = ["203.0.113.0/24"]\nports = [6000, 6999]\n'  # for documentation (RFC 5737)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Return two hosts, of which one has an ssh server."""
    with two_hosts(tmp_path_factory.mktemp("hosts")) as pair:
        pair.serve_ssh()
        yield pair


def doctor(hosts, *options):
    """Ask the doctor about the other host; return the document and what each line says."""
    ended = hosts.client.run(*program("doctor", "--peer", hosts.peer(), *hosts.remote, "--json", *options))
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    return document["peer"], {point["name"]: (point["found"], point["advice"]) for point in document["points"]}


def test_over_ssh_everything_passes(hosts):
    peer, points = doctor(hosts, "--listen", STORM["server"][6])
    advised = {name for name, (_, advice) in points.items() if advice}
    assert advised <= {"kernel's word"}  # as whoever runs the tests may
    assert points["control channel"][0] == f"ssh to {hosts.peer()}, {CONTROL['server'][4]}"
    assert abs(peer["clock"]["offset_ns"]) <= peer["clock"]["error_ns"]
    assert peer["probe"]["target"] == f"[{STORM['server'][6]}]:5000"
    assert hosts.is_quiet()


def test_where_the_limits_of_the_other_host_refuse_no_connection_is_made(hosts):
    folder = hosts.server.home / ".config" / "connstorm"
    folder.mkdir(parents=True)
    file = folder / "serve.toml"
    file.write_text(NARROW)
    try:
        peer, points = doctor(hosts)
    finally:
        file.unlink()
    assert peer["probe"] is None
    assert "203.0.113.0/24" in points["consent"][1]
    assert "ports 6000–6999" in points["limits there"][0]
    assert points["settings there"][0].startswith("may not be changed")
    assert "SYN" not in points


def test_a_host_without_connstorm_is_said_in_a_sentence(hosts):
    ended = hosts.client.run(*program("doctor", "--peer", hosts.peer(), "--remote-connstorm", "no-such-program"))
    assert ended.returncode == LabError.exit_code
    assert "does not serve" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_over_tls_the_word_is_read_from_standard_input_and_used_up(hosts):
    address = CONTROL["server"][4]
    serve = hosts.server.start(*program("serve", "--from", CONTROL["client"][4]))
    serve.stdout.readline()
    command = serve.stdout.readline().decode().split()  # what to type on the client's host
    word = command[command.index("--join") + 1]
    asked = program("doctor", "--peer", address, "--join", "-", "--json")
    ended = hosts.client.run(*asked, input=word)
    assert ended.returncode == 0, ended.stderr
    points = {point["name"]: point["found"] for point in json.loads(ended.stdout)["points"]}
    assert points["control channel"] == f"TLS to {address}"
    assert points["SYN-ACK"] == "comes back"
    assert serve.wait(10) == 0
    again = hosts.client.run(*asked, input=word)
    assert again.returncode == LabError.exit_code
    assert address in again.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--peer", "lab2", "--speed"], "Give one of"),
        (["--join", "a-word"], "--peer HOST"),
        (["--listen-port", "7000"], "--peer HOST"),
        (["--peer", ":"], "no host of the form"),
    ],
)
def test_options_that_do_not_go_together(options, said):
    ended = connstorm("doctor", *options)
    assert ended.returncode == UsageError.exit_code
    assert said in ended.stderr
