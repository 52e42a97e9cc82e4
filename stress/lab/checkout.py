# SPDX-License-Identifier: MIT
"""The commit that this program is: that of the git checkout it lies in, or the one that was built. Imports no numpy."""

import os
import subprocess
from pathlib import Path

import stress
from stress._listener import BUILD
from stress.model.commit import CHANGED, valid_commit

VARIABLE = "CONNSTORM_COMMIT"  # says it where nobody else knows, as in a guest; empty: nobody is asked
LIMIT_S = 5.0
BUILT_CHANGED = "-dirty"  # as git describe says it (setup.py)


def program_commit() -> str:
    """Return the commit of this program, with ``+`` where its files are not those of the commit; "" if not known."""
    given = os.environ.get(VARIABLE)
    if given is not None:
        return valid_commit(given.strip())
    checkout = Path(stress.__file__).parents[1]
    if (checkout / ".git").exists():
        return checkout_commit(checkout)
    return valid_commit(BUILD["commit"].replace(BUILT_CHANGED, CHANGED))


def checkout_commit(checkout: Path) -> str:
    """Return the commit of a git checkout, with ``+`` where its package was changed since; "" where git says nothing.

    Git takes no lock there, runs no program of the user's, and does not mind whose the checkout is: in a namespace most
    files are of nobody.
    """
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    options = ("--no-optional-locks", "-c", "safe.directory=*", "-c", "core.fsmonitor=false")
    question = ("status", "--porcelain=v2", "--branch", "--", Path(stress.__file__).parent.name)
    try:
        answered = subprocess.run(
            ["git", *options, "-C", str(checkout), *question],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):  # no git, or one that waits for a disk
        return ""
    if answered.returncode:
        return ""
    head, *others = answered.stdout.decode(errors="replace").splitlines() or [""]
    changed = CHANGED if any(not line.startswith("#") for line in others) else ""
    return valid_commit(head.rpartition(" ")[2] + changed)
