# SPDX-License-Identifier: MIT
"""The registry of executors: each can be named, and no help text imports what only one of them needs."""

import subprocess
import sys

import pytest

from stress.model.errors import UsageError
from stress.suite.executor.registry import EXECUTORS, make_executor

NEEDED_BY_ONE = ("asyncssh", "dask", "distributed")
IMPORTS = """
import sys
from click.testing import CliRunner
from stress.cli.main import connstorm
assert CliRunner().invoke(connstorm, [*sys.argv[1:], "--help"]).exit_code == 0
import stress.suite.executor.registry
print(*sys.modules)
"""


@pytest.mark.parametrize("verb", [[], ["suite"], ["worker"]])
def test_help_and_the_registry_import_no_package_of_one_executor(verb):
    ended = subprocess.run([sys.executable, "-c", IMPORTS, *verb], capture_output=True, text=True, check=True)
    assert set(ended.stdout.split()).isdisjoint(NEEDED_BY_ONE)


@pytest.mark.parametrize(
    ("text", "hosts", "sentence"),
    [
        ("nowhere", [], f"There is no executor 'nowhere'; there are {', '.join(EXECUTORS)}."),
        ("local", ["lab1"], "--hosts is for the executors ssh and dask, not for local; leave it out."),
        ("local:lab1", [], "This executor is of this machine"),
        ("vng:lab1", [], "This executor is of this machine"),
        ("ssh:lab1", [], "write --executor ssh --hosts lab1."),
        ("ssh", [], "--executor ssh needs --hosts"),
        ("dask", [], "--executor dask needs the address of a scheduler"),
    ],
)
def test_what_no_executor_understands_is_refused(text, hosts, sentence):
    with pytest.raises(UsageError) as refused:
        make_executor(text, hosts)
    assert sentence in str(refused.value)


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "asyncssh", None)
    monkeypatch.delitem(sys.modules, "stress.suite.executor.ssh", raising=False)
    monkeypatch.delitem(sys.modules, "stress.run.ssh_link", raising=False)
    with pytest.raises(
        UsageError, match=r"--executor ssh needs the package asyncssh, .*: pip install 'connstorm\[fleet\]'"
    ):
        make_executor("ssh", ["lab1"])
