# SPDX-License-Identifier: MIT
"""What the serving side tells of itself before it has agreed to anything."""

from stress.lab import host
from stress.lab.privileges import read_privileges
from stress.model.peer import ServeLimits
from stress.storm.peer.answers import Description


def describe(limits: ServeLimits) -> Description:
    """Return what this host is, permits and may do.

    Args:
        limits: of this host.
    """
    return Description(host=host.read_host(), limits=limits, privileges=read_privileges())
