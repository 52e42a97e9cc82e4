# SPDX-License-Identifier: MIT
"""The programs of a cgroup that a storm may be in."""

from enum import StrEnum


class CgroupHook(StrEnum):
    """What calls BPF programs of a cgroup of the run's own, which permit all that they are asked."""

    NONE = "none"  # there is no such cgroup
    CONNECT = "connect"  # socket() and connect()
    PACKETS = "packets"  # each packet of a socket, in both directions
