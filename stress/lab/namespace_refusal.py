# SPDX-License-Identifier: MIT
"""Why this kernel refuses a private namespace, and the command that allows one."""

import errno
import os
from pathlib import Path

from stress.lab import sysctl

LIMITS = ("user.max_user_namespaces", "user.max_net_namespaces")  # of this user namespace; ENOSPC
SOME = "10000"
# Each with the value that forbids, and the one that allows: Debian's and Ubuntu's patch, and Ubuntu's AppArmor.
SWITCHES = (
    ("kernel.unprivileged_userns_clone", "0", "1"),
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
)
CONTAINER_FILES = (Path("/.dockerenv"), Path("/run/.containerenv"))  # of docker, of podman
IN_A_CONTAINER = (
    "This is a container: start it with --privileged, or with --cap-add SYS_ADMIN --security-opt seccomp=unconfined."
)
ON_THE_HOST = (
    "--host would run on this host's own stack instead, where no sysctl is changed and the counters include "
    "everybody's connections."
)


def refusal_text(number: int) -> str:
    """Return sentences that say why no namespace can be made here, and what to do.

    Args:
        number: the errno of unshare(2), or of what the new namespace was not permitted to do.
    """
    name = errno.errorcode.get(number, str(number))
    head = f"This kernel refuses a private network namespace ({name}: {os.strerror(number)})"
    return f"{head}: {find_reason(number)} {ON_THE_HOST}"


def find_reason(number: int) -> str:
    """Return what forbids namespaces, by the errno and the settings, and the command that allows them."""
    if number == errno.ENOSPC:
        return limit_reason()
    if number not in (errno.EPERM, errno.EACCES):
        return f"none of its settings says so ({list_values()})."
    for name, forbidding, allowing in SWITCHES:
        if sysctl.read(name) == forbidding:
            return f"{name} is {forbidding}; as root, sysctl -w {name}={allowing} allows it."
    if is_filtered():
        return IN_A_CONTAINER
    return f"none of its settings forbids it ({list_values()}), so a security module or a chroot(2) may."


def limit_reason() -> str:
    """Return which limit of the number of namespaces is reached."""
    for name in LIMITS:
        if sysctl.read(name) == "0":
            return f"{name} is 0; as root, sysctl -w {name}={SOME} allows it."
    values = " and ".join(f"{name} is {sysctl.read(name)}" for name in LIMITS)
    return f"{values}, and as many exist, here or in a user namespace around this one; as root, sysctl -w raises them."


def is_filtered() -> bool:
    """Return whether a seccomp filter or a mark of docker or podman says that this is a container."""
    return any(file.exists() for file in CONTAINER_FILES) or "\nSeccomp:\t2" in Path("/proc/self/status").read_text()


def list_values() -> str:
    """Return the settings that there are, with their values."""
    names = (*LIMITS, *(name for name, *_ in SWITCHES))
    return ", ".join(f"{name} is {value}" for name in names if (value := sysctl.read(name)) is not None)
