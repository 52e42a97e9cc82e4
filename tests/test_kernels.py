# SPDX-License-Identifier: MIT
"""Kernels by name, in the cache, from Debian's archive, and as an axis of suites. Nothing boots here."""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

import command
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stress.lab.kernel import cache as kernel_cache
from stress.lab.kernel import debian
from stress.lab.kernel.debian import Apt, is_image
from stress.model.errors import LabError, StoreError, UsageError
from stress.model.kernel import HOST, CachedKernel, DebianName, parse_kernel_name
from stress.suite import kernels, matrix
from stress.suite.config import load as suite_file
from stress.suite.executor.local import Local
from stress.suite.executor.virtme import Virtme

SUITE = {"scenario": [{"name": "clean", "attempts": 16}, {"name": "closewait"}], "matrix": {"kernel": [HOST]}}
WORD = st.from_regex(r"[a-z][a-z0-9]{0,12}", fullmatch=True)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return an empty cache."""
    monkeypatch.setenv(kernel_cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


connstorm = functools.partial(command.connstorm, "kernels")


def a_kernel(release="6.1.0-50-amd64", names=("deb:bookworm",), version="6.1.176-1"):
    return CachedKernel(
        name=f"linux-image-{release}_{version}",
        package=f"linux-image-{release}",
        version=version,
        suite="bookworm",
        release=release,
        names=list(names),
        fetched_utc="2026-01-01T00:00:00+00:00",
    )


def fill(folder):
    (folder / "boot").mkdir()
    (folder / "boot" / "vmlinuz").write_bytes(b"x" * 1000)


# Names


@given(WORD, st.lists(st.from_regex(r"[a-z]+(=[a-z0-9]+)?", fullmatch=True), max_size=3))
def test_a_release_with_options_of_the_command_line(suite, options):
    name = parse_kernel_name(" ".join([f"deb:{suite}", *options]))
    assert name.debian == DebianName("", suite)
    assert name.options == tuple(options)


@given(st.from_regex(r"linux-image-[a-z0-9][a-z0-9.+-]{0,20}", fullmatch=True), st.none() | WORD)
def test_a_package_and_where_from(package, suite):
    text = f"deb:{package}" + (f"/{suite}" if suite else "")
    name = parse_kernel_name(text).debian
    assert name == DebianName(package, suite or "")
    assert name.text == text


@example("~\0")  # expanduser() would raise ValueError
@given(st.text(max_size=40))
def test_any_other_text_is_refused_or_is_a_file(text):
    try:
        name = parse_kernel_name(text)
    except UsageError:
        return
    assert name.base == HOST or name.debian or os.path.exists(name.path)  # noqa: PTH110  # as the program does


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "There is no kernel ''"),
        ("~nobody-here/vmlinuz", "There is no kernel"),
        ("x" * 5000, "There is no kernel"),
        ("deb:", "is not the name of a Debian kernel"),
        ("deb:bash/sid", "is not the name of a Debian kernel"),
        ("deb:../../etc", "is not the name of a Debian kernel"),
        ("nowhere/vmlinuz", "path of a vmlinuz"),
        ("host quiet", "takes no options"),
    ],
)
def test_what_is_wrong_with_a_name_is_said(text, said):
    with pytest.raises(UsageError, match=said):
        parse_kernel_name(text)


def test_a_folder_is_a_kernel_when_one_was_built_there(tmp_path):
    with pytest.raises(UsageError, match="no kernel was built in it"):
        parse_kernel_name(str(tmp_path))
    (tmp_path / "vmlinux").touch()
    assert parse_kernel_name(str(tmp_path)).base == str(tmp_path)


@pytest.mark.parametrize(
    ("package", "begin", "taken"),
    [
        ("linux-image-6.12.1-{}", "linux-image-6.12", True),
        ("linux-image-6.12.1-cloud-{}", "linux-image-6.12", False),
        ("linux-image-6.12.1-cloud-{}", "linux-image-cloud", True),
        ("linux-image-6.12.1-{}-dbg", "linux-image-6.12", False),
        ("linux-image-6.12.1-{}-unsigned", "linux-image-6.12", False),
        ("linux-image-6.12.1-other", "linux-image-6.12", False),
    ],
)
@pytest.mark.skipif(shutil.which("dpkg") is None, reason="no dpkg, which says what architecture this is")
def test_variants_are_taken_only_when_they_are_named(package, begin, taken):
    assert is_image(package.format(debian.debian_architecture()), begin) is taken


# The cache


@pytest.mark.usefixtures("cache")
def test_what_was_kept_is_found_by_any_of_its_names():
    cached = kernel_cache.add_kernel(a_kernel(), fill)
    assert (
        kernel_cache.find_kernel("deb:bookworm")
        == kernel_cache.find_kernel("bookworm")
        == kernel_cache.find_kernel(cached.name)
        == cached
    )
    assert kernel_cache.find_kernel("deb:sid") is None
    assert kernel_cache.size_bytes(cached) > 1000


@pytest.mark.usefixtures("cache")
def test_the_newer_kernel_takes_the_name_over_and_the_older_one_stays():
    kernel_cache.add_kernel(a_kernel(), fill)
    newer = kernel_cache.add_kernel(a_kernel("6.1.0-51-amd64", version="6.1.180-1"), fill)
    assert kernel_cache.find_kernel("deb:bookworm") == newer
    assert [kernel.names for kernel in kernel_cache.list_kernels()] == [[], ["deb:bookworm"]]


@pytest.mark.usefixtures("cache")
def test_a_kernel_that_is_there_is_not_unpacked_again_but_gets_the_name():
    kernel_cache.add_kernel(a_kernel(), fill)
    cached = kernel_cache.add_kernel(
        a_kernel(names=["deb:linux-image-6.1"]), lambda folder: pytest.fail(f"filled {folder}")
    )
    assert cached.names == ["deb:bookworm", "deb:linux-image-6.1"]
    assert kernel_cache.list_kernels() == [cached]


def test_a_kernel_that_could_not_be_unpacked_leaves_nothing(cache):
    def broken(folder):
        fill(folder)
        raise LabError("the disk went away.")

    with pytest.raises(LabError):
        kernel_cache.add_kernel(a_kernel(), broken)
    assert kernel_cache.list_kernels() == []
    assert list(cache.iterdir()) == []


def test_removing(cache):
    kernel_cache.add_kernel(a_kernel(), fill)
    ended = connstorm("remove", "bookworm", "--json")
    assert [load["release"] for load in json.loads(ended.stdout)["removed"]] == ["6.1.0-50-amd64"]
    assert list(cache.iterdir()) == []
    ended = connstorm("remove", "bookworm")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "There is no downloaded kernel 'bookworm'" in ended.stderr


@pytest.mark.usefixtures("cache")
def test_the_list_says_how_to_get_one():
    assert "connstorm kernels fetch" in connstorm("list").stdout
    kernel_cache.add_kernel(a_kernel(), fill)
    assert "6.1.0-50-amd64" in connstorm("list").stdout
    assert json.loads(connstorm("list", "--json").stdout)["kernels"][0]["names"] == ["deb:bookworm"]


@pytest.mark.usefixtures("cache")
def test_damaged_facts_are_reported():
    cached = kernel_cache.add_kernel(a_kernel(), fill)
    (kernel_cache.kernel_folder(cached) / kernel_cache.FACTS).write_text("{}")
    ended = connstorm("list")
    assert ended.returncode == 2
    assert "download the kernel again" in ended.stderr


def test_a_cache_that_cannot_be_written_is_reported(cache):
    cache.parent.mkdir(exist_ok=True)
    cache.write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="could not be written"):
        kernel_cache.add_kernel(a_kernel(), fill)


# Debian


@pytest.fixture(scope="module")
def apt():
    """Skip where there is no apt with a mirror of Debian that answers."""
    if missing := [program for program in ("apt-get", "dpkg-deb", "depmod") if shutil.which(program) is None]:
        pytest.skip(f"no {', '.join(missing)} here")
    try:
        mirror = debian.system_mirror()
        with debian.open_release("bookworm", mirror, lambda _: None) as release:
            yield release
    except LabError as error:
        pytest.skip(f"no mirror of Debian: {error}")


def of_the_system():
    """Return what fetching must not change: the system's package lists, and what is installed."""
    files = [*Path("/var/lib/apt/lists").glob("*"), Path("/var/lib/dpkg/status"), *Path("/etc/apt").rglob("*")]
    return {file: file.stat().st_mtime_ns for file in files if file.is_file()}


