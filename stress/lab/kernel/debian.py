# SPDX-License-Identifier: MIT
"""Download kernel packages of any Debian release by apt with a configuration of its own.

The system's package lists, sources and installed packages are not changed. apt checks signatures as usual, with the
system's keys of the Debian archive.
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

# The releases that are searched for a package without a release in its name, the newest last.
SUITES = ("bullseye", "bookworm", "bookworm-backports", "trixie", "trixie-backports", "sid")
KEYRING = "/usr/share/keyrings/debian-archive-keyring"
LIMIT_S = 600
VARIANTS = ("cloud", "rt", "dbg", "unsigned")  # used only if the name contains them
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
    """One release of Debian as apt sees it, in a folder of its own."""

    home: Path
    suite: str

    def query(self, program: str, *arguments: str, folder: Path | None = None) -> str:
        """Run one of apt's programs and return its output.

        Raises:
            LabError: it failed; the message has its first errors.
        """
        command = [program, "--config-file", str(self.home / "apt.conf"), *arguments]
        return run_program(command, folder or self.home, f"{program} {arguments[0]} for {self.suite}")

    def packages(self, begin: str) -> list[str]:
        """Return the kernel packages whose names begin with ``begin``, without debugging symbols, the oldest first."""
        names = self.query("apt-cache", "pkgnames", begin).split()
        return sorted((name for name in names if is_image(name, begin)), key=version_numbers)

    def depends(self, package: str) -> list[str]:
        """Return the dependencies of a package."""
        output = self.query("apt-cache", "depends", "--important", package)
        return re.findall(r"Depends: (\S+)", output)

    def version(self, package: str) -> str:
        """Return the version of a package that would be downloaded."""
        output = self.query("apt-cache", "show", "--no-all-versions", package)
        match = re.search(r"^Version: (\S+)$", output, re.MULTILINE)
        if match is None:
            raise LabError(f"apt does not print the version of {package}.")
        return match[1]


def fetch_kernel(name: DebianName, notify: ProgressCallback, mirror: str | None = None) -> CachedKernel:
    """Download a kernel package and unpack it into the cache; nothing is installed.

    Args:
        name: the kernel.
        notify: progress callback.
        mirror: mirror of Debian; None uses the one of the system's apt sources.

    Raises:
        UsageError: there is no such package or release.
        LabError: a program is missing, the mirror does not answer, or its signature is wrong.
        StoreError: the cache cannot be written.
    """
    for program in ("apt-get", "dpkg-deb", "depmod"):
        if shutil.which(program) is None:
            raise LabError(f"{program} is not installed; downloading Debian's kernels needs apt, dpkg and kmod.")
    mirror = mirror or system_mirror()
    for suite in [name.suite] if name.suite else SUITES[::-1]:
        with open_release(suite, mirror, notify) as apt:
            package = resolve_package(apt, name.package)
            if package is not None:
                return unpack_kernel(apt, package, name, notify)
    where = f"{name.suite} of {mirror}" if name.suite else f"{', '.join(SUITES)} of {mirror}"
    raise UsageError(f"There is no kernel package {name.package or IMAGE_PREFIX} in {where}.")


def resolve_package(apt: Apt, begin: str) -> str | None:
    """Return the package of a name, by default the kernel package of the release; None if there is none."""
    if not begin:
        begin = f"{IMAGE_PREFIX}{debian_architecture()}"
    packages = apt.packages(begin)
    if not packages:
        return None
    package = begin if begin in packages else packages[-1]
    # A package without a version in its name only depends on the newest one.
    newest = (name for name in apt.depends(package) if re.match(rf"{IMAGE_PREFIX}\d", name))
    return next(newest, package)


def unpack_kernel(apt: Apt, package: str, name: DebianName, notify: ProgressCallback) -> CachedKernel:
    """Download a package and unpack it into the cache, unless it is in the cache."""
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
        # From Linux 7 on, image and modules are separate packages.
        parts = [
            dependency
            for dependency in apt.depends(package)
            if dependency.startswith("linux-") and kernel.release in dependency
        ]
        notify(f"downloading {package} {version}")
        apt.query("apt-get", "download", package, *parts)
        notify("unpacking")
        for archive in apt.home.glob("*.deb"):
            run_program(["dpkg-deb", "--extract", str(archive), str(folder)], apt.home, f"unpacking {archive.name}")
        arrange_files(folder, kernel)
        run_program(["depmod", "--basedir", str(folder), kernel.release], apt.home, f"depmod for {package}")

    return cache.add_kernel(kernel, fill)


def arrange_files(folder: Path, kernel: CachedKernel) -> None:
    """Arrange an unpacked kernel as in older packages: the image in ``boot``, the modules in ``lib/modules``."""
    if not (folder / "lib").exists():
        (folder / "lib").symlink_to("usr/lib")
    image = folder / "boot" / f"vmlinuz-{kernel.release}"
    if not image.exists():
        for packaged in folder.glob("lib/modules/*/vmlinuz"):
            image.parent.mkdir(exist_ok=True)
            image.symlink_to(Path("..") / packaged.relative_to(folder))
    if not image.is_file():
        raise LabError(f"{kernel.package} contains no bootable image.")


@contextmanager
def open_release(suite: str, mirror: str, notify: ProgressCallback) -> Iterator[Apt]:
    """Let apt download the package list of a release to a temporary folder."""
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
            apt.query("apt-get", "update")
        except LabError as error:
            if "Release file" in str(error) or "404" in str(error):
                raise UsageError(
                    f"{mirror} has no release {suite}; try one of {', '.join(SUITES)}, or for older ones the archive "
                    "(--mirror)."
                ) from error
            raise
        yield apt


def system_mirror() -> str:
    """Return the mirror of Debian in the system's apt sources.

    Raises:
        LabError: there is none.
    """
    query = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    for address in run_program(query, Path("/"), "apt-get").split():
        if address.rstrip("/").endswith("/debian"):
            return address.rstrip("/")
    raise LabError("The apt sources of this machine have no mirror of Debian; give one with --mirror.")


def find_keyring() -> str:
    """Return the path of the keys of the Debian archive.

    Raises:
        LabError: they are not installed.
    """
    for suffix in (".gpg", ".pgp"):
        if Path(KEYRING + suffix).is_file():
            return KEYRING + suffix
    raise LabError(f"{KEYRING}.gpg is missing: apt-get install debian-archive-keyring.")


def debian_architecture() -> str:
    """Return Debian's name of this machine's architecture."""
    return run_program(["dpkg", "--print-architecture"], Path("/"), "dpkg").strip()


def is_image(package: str, begin: str) -> bool:
    """Return whether a package is a kernel of this architecture, and of a variant only if ``begin`` names it."""
    rest = package.removeprefix(IMAGE_PREFIX).split("-")
    return debian_architecture() in rest and not any(variant in rest and variant not in begin for variant in VARIANTS)


def run_program(command: list[str], folder: Path, what: str) -> str:
    """Run a program and return its output.

    Raises:
        LabError: it failed.
    """
    environment = os.environ | {"LC_ALL": "C"}
    try:
        completed = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{what} did not end within {LIMIT_S} s; is there a network?") from error
    if completed.returncode != 0:
        errors = [
            line for line in (completed.stderr + completed.stdout).splitlines() if line.startswith(("E:", "W:", "Err:"))
        ]
        reason = " ".join(errors[:3]) or completed.stderr.strip() or f"code {completed.returncode}"
        raise LabError(f"{what} failed: {reason}")
    return completed.stdout
