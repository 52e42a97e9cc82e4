# SPDX-License-Identifier: MIT
"""The limits of a serving host: its files, and what options may do with them."""

import pytest

from stress.model.errors import UsageError
from stress.model.peer import ServeLimits
from stress.run.peer import serve_file
from stress.run.peer.serve_file import Given, read_limits

SYSTEM = """
sources = ["10.0.0.0/24", "2001:db8::/64"]
addresses = ["10.0.1.1"]
ports = [80, 8080]
max_rate_per_s = 50000
max_seconds = 300
change = false
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(serve_file, "SYSTEM_FILE", tmp_path / "etc.toml")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "connstorm").mkdir()
    return tmp_path / "etc.toml", tmp_path / "connstorm" / "serve.toml"


@pytest.mark.usefixtures("files")
def test_without_files_a_login_may_what_it_may_and_options_say_the_rest():
    assert read_limits(Given(), is_login=True) == ServeLimits(change=True)
    assert read_limits(Given(), is_login=False) == ServeLimits()
    forced = read_limits(Given(max_rate_per_s=5.0), is_login=True)
    assert forced == ServeLimits(max_rate_per_s=5.0), "the command of a key changes nothing by itself"
    assert read_limits(Given(max_rate_per_s=90_000.0), is_login=False).max_rate_per_s == 90_000


def test_a_file_says_what_it_likes_and_everything_after_it_narrows(files):
    system, own = files
    system.write_text(SYSTEM)
    assert read_limits(Given(), is_login=True) == ServeLimits(
        sources=["10.0.0.0/24", "2001:db8::/64"],
        addresses=["10.0.1.1"],
        ports=(80, 8080),
        max_rate_per_s=50_000,
        max_seconds=300,
    )
    own.write_text('sources = ["10.0.0.16/28"]\nmax_seconds = 20\nports = [5000, 5000]\n')
    limits = read_limits(Given(sources=["10.0.0.17"], max_rate_per_s=10.0), is_login=True)
    assert (limits.sources, limits.ports, limits.max_seconds, limits.max_rate_per_s) == (
        ["10.0.0.17"],
        (5000, 5000),
        20,
        10,
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"sources": ["10.0.1.0/24"]}, "permits no storm from 10.0.1.0/24, only from 10.0.0.0/24, 2001:db8::/64."),
        ({"addresses": ["10.0.1.2"]}, "lets 10.0.1.1 be stormed, not 10.0.1.2."),
        ({"ports": (79, 80)}, "lets the ports 80-8080 be stormed, not 79-80."),
        ({"max_rate_per_s": 50_001.0}, "permits 50,000 connections a second, not 50,001."),
        ({"max_seconds": 301.0}, "permits 300 seconds, not 301."),
        ({"change": True}, "permits no change of this host's settings."),
    ],
)
def test_nothing_widens_a_file(files, given, sentence):
    system, _ = files
    system.write_text(SYSTEM)
    with pytest.raises(UsageError) as refusal:
        read_limits(Given(**given), is_login=False)
    assert str(refusal.value) == f"Options: {system} {sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sources = [", "serve.toml: "),
        ("source = []", "serve.toml: Object contains unknown field `source`."),
        ("max_seconds = '60'", "serve.toml: Expected `float | null`, got `str`"),
        ("ports = [9, 8]", "ports must be the lowest and the highest within 1-65535"),
        ("sources = ['lab2']", "'lab2' is neither an IP address nor a network"),
        ("addresses = ['lab2']", "'lab2' in addresses is not an IP address"),
        ("max_rate_per_s = 1e9", "max_rate_per_s must be above 0 and at most 1,000,000"),
        ("max_seconds = nan", "max_seconds must be above 0 and at most 3,600"),
    ],
)
def test_a_wrong_file_is_told_in_a_sentence(files, text, sentence):
    _, own = files
    own.write_text(text)
    with pytest.raises(UsageError) as refusal:
        read_limits(Given(), is_login=True)
    assert sentence in str(refusal.value)


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"sources": ["lab2"]}, "'lab2' is neither an IP address nor a network"),
        ({"addresses": ["lab1"]}, "Options: 'lab1' in addresses is not an IP address."),
        ({"max_seconds": 4000.0}, "Options: max_seconds must be above 0 and at most 3,600, not 4000."),
    ],
)
def test_a_wrong_option_is_told_in_a_sentence(given, sentence):
    with pytest.raises(UsageError) as refusal:
        read_limits(Given(**given), is_login=False)
    assert sentence in str(refusal.value)
