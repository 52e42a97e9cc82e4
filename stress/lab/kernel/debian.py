# SPDX-License-Identifier: MIT
"""Debian's kernel packages of any release, fetched by apt with a configuration of its own.

The system's package lists, its sources and what is installed are not touched. Signatures are checked as apt always
does, with the keys of Debian's archive that the system has.
"""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stress.lab.kernel import cache
from stress.lab.kernel.cache import version_numbers
from stress.model.errors import LabError, UsageError
from stress.model.kernel import IMAGE_PREFIX, CachedKernel, DebianName
from stress.model.progress import ProgressCallback

# Where a package is looked for that is named without its release, the newest release last.
SUITES = ("bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports", "sid")
KEYRING = "/usr/share/keyrings/debian-archive-keyring"
LIMIT_S = 600
VARIANTS = ("cloud", "rt", "dbg", "unsigned")  # taken only where the name says so
CONFIGURATION = """\
Dir::Etc::sourcelist "{home}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{home}/state";
Dir::State::status "{home}/status";
Dir::Cache "{home}/cache";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
APT::Sandbox::User "{user}";
APT::Update::Error-Mode "any";
Acquire::Retries "1";
#clear APT::Architectures;
APT::Architectures {{ "{architecture}"; }};
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


@dataclass(frozen=True)
class Apt:
    """One release of Debian as apt knows it, in a folder of its own."""

    home: Path
    suite: str

    def ask(self, program: str, *arguments: str, folder: Path | None = None) -> str:
        """Run one of apt's programs and return what it printed.

        Raises:
            LabError: it failed; the sentence has its own first error.
        """
        command = [program, "--config-file", str(self.home / "apt.conf"), *arguments]
        return run_program(command, folder or self.home, f"{program} {arguments[0]} for {self.suite}")

    def packages(self, begin: str) -> list[str]:
        """Return the kernel packages whose names begin so, but for debugging symbols, the oldest first."""
        found = self.ask("apt-cache", "pkgnames", begin).split()
        return sorted((name for name in found if is_image(name, begin)), key=version_numbers)

    def depends(self, package: str) -> list[str]:
        """Return what a package depends on."""
        printed = self.ask("apt-cache", "depends", "--important", package)
        return re.findall(r"Depends: (\S+)", printed)

    def version(self, package: str) -> str:
        """Return the version of a package that would be fetched."""
        printed = self.ask("apt-cache", "show", "--no-all-versions", package)
        found = re.search(r"^Version: (\S+)$", printed, re.MULTILINE)
        if found is None:
            raise LabError(f"apt does not say which version of {package} it has.")
        return found[1]


def fetch_kernel(name: DebianName, notify: ProgressCallback, mirror: str | None = None) -> CachedKernel:
    """Fetch a kernel's package, unpack it into the cache, and return what it is; nothing is installed.

    Args:
        name: which.
        notify: is told what is done.
        mirror: of Debian; None takes the one that the system's sources name.

    Raises:
        UsageError: there is no such package or release.
        LabError: a program is missing, or the mirror does not answer, or its signature is wrong.
        StoreError: the cache cannot be written.
    """
    for program in ("apt-get", "dpkg-deb", "depmod"):
        if shutil.which(program) is None:
            raise LabError(f"{program} is not there; Debian's kernels are fetched with apt, dpkg and kmod.")
    mirror = mirror or system_mirror()
    for suite in [name.suite] if name.suite else SUITES[::-1]:
        with open_release(suite, mirror, notify) as apt:
            package = resolve_package(apt, name.package)
            if package is not None:
                return unpack_kernel(apt, package, name, notify)
    where = f"{name.suite} of {mirror}" if name.suite else f"{', '.join(SUITES)} of {mirror}"
    raise UsageError(f"There is no kernel package {name.package or IMAGE_PREFIX} in {where}.")


def resolve_package(apt: Apt, begin: str) -> str | None:
    """Return the package that a name means, that of a release by default; None when there is none."""
    if not begin:
        begin = f"{IMAGE_PREFIX}{debian_architecture()}"
    there = apt.packages(begin)
    if not there:
        return None
    package = begin if begin in there else there[-1]
    # A package without a number only depends on the newest one.
    newest = (name for name in apt.depends(package) if re.match(rf"{IMAGE_PREFIX}\d", name))
    return next(newest, package)


def unpack_kernel(apt: Apt, package: str, name: DebianName, notify: ProgressCallback) -> CachedKernel:
    """Download a package and unpack it into the cache, unless it is there."""
    version = apt.version(package)
    kernel = CachedKernel(
        name=f"{package}_{version.replace(':', '-')}",
        package=package,
        version=version,
        suite=apt.suite,
        release=package.removeprefix(IMAGE_PREFIX).removesuffix("-unsigned"),
        names=[name.text],
        fetched_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )

    def fill(folder: Path) -> None:
        # From Linux 7 on the image and the modules are packages of their own.
        parts = [
            dependency
            for dependency in apt.depends(package)
            if dependency.startswith("linux-") and kernel.release in dependency
        ]
        notify(f"downloading {package} {version}")
        apt.ask("apt-get", "download", package, *parts)
        notify("unpacking")
        for archive in apt.home.glob("*.deb"):
            run_program(["dpkg-deb", "--extract", str(archive), str(folder)], apt.home, f"unpacking {archive.name}")
        arrange_files(folder, kernel)
        run_program(["depmod", "--basedir", str(folder), kernel.release], apt.home, f"depmod for {package}")

    return cache.add_kernel(kernel, fill)


def arrange_files(folder: Path, kernel: CachedKernel) -> None:
    """Leave an unpacked kernel as older packages have it: the image in ``boot``, the modules in ``lib/modules``."""
    if not (folder / "lib").exists():
        (folder / "lib").symlink_to("usr/lib")
    image = folder / "boot" / f"vmlinuz-{kernel.release}"
    if not image.exists():
        for beside in folder.glob("lib/modules/*/vmlinuz"):
            image.parent.mkdir(exist_ok=True)
            image.symlink_to(Path("..") / beside.relative_to(folder))
    if not image.is_file():
        raise LabError(f"{kernel.package} brings no image that could be booted.")


@contextmanager
def open_release(suite: str, mirror: str, notify: ProgressCallback) -> Iterator[Apt]:
    """Have apt read the package list of a release, into a folder that goes at the end."""
    with tempfile.TemporaryDirectory(prefix="connstorm-apt-") as path:
        apt = Apt(Path(path), suite)
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (apt.home / folder).mkdir(parents=True)
        (apt.home / "status").touch()
        (apt.home / "sources.list").write_text(f"deb [signed-by={find_keyring()}] {mirror} {suite} main\n")
        user = "root" if os.geteuid() == 0 else ""
        configuration = CONFIGURATION.format(home=apt.home, architecture=debian_architecture(), user=user)
        (apt.home / "apt.conf").write_text(configuration)
        notify(f"reading the package list of {suite}")
        try:
            apt.ask("apt-get", "update")
        except LabError as error:
            if "Release file" in str(error) or "404" in str(error):
                raise UsageError(
                    f"{mirror} has no release {suite}; such as {', '.join(SUITES)} may be there, and older ones are in "
                    "the archive (--mirror)."
                ) from error
            raise
        yield apt


def system_mirror() -> str:
    """Return the mirror of Debian that the system's own sources name.

    Raises:
        LabError: they name none.
    """
    query = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    for address in run_program(query, Path("/"), "apt-get").split():
        if address.rstrip("/").endswith("/debian"):
            return address.rstrip("/")
    raise LabError("apt's sources on this machine name no mirror of Debian; give one with --mirror.")


def find_keyring() -> str:
    """Return the keys of Debian's archive.

    Raises:
        LabError: this system has none.
    """
    for ending in (".gpg", ".pgp"):
        if Path(KEYRING + ending).is_file():
            return KEYRING + ending
    raise LabError(f"{KEYRING}.gpg is not there: apt-get install debian-archive-keyring.")


def debian_architecture() -> str:
    """Return this machine's architecture as Debian calls it."""
    return run_program(["dpkg", "--print-architecture"], Path("/"), "dpkg").strip()


def is_image(package: str, begin: str) -> bool:
    """Return whether a package is a kernel of this architecture, and of a variant only where its name was given so."""
    rest = package.removeprefix(IMAGE_PREFIX).split("-")
    return debian_architecture() in rest and not any(each in rest and each not in begin for each in VARIANTS)


def run_program(command: list[str], folder: Path, what: str) -> str:
    """Run a program and return what it printed.

    Raises:
        LabError: it failed.
    """
    environment = os.environ | {"LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{what} did not end within {LIMIT_S} s; is there a network?") from error
    if done.returncode != 0:
        told = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith(("E:", "W:", "Err:"))]
        reason = " ".join(told[:3]) or done.stderr.strip() or f"code {done.returncode}"
        raise LabError(f"{what} failed: {reason}")
    return done.stdout
