# SPDX-License-Identifier: MIT
"""The limits of a serving host that is reached by ssh: those of its file, and of a key's own command."""

import pytest
from command import program
from private_network import ROOT
from two_hosts import PROGRAM, two_hosts

RUN = ("run", "clean", "--attempts", 40, "--rate", 200, "--peer")


@pytest.mark.skipif(not ROOT, reason="the commands of keys need Debian's sshd, which only root can start")
def test_a_file_and_the_command_of_a_key_limit_who_has_logged_in(tmp_path):
    with two_hosts(tmp_path) as hosts:
        hosts.serve_ssh()
        folder = hosts.server.home / ".config/connstorm"
        folder.mkdir(parents=True)
        (folder / "serve.toml").write_text("max_rate_per_s = 100\n")
        keys = hosts.server.root / "authorized_keys"
        keys.write_text(f'restrict,command="{PROGRAM} serve --stdio --max-rate 50" {keys.read_text()}')
        refused = hosts.client.run(*program(*RUN, hosts.peer()), *hosts.remote)
        assert refused.returncode == 2, refused.stderr
        assert "permits 50 connections a second, not 200; lower --rate." in refused.stderr
        assert not list(hosts.client.results.iterdir())
        assert hosts.is_quiet()
