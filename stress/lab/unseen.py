# SPDX-License-Identifier: MIT
"""What an inspection could not see here, why, and how to let it."""

import os
import platform
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from stress.lab import firewall, socket_owner, sysctl
from stress.model.errors import LabError
from stress.model.inspection import Unseen
from stress.model.text import join_words, plural

BOUND_SINCE = (6, 8)  # Linux that lists sockets that are only bound
OLD_TABLES = Path("/proc/thread-self/net/ip_tables_names"), Path("/proc/thread-self/net/ip6_tables_names")
DENIED = "Operation not permitted"
AS_ROOT = "Look as root (sudo)."
NAMED_USERS = 3


def describe_owners(uids: Iterable[int]) -> list[Unseen]:
    """Return what is said of sockets that no process is known to hold, by the user of each."""
    users = Counter(uids)
    if not users:
        return []
    texts = [socket_owner.user_text(uid) for uid, _ in users.most_common(NAMED_USERS)]
    more = len(users) - len(texts)
    texts += [plural(more, "other user")] if more else []
    what = f"the processes of {plural(users.total(), 'socket')} of {join_words(texts)}"
    if socket_owner.is_any_hidden():
        return [Unseen(what, "/proc shows what a process has open to its own user and to root only", AS_ROOT)]
    return [
        Unseen(
            what,
            "no process that /proc shows here has them open: they are the kernel's own, or of another PID namespace",
            "Look from the host, with --netns and the id that a process of this network has there.",
        )
    ]


def describe_bound() -> list[Unseen]:
    """Return what is said where the kernel does not list the sockets that hold a port by bind() alone."""
    release = platform.release()
    numbers = re.match(r"(\d+)\.(\d+)", release)
    if numbers is None or tuple(map(int, numbers.groups())) >= BOUND_SINCE:
        return []
    why = f"Linux {release} does not list them; {'.'.join(map(str, BOUND_SINCE))} does"
    return [Unseen("sockets that have a port by bind() and are not connected", why, "A newer kernel tells.")]


def describe_range() -> list[Unseen]:
    """Return what is said where the port range of connect() cannot be read."""
    if sysctl.exists(sysctl.PORT_RANGE):
        return []
    what = "ports left to destinations, and mines among them"
    return [Unseen(what, f"{sysctl.PORT_RANGE} cannot be read", "Mount /proc with all of /proc/sys.")]


def read_rules() -> tuple[str | None, list[Unseen]]:
    """Return the rules of nft in the network namespace of the calling thread, and what could not be seen of rules."""
    what = "firewall rules that drop or reject what a retry needs"
    try:
        rules = firewall.list_rules()
    except LabError as error:
        if DENIED in str(error):
            return None, [Unseen(what, "the kernel lists the rules of nft to root only", AS_ROOT)]
        if firewall.has_nft():
            return None, [Unseen(what, str(error).rstrip("."), "Run nft list ruleset to see why.")]
        remedy = "Look as root (sudo) where nft is installed, for a container on its host with --netns."
        return None, [Unseen(what, "nft is not installed here", remedy)]
    return rules, describe_old_tables()


def describe_old_tables() -> list[Unseen]:
    """Return what is said where rules are of iptables-legacy, which nft does not list."""
    tables: set[str] = set()
    for file in OLD_TABLES:
        if os.access(file, os.R_OK):
            tables.update(file.read_text().split())
    if not tables:
        return []
    return [
        Unseen(
            f"rules of iptables-legacy, table {join_words(sorted(tables))}",
            "nft does not list them",
            "Run iptables-legacy-save and ip6tables-legacy-save.",
        )
    ]