@pytest.mark.usefixtures("apt")
def test_a_kernel_is_fetched_and_unpacked_and_nothing_installed(cache):
    before = of_the_system()
    ended = connstorm(
        "fetch", "linux-image-cloud-amd64/bookworm" if debian.debian_architecture() == "amd64" else "bookworm"
    )
    assert ended.returncode == 0, ended.stderr
    (kernel,) = kernel_cache.list_kernels()
    assert kernel.release.startswith("6.1.")
    assert kernel_cache.kernel_image(kernel).stat().st_size > 1_000_000
    assert (kernel_cache.kernel_modules(kernel) / "modules.dep").is_file()
    assert [folder.name for folder in cache.iterdir()] == [kernel.name]
    assert of_the_system() == before


@pytest.mark.parametrize("home", ["state/lists", "cache"])
def test_apt_reads_and_writes_in_its_own_folder_only(apt, home):
    assert isinstance(apt, Apt)
    printed = subprocess.run(
        ["apt-config", "--config-file", apt.home / "apt.conf", "shell", "X", f"Dir::{home.partition('/')[0]}/d"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert str(apt.home) in printed


@pytest.mark.usefixtures("apt")
def test_a_release_that_the_mirror_has_not():
    ended = connstorm("fetch", "nosuchrelease")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "has no release nosuchrelease" in ended.stderr


@pytest.mark.usefixtures("apt")
def test_a_package_that_there_is_not():
    ended = connstorm("fetch", "linux-image-99.9/bookworm")
    assert ended.returncode == 2
    assert "There is no kernel package linux-image-99.9 in bookworm" in ended.stderr


@pytest.mark.usefixtures("apt")
def test_no_network_is_reported_in_a_sentence():
    ended = connstorm("fetch", "bookworm", "--mirror", "http://127.0.0.1:9/debian")
    assert ended.returncode == 3
    assert "Could not connect" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.usefixtures("apt")
def test_what_nobody_signed_is_refused(tmp_path):
    dist = tmp_path / "debian" / "dists" / "bookworm"
    lists = dist / "main" / f"binary-{debian.debian_architecture()}"
    lists.mkdir(parents=True)
    (lists / "Packages").write_text("Package: linux-image-6.6.6\nVersion: 1\nArchitecture: all\nFilename: evil.deb\n")
    (dist / "Release").write_text("Origin: Debian\nSuite: bookworm\nCodename: bookworm\nComponents: main\n")
    ended = connstorm("fetch", "bookworm", "--mirror", f"file://{tmp_path}/debian")
    assert ended.returncode == 3
    assert "not signed" in ended.stderr


# Suites


def suite(**changes):
    return suite_file.build_suite(SUITE | changes)


def test_the_kernel_is_an_axis_and_no_field_of_the_plan():
    cells = matrix.build_cells(suite(matrix={"kernel": [HOST, "deb:bookworm", "deb:bookworm mitigations=off"]}))
    assert [cell.kernel for cell in cells] == 2 * [HOST, "deb:bookworm", "deb:bookworm mitigations=off"]
    assert [cell.name for cell in cells][:3] == [
        "clean",
        "clean kernel=deb:bookworm",
        "clean kernel=deb:bookworm mitigations=off",
    ]
    assert len({cell.identity for cell in cells[:3]}) == 1
    assert kernels.kernels_to_boot(cells) == ["deb:bookworm", "deb:bookworm mitigations=off"]


def test_a_baseline_may_be_a_kernel_that_is_booted():
    cells = matrix.build_cells(suite(matrix={"kernel": [HOST, "deb:sid"]}, baseline={"kernel": "deb:sid"}))
    assert [(cell.kernel, cell.baseline) for cell in cells[:2]] == [("deb:sid", True), (HOST, False)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"matrix": {"kernel": ["nowhere/bzImage"]}}, "There is no kernel 'nowhere/bzImage'"),
        ({"matrix": {"kernel": [HOST, HOST]}}, "twice"),
        ({"matrix": {"kernel": [6.1]}}, "kernel"),
        ({"matrix": {"kernel": "host"}}, "must be a list"),
        ({"defaults": {"kernel": HOST}}, r"belongs in \[matrix\]|\[matrix\], as a list"),
    ],
)
def test_errors_are_reported_before_anything_boots(changes, said):
    with pytest.raises(UsageError, match=said):
        suite(**changes)


def test_this_machines_executor_becomes_one_that_boots_where_a_cell_needs_it():
    booted = matrix.build_cells(suite(matrix={"kernel": ["deb:bookworm"]}))
    assert isinstance(kernels.executor_for_cells(Local(), booted), Virtme)
    assert isinstance(kernels.executor_for_cells(Local(), matrix.build_cells(suite())), Local)


def test_other_machines_boot_no_kernels():
    class Elsewhere(Local):
        """An executor of another machine."""

    class Fleet:
        hosts = ("there",)

    booted = matrix.build_cells(suite(matrix={"kernel": ["deb:bookworm"]}))
    with pytest.raises(UsageError, match="leave out --executor"):
        kernels.executor_for_cells(Fleet(), booted)
    assert isinstance(kernels.executor_for_cells(Elsewhere(), booted), Virtme)


def test_host_is_of_the_running_kernel_alone():
    booted = matrix.build_cells(suite(matrix={"kernel": ["deb:bookworm"]}))
    with pytest.raises(UsageError, match="a machine of its own"):
        kernels.boot_fingerprints(booted, Virtme(), lambda _: None, host=True)
